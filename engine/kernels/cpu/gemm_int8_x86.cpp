// The int8 tiles for AVX2 (vpmaddwd), AVX-VNNI and AVX-512 VNNI (vpdpwssd), and the quantisation of
// a row.
#if defined(__x86_64__)
#if !defined(__clang__)  // warnings of gcc 12's own intrinsics header
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <cmath>
#include <cstring>
#include <utility>

#include "engine/kernels/cpu/gemm_int8_tiles.h"

#define ANTIPHON_AVX2 __attribute__((target("avx2,fma")))
#define ANTIPHON_AVX_VNNI __attribute__((target("avx2,fma,avxvnni")))
#define ANTIPHON_VNNI \
  __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))

namespace antiphon {
namespace {

// Two neighbouring int16 in every 32-bit lane.
ANTIPHON_AVX2 inline __m256i pair256(const std::int16_t* x) {
  std::int32_t pair;
  std::memcpy(&pair, x, sizeof(pair));
  return _mm256_set1_epi32(pair);
}
ANTIPHON_VNNI inline __m512i pair512(const std::int16_t* x) {
  std::int32_t pair;
  std::memcpy(&pair, x, sizeof(pair));
  return _mm512_set1_epi32(pair);
}

// Writes the first `outputs` of 16 results of one row.
void store_row(const float* result, float* y, std::int64_t outputs) {
  std::memcpy(y, result, static_cast<std::size_t>(outputs) * sizeof(float));
}

// Sums of rows, scaled, to y.
template <int kRows>
ANTIPHON_AVX2 inline void store_sums(const __m256i (&sum)[kRows][2], const Int8Panel& panel,
                                     const float* x_scales, std::int64_t scale_stride, float* y,
                                     std::int64_t y_stride) {
  const __m256 scale_low = _mm256_loadu_ps(panel.scales);
  const __m256 scale_high = _mm256_loadu_ps(panel.scales + 8);
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    const __m256 scale = _mm256_set1_ps(x_scales[r * scale_stride]);
    alignas(32) float part[kPanelRows];
    float* out = panel.outputs == kPanelRows ? y + r * y_stride : part;
    _mm256_storeu_ps(out,
                     _mm256_mul_ps(_mm256_cvtepi32_ps(sum[r][0]), _mm256_mul_ps(scale_low, scale)));
    _mm256_storeu_ps(
        out + 8, _mm256_mul_ps(_mm256_cvtepi32_ps(sum[r][1]), _mm256_mul_ps(scale_high, scale)));
    if (out == part) store_row(part, y + r * y_stride, panel.outputs);
  }
}

template <int kRows>
ANTIPHON_AVX2 void tile_avx2(const Int8Panel& panel, const TappedRows<std::int16_t>& x,
                             const float* x_scales, std::int64_t scale_stride, float* y,
                             std::int64_t y_stride) {
  __m256i sum[kRows][2];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
  const std::int8_t* w = panel.weights;
  for (int tap = 0; tap < x.taps; ++tap) {
    const std::int16_t* row = x.x + tap * x.tap_stride;
#pragma GCC unroll 2
    for (std::int64_t c = 0; c < x.tap_cols; c += 2, w += 32) {
      const __m256i low =
          _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(w)));
      const __m256i high =
          _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(w + 16)));
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const __m256i value = pair256(row + r * x.row_stride + c);
        sum[r][0] = _mm256_add_epi32(sum[r][0], _mm256_madd_epi16(low, value));
        sum[r][1] = _mm256_add_epi32(sum[r][1], _mm256_madd_epi16(high, value));
      }
    }
  }
  store_sums<kRows>(sum, panel, x_scales, scale_stride, y, y_stride);
}

template <int kRows>
ANTIPHON_AVX_VNNI void tile_avx_vnni(const Int8Panel& panel, const TappedRows<std::int16_t>& x,
                                     const float* x_scales, std::int64_t scale_stride, float* y,
                                     std::int64_t y_stride) {
  constexpr int kChains = kRows == 1 ? 4 : kRows <= 3 ? 2 : 1;  // vpdpwssd takes 5 cycles
  __m256i sum[kChains][kRows][2];
#pragma GCC unroll 16
  for (int i = 0; i < kChains * kRows * 2; ++i)
    sum[i / (2 * kRows)][i / 2 % kRows][i % 2] = _mm256_setzero_si256();
  const std::int8_t* w = panel.weights;
  for (int tap = 0; tap < x.taps; ++tap) {
    const std::int16_t* row = x.x + tap * x.tap_stride;
    std::int64_t c = 0;
    const auto step = [&](int chain) ANTIPHON_AVX_VNNI __attribute__((always_inline)) {
      const __m256i low =
          _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(w)));
      const __m256i high =
          _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(w + 16)));
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const __m256i value = pair256(row + r * x.row_stride + c);
        sum[chain][r][0] = _mm256_dpwssd_avx_epi32(sum[chain][r][0], low, value);
        sum[chain][r][1] = _mm256_dpwssd_avx_epi32(sum[chain][r][1], high, value);
      }
      c += 2;
      w += 32;
    };
    while (c + 2 * kChains <= x.tap_cols) {
#pragma GCC unroll 4
      for (int chain = 0; chain < kChains; ++chain) step(chain);
    }
    while (c < x.tap_cols) step(0);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 2 * kRows; ++i)
#pragma GCC unroll 4
    for (int chain = 1; chain < kChains; ++chain)
      sum[0][i / 2][i % 2] = _mm256_add_epi32(sum[0][i / 2][i % 2], sum[chain][i / 2][i % 2]);
  store_sums<kRows>(sum[0], panel, x_scales, scale_stride, y, y_stride);
}

