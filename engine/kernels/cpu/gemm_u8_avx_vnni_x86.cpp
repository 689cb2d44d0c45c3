// The u8 x s8 tiles of AVX-VNNI: AVX2's vectors, of which vpdpbusd adds four products a lane in 32
// bits, so that no activation and no weight is too large.
#if defined(__x86_64__)
#if !defined(__clang__)  // warnings of gcc 12's own intrinsics header
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <cstring>

#include "engine/kernels/cpu/gemm_u8_tiles.h"

#define ANTIPHON_AVX_VNNI __attribute__((target("avx2,fma,avxvnni")))

namespace antiphon {
namespace {

// Four neighbouring bytes in every 32-bit lane.
ANTIPHON_AVX_VNNI inline __m256i four256(const std::uint8_t* x) {
  std::int32_t four;
  std::memcpy(&four, x, sizeof(four));
  return _mm256_set1_epi32(four);
}

template <int kRows>
ANTIPHON_AVX_VNNI void tile_avx_vnni(const std::int8_t* w, const TappedRows<std::uint8_t>& x,
                                     std::int32_t* out) {
  constexpr int kChains = kRows == 1 ? 4 : kRows <= 3 ? 2 : 1;  // vpdpbusd takes 5 cycles
  __m256i sum[kChains][kRows][2];
#pragma GCC unroll 16
  for (int i = 0; i < kChains * kRows * 2; ++i)
    sum[i / (2 * kRows)][i / 2 % kRows][i % 2] = _mm256_setzero_si256();
  for (int tap = 0; tap < x.taps; ++tap) {
    const std::uint8_t* row = x.x + tap * x.tap_stride;
    std::int64_t c = 0;
    const auto step = [&](int chain) ANTIPHON_AVX_VNNI __attribute__((always_inline)) {
      const __m256i low = _mm256_load_si256(reinterpret_cast<const __m256i*>(w));
      const __m256i high = _mm256_load_si256(reinterpret_cast<const __m256i*>(w + 32));
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const __m256i value = four256(row + r * x.row_stride + c);
        sum[chain][r][0] = _mm256_dpbusd_avx_epi32(sum[chain][r][0], value, low);
        sum[chain][r][1] = _mm256_dpbusd_avx_epi32(sum[chain][r][1], value, high);
      }
      c += 4;
      w += 64;
    };
    while (c + 4 * kChains <= x.tap_cols) {
#pragma GCC unroll 4
      for (int chain = 0; chain < kChains; ++chain) step(chain);
    }
    while (c < x.tap_cols) step(0);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 2 * kRows; ++i) {
    __m256i total = sum[0][i / 2][i % 2];
#pragma GCC unroll 4
    for (int chain = 1; chain < kChains; ++chain)
      total = _mm256_add_epi32(total, sum[chain][i / 2][i % 2]);
    _mm256_store_si256(reinterpret_cast<__m256i*>(out + 8 * i), total);
  }
}

constexpr U8Tile kAvxVnniTiles[] = {tile_avx_vnni<1>, tile_avx_vnni<2>, tile_avx_vnni<3>,
                                    tile_avx_vnni<4>, tile_avx_vnni<5>, tile_avx_vnni<6>};

}  // namespace

const U8Tiles& u8_tiles_avx_vnni() {
  static constexpr U8Tiles kTable = {
      .most_rows = 6, .tile = kAvxVnniTiles, .finish = finish_u8_avx2, .row = u8_row_avx_vnni};
  return kTable;
}

}  // namespace antiphon
#endif
