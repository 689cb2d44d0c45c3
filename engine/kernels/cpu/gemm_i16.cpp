// Packing and the tiles of the 16-bit product: AVX2 (vpmaddwd), AVX-512 VNNI (vpdpwssd), portable.
#include "engine/kernels/cpu/gemm_i16.h"

#if defined(__x86_64__)
#if !defined(__clang__)  // warnings of gcc 12's own intrinsics header
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#endif

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#define ANTIPHON_AVX2 __attribute__((target("avx2,fma")))
#define ANTIPHON_VNNI \
  __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))

namespace antiphon {
namespace {

// Some rows of x by one panel or two beside each other.
struct Part {
  const std::int16_t* w;
  std::int64_t panel_stride;
  const std::int16_t* x;
  std::int64_t x_stride, cols;  // cols: even
  const float* factors;
  float* y;
  std::int64_t y_stride;
  bool accumulate;  // y holds the sum over the columns before
};
using Tile = void (*)(const Part&);

struct Tiles {
  std::int64_t most_rows, panels;
  const Tile* narrow;  // [most_rows], one panel
  const Tile* wide;    // two; null where `panels` is 1
};

void tile_portable(const Part& p) {
  std::int32_t sums[kPanelRows] = {};
  const std::int16_t* w = p.w;
  for (std::int64_t c = 0; c < p.cols; c += 2, w += 2 * kPanelRows)
    for (std::int64_t o = 0; o < kPanelRows; ++o)
      sums[o] += p.x[c] * w[2 * o] + p.x[c + 1] * w[2 * o + 1];
  for (std::int64_t o = 0; o < kPanelRows; ++o)
    p.y[o] = (p.accumulate ? p.y[o] : 0.0f) + static_cast<float>(sums[o]) * p.factors[o];
}

#if defined(__x86_64__)
// Two neighbouring numbers in every 32-bit lane.
inline std::int32_t two(const std::int16_t* x) {
  std::int32_t pair;
  std::memcpy(&pair, x, sizeof(pair));
  return pair;
}

template <int kRows>
ANTIPHON_AVX2 void tile_avx2(const Part& p) {
  constexpr int kBases = (kRows + 2) / 3;  // three rows share an address register
  __m256i sum[kRows][2];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
  const std::int16_t* w = p.w;
  const std::int16_t* base[kBases];
#pragma GCC unroll 4
  for (int b = 0; b < kBases; ++b) base[b] = p.x + 3 * b * p.x_stride;
  for (std::int64_t c = 0; c < p.cols; c += 2, w += 2 * kPanelRows) {
    const __m256i low = _mm256_load_si256(reinterpret_cast<const __m256i*>(w));
    const __m256i high = _mm256_load_si256(reinterpret_cast<const __m256i*>(w + kPanelRows));
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const __m256i value = _mm256_set1_epi32(two(base[r / 3] + (r % 3) * p.x_stride));
      sum[r][0] = _mm256_add_epi32(sum[r][0], _mm256_madd_epi16(value, low));
      sum[r][1] = _mm256_add_epi32(sum[r][1], _mm256_madd_epi16(value, high));
      // Row after row: values of all rows at once leave the sums no registers.
      asm volatile("" : "+x"(sum[r][0]), "+x"(sum[r][1]));
    }
#pragma GCC unroll 4
    for (int b = 0; b < kBases; ++b) base[b] += 2;
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      float* y = p.y + r * p.y_stride + 8 * half;
      const __m256 factor = _mm256_loadu_ps(p.factors + 8 * half);
      const __m256 before = p.accumulate ? _mm256_loadu_ps(y) : _mm256_setzero_ps();
      _mm256_storeu_ps(y, _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[r][half]), factor, before));
    }
}

template <int kRows, int kPanels>
ANTIPHON_VNNI void tile_vnni(const Part& p) {
  constexpr int kBases = (kRows + 2) / 3;
  __m512i sum[kRows][kPanels];
#pragma GCC unroll 24
  for (int i = 0; i < kRows * kPanels; ++i) sum[i / kPanels][i % kPanels] = _mm512_setzero_si512();
  const std::int16_t* w = p.w;
  const std::int16_t* base[kBases];
#pragma GCC unroll 4
  for (int b = 0; b < kBases; ++b) base[b] = p.x + 3 * b * p.x_stride;
  for (std::int64_t c = 0; c < p.cols; c += 2, w += 2 * kPanelRows) {
    __m512i weight[kPanels];
#pragma GCC unroll 2
    for (int i = 0; i < kPanels; ++i) weight[i] = _mm512_load_si512(w + i * p.panel_stride);
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      const __m512i value = _mm512_set1_epi32(two(base[r / 3] + (r % 3) * p.x_stride));
#pragma GCC unroll 2
      for (int i = 0; i < kPanels; ++i) {
        sum[r][i] = _mm512_dpwssd_epi32(sum[r][i], value, weight[i]);
        asm volatile("" : "+v"(sum[r][i]));
      }
    }
#pragma GCC unroll 4
    for (int b = 0; b < kBases; ++b) base[b] += 2;
  }
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 2
    for (int i = 0; i < kPanels; ++i) {
      float* y = p.y + r * p.y_stride + i * kPanelRows;
      const __m512 factor = _mm512_loadu_ps(p.factors + i * kPanelRows);
      const __m512 before = p.accumulate ? _mm512_loadu_ps(y) : _mm512_setzero_ps();
      _mm512_storeu_ps(y, _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[r][i]), factor, before));
    }
}