template <int kRows>
ANTIPHON_VNNI void tile_vnni(const Int8Panel& panel, const TappedRows<std::int16_t>& x,
                             const float* x_scales, std::int64_t scale_stride, float* y,
                             std::int64_t y_stride) {
  // vpdpwssd takes 5 cycles: few rows need more than one chain each.
  constexpr int kChains = kRows == 1 ? 4 : kRows <= 4 ? 2 : 1;
  __m512i sum[kChains][kRows];
#pragma GCC unroll 12
  for (int i = 0; i < kChains * kRows; ++i) sum[i / kRows][i % kRows] = _mm512_setzero_si512();
  const std::int8_t* w = panel.weights;
  for (int tap = 0; tap < x.taps; ++tap) {
    const std::int16_t* row = x.x + tap * x.tap_stride;
    std::int64_t c = 0;
    const auto step = [&](int chain) ANTIPHON_VNNI __attribute__((always_inline)) {
      const __m512i weight =
          _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(w)));
#pragma GCC unroll 12
      for (int r = 0; r < kRows; ++r)
        sum[chain][r] =
            _mm512_dpwssd_epi32(sum[chain][r], weight, pair512(row + r * x.row_stride + c));
      c += 2;
      w += 32;
    };
    while (c + 2 * kChains <= x.tap_cols) {
#pragma GCC unroll 4
      for (int chain = 0; chain < kChains; ++chain) step(chain);
    }
    while (c < x.tap_cols) step(0);
  }
  const __m512 w_scale = _mm512_loadu_ps(panel.scales);
  const auto wanted = static_cast<__mmask16>((1u << panel.outputs) - 1u);
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
    __m512i total = sum[0][r];
#pragma GCC unroll 4
    for (int chain = 1; chain < kChains; ++chain) total = _mm512_add_epi32(total, sum[chain][r]);
    const __m512 scale = _mm512_mul_ps(w_scale, _mm512_set1_ps(x_scales[r * scale_stride]));
    _mm512_mask_storeu_ps(y + r * y_stride, wanted,
                          _mm512_mul_ps(_mm512_cvtepi32_ps(total), scale));
  }
}

constexpr Int8Tile kAvx2Tiles[] = {tile_avx2<1>, tile_avx2<2>, tile_avx2<3>,
                                   tile_avx2<4>, tile_avx2<5>, tile_avx2<6>};
constexpr Int8Tile kAvxVnniTiles[] = {tile_avx_vnni<1>, tile_avx_vnni<2>, tile_avx_vnni<3>,
                                      tile_avx_vnni<4>, tile_avx_vnni<5>, tile_avx_vnni<6>};
constexpr Int8Tile kVnniTiles[] = {tile_vnni<1>, tile_vnni<2>,  tile_vnni<3>,  tile_vnni<4>,
                                   tile_vnni<5>, tile_vnni<6>,  tile_vnni<7>,  tile_vnni<8>,
                                   tile_vnni<9>, tile_vnni<10>, tile_vnni<11>, tile_vnni<12>};

}  // namespace

const Int8Tiles& int8_tiles_avx2() {
  static constexpr Int8Tiles kTable = {6, kAvx2Tiles};
  return kTable;
}
const Int8Tiles& int8_tiles_avx_vnni() {
  static constexpr Int8Tiles kTable = {6, kAvxVnniTiles};
  return kTable;
}
const Int8Tiles& int8_tiles_vnni() {
  static constexpr Int8Tiles kTable = {12, kVnniTiles};
  return kTable;
}

ANTIPHON_AVX2 float quantize_row_avx2(const float* x, std::int64_t n, int q_max, std::int16_t* q) {
  const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  __m256 best0 = _mm256_setzero_ps(), best1 = best0;
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    // In this order a NaN of x is dropped, as std::max drops it.
    best0 = _mm256_max_ps(_mm256_and_ps(_mm256_loadu_ps(x + i), magnitude), best0);
    best1 = _mm256_max_ps(_mm256_and_ps(_mm256_loadu_ps(x + i + 8), magnitude), best1);
  }
  alignas(32) float lanes[8];
  _mm256_store_ps(lanes, _mm256_max_ps(best0, best1));
  float peak = 0;
  for (const float lane : lanes) peak = lane > peak ? lane : peak;
  for (; i < n; ++i) peak = std::fabs(x[i]) > peak ? std::fabs(x[i]) : peak;

  const float most = static_cast<float>(q_max), inverse = inverse_scale(peak, q_max);
  const __m256 factor = _mm256_set1_ps(inverse);
  const __m256 high = _mm256_set1_ps(most), low = _mm256_set1_ps(-most);
  const auto rounded = [&](const float* from) ANTIPHON_AVX2 {
    __m256 v = _mm256_mul_ps(_mm256_loadu_ps(from), factor);
    v = _mm256_and_ps(v, _mm256_cmp_ps(v, v, _CMP_ORD_Q));  // NaN to 0
    return _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(v, low), high));
  };
  for (i = 0; i + 16 <= n; i += 16) {
    const __m256i packed = _mm256_packs_epi32(rounded(x + i), rounded(x + i + 8));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(q + i), _mm256_permute4x64_epi64(packed, 0xd8));
  }
  for (; i < n; ++i) {
    const float v = std::nearbyint(x[i] * inverse);
    q[i] = static_cast<std::int16_t>(std::isnan(v) ? 0 : v < -most ? -most : v > most ? most : v);
  }
  return inverse > 0 ? peak / most : 0.0f;
}

}  // namespace antiphon
#endif
