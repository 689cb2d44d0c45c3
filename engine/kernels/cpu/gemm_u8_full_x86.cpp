// The u8 x s8 tiles of AVX2 for activations of 255 levels, of which two products with large weights
// leave the 16 bits that vpmaddubsw adds in.
#if defined(__x86_64__)
#if !defined(__clang__)  // warnings of gcc 12's own intrinsics header
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <cstring>

#include "engine/kernels/cpu/gemm_u8_tiles.h"

#define ANTIPHON_AVX2 __attribute__((target("avx2,fma")))

namespace antiphon {
namespace {

// Four neighbouring bytes in every 32-bit lane.
ANTIPHON_AVX2 inline __m256i four256(const std::uint8_t* x) {
  std::int32_t four;
  std::memcpy(&four, x, sizeof(four));
  return _mm256_set1_epi32(four);
}

template <int kRows>
ANTIPHON_AVX2 inline void store_sums(const __m256i (&sum)[kRows][2], std::int32_t* out) {
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(out + r * kPanelRows), sum[r][0]);
    _mm256_store_si256(reinterpret_cast<__m256i*>(out + r * kPanelRows + 8), sum[r][1]);
  }
}

// x less 128, so that two products with weights of at most 127 fit: 2 * 128 * 127 < 2^15. Signs go
// over to the weights, as the instruction wants its first operand without.
template <int kRows>
ANTIPHON_AVX2 void tile_centred(const std::int8_t* w, const TappedRows<std::uint8_t>& x,
                                std::int32_t* out) {
  __m256i sum[kRows][2];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
  const __m256i ones = _mm256_set1_epi16(1), centre = _mm256_set1_epi8(-128);
  for (int tap = 0; tap < x.taps; ++tap) {
    const std::uint8_t* row = x.x + tap * x.tap_stride;
    for (std::int64_t c = 0; c < x.tap_cols; c += 4, w += 64) {
      const __m256i low = _mm256_load_si256(reinterpret_cast<const __m256i*>(w));
      const __m256i high = _mm256_load_si256(reinterpret_cast<const __m256i*>(w + 32));
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const __m256i value = _mm256_xor_si256(four256(row + r * x.row_stride + c), centre);
        const __m256i size = _mm256_abs_epi8(value);
        const __m256i a = _mm256_maddubs_epi16(size, _mm256_sign_epi8(low, value));
        const __m256i b = _mm256_maddubs_epi16(size, _mm256_sign_epi8(high, value));
        sum[r][0] = _mm256_add_epi32(sum[r][0], _mm256_madd_epi16(a, ones));
        sum[r][1] = _mm256_add_epi32(sum[r][1], _mm256_madd_epi16(b, ones));
      }
    }
  }
  store_sums(sum, out);
}

// Even and odd columns apart, so that no sum of 16 bits has two products.
template <int kRows>
ANTIPHON_AVX2 void tile_apart(const std::int8_t* w, const TappedRows<std::uint8_t>& x,
                              std::int32_t* out) {
  __m256i sum[kRows][2];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
  const __m256i ones = _mm256_set1_epi16(1), even = _mm256_set1_epi16(0xff);
  for (int tap = 0; tap < x.taps; ++tap) {
    const std::uint8_t* row = x.x + tap * x.tap_stride;
    for (std::int64_t c = 0; c < x.tap_cols; c += 4, w += 64) {
      const __m256i weights[2] = {_mm256_load_si256(reinterpret_cast<const __m256i*>(w)),
                                  _mm256_load_si256(reinterpret_cast<const __m256i*>(w + 32))};
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const __m256i value = four256(row + r * x.row_stride + c);
        const __m256i a = _mm256_and_si256(value, even), b = _mm256_andnot_si256(even, value);
#pragma GCC unroll 2
        for (int half = 0; half < 2; ++half) {
          const __m256i low = _mm256_madd_epi16(_mm256_maddubs_epi16(a, weights[half]), ones);
          const __m256i high = _mm256_madd_epi16(_mm256_maddubs_epi16(b, weights[half]), ones);
          sum[r][half] = _mm256_add_epi32(sum[r][half], _mm256_add_epi32(low, high));
        }
      }
    }
  }
  store_sums(sum, out);
}

constexpr U8Tile kCentred[] = {tile_centred<1>, tile_centred<2>, tile_centred<3>, tile_centred<4>};
constexpr U8Tile kApart[] = {tile_apart<1>, tile_apart<2>, tile_apart<3>, tile_apart<4>};

}  // namespace

const U8Tiles& u8_tiles_avx2_centred() {
  static constexpr U8Tiles kTable = {.most_rows = 4,
                                     .tile = kCentred,
                                     .finish = finish_u8_avx2,
                                     .centre = 128,
                                     .row = u8_row_avx2_centred};
  return kTable;
}
const U8Tiles& u8_tiles_avx2_apart() {
  static constexpr U8Tiles kTable = {.most_rows = 4, .tile = kApart, .finish = finish_u8_avx2};
  return kTable;
}

}  // namespace antiphon
#endif