template <std::size_t... i>
constexpr std::array<Tile, sizeof...(i)> avx2_tiles(std::index_sequence<i...>) {
  return {tile_avx2<static_cast<int>(i) + 1>...};
}
template <int kPanels, std::size_t... i>
constexpr std::array<Tile, sizeof...(i)> vnni_tiles(std::index_sequence<i...>) {
  return {tile_vnni<static_cast<int>(i) + 1, kPanels>...};
}
constexpr auto kAvx2Tiles = avx2_tiles(std::make_index_sequence<6>());
constexpr auto kVnniNarrow = vnni_tiles<1>(std::make_index_sequence<12>());
constexpr auto kVnniWide = vnni_tiles<2>(std::make_index_sequence<12>());
#endif

constexpr Tile kPortableTiles[] = {tile_portable};

Tiles tiles_for(Isa isa) {
#if defined(__x86_64__)
  if (isa >= Isa::kAvx512Vnni) return {12, 2, kVnniNarrow.data(), kVnniWide.data()};
  if (isa >= Isa::kAvx2) return {6, 1, kAvx2Tiles.data(), nullptr};
#endif
  (void)isa;
  return {1, 1, kPortableTiles, nullptr};
}

}  // namespace

float pack_i16_row(std::span<const double> w, std::int64_t row, std::int32_t most,
                   std::int16_t* panels) {
  constexpr double kMost16 = 32767, kMost32 = 2147483647;
  const auto cols = static_cast<std::int64_t>(w.size());
  double largest = 0, of_part = 0;
  for (std::int64_t c = 0; c < cols; c += kI16Depth) {
    double sum = 0;
    for (std::int64_t i = c; i < std::min(cols, c + kI16Depth); ++i) {
      const double size = std::abs(w[static_cast<std::size_t>(i)]);
      sum += size;
      largest = std::max(largest, size);
    }
    of_part = std::max(of_part, sum);
  }
  if (largest == 0) return 0;
  // Rounding adds half a step a column.
  const double steps = std::min(kMost16 / largest, (kMost32 / most - kI16Depth / 2) / of_part);
  const std::int64_t width = (cols + 1) / 2 * 2;
  std::int16_t* panel = panels + row / kPanelRows * kPanelRows * width;
  for (std::int64_t c = 0; c < cols; ++c)
    panel[(c / 2 * kPanelRows + row % kPanelRows) * 2 + c % 2] =
        static_cast<std::int16_t>(std::nearbyint(w[static_cast<std::size_t>(c)] * steps));
  return static_cast<float>(1 / steps);
}

void gemm_i16(const I16Panels& w, const std::int16_t* x, std::int64_t x_stride,
              std::int64_t num_rows, float* y, std::int64_t y_stride) {
  const Tiles tiles = tiles_for(w.isa);
  const std::int64_t cols = (w.cols + 1) / 2 * 2, panel = cols * kPanelRows;
  for (std::int64_t r = 0; r < w.rows; r += tiles.panels * kPanelRows) {
    const Tile* tile = r + kPanelRows < w.rows && tiles.wide ? tiles.wide : tiles.narrow;
    for (std::int64_t c = 0; c < cols; c += kI16Depth)
      for (std::int64_t i = 0; i < num_rows;) {
        // Even tiles: 7 rows are 4 + 3, not 6 + 1.
        const std::int64_t left = (num_rows - i + tiles.most_rows - 1) / tiles.most_rows;
        const std::int64_t count = (num_rows - i + left - 1) / left;
        tile[count - 1]({w.data + r / kPanelRows * panel + c * kPanelRows, panel,
                         x + i * x_stride + c, x_stride, std::min(kI16Depth, cols - c),
                         w.factors + r, y + i * y_stride + r, y_stride, c > 0});
        i += count;
      }
  }
}

}  // namespace antiphon
