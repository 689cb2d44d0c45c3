// y = x w^T for few rows of x with weights of 24 bits and one scale an output: three quarters of
// the bytes of f32, for products that take as long as their weights take to come from memory.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/base/huge_pages.h"
#include "engine/kernels/cpu/gemv_f32.h"
#include "engine/kernels/kernel.h"

namespace antiphon {

// A weight that is kept apart: output `lane` of its panel.
struct Outlier {
  std::int32_t lane, col;
  float weight;
};

// Weights [rows, cols] as [ceil(rows / 16)][ceil(cols / 4)][3][16] words of 32 bits, filled up with
// zeros. A group of four columns lies in three words a row, a, b and c: read as whole numbers they
// are the first three weights, and (a << 24) ^ (b << 16) ^ (c << 8) is the fourth; the low bytes,
// which are the fourth's, were known when a, b and c were rounded. y is multiplied by scale [rows,
// whole panels]. Outliers are zero there, and added as they are. Immutable; any thread.
struct I24Matrix {
  std::int64_t rows = 0, cols = 0;
  std::vector<std::uint32_t, HugePageAllocator<std::uint32_t>> words;
  std::vector<float> scale;
  std::vector<Outlier> outliers;           // by panel
  std::vector<std::size_t> outliers_from;  // [panels + 1]
  Isa isa = Isa::kPortable;

  std::int64_t panel_words() const { return (cols + 3) / 4 * 3 * kPanelRows; }
  const std::uint32_t* panel(std::int64_t p) const { return words.data() + p * panel_words(); }
  std::span<const Outlier> outliers_of(std::int64_t p) const {
    const auto at = static_cast<std::size_t>(p);
    return std::span(outliers).subspan(outliers_from[at],
                                       outliers_from[at + 1] - outliers_from[at]);
  }
  std::size_t bytes() const {
    return words.size() * 4 + scale.size() * sizeof(float) + outliers.size() * sizeof(Outlier);
  }
};

// w: [rows, cols] row-major f32. A weight becomes one that is at most 2^-24 of its row's largest
// magnitude away, but for outliers: magnitudes over eight times the row's mean magnitude, which
// would make those steps coarse for the others. What is lost is about what the rounding of f32 sums
// loses (gemm_i24_test.cpp). None: a row has more than one outlier in 64 columns (two are always
// taken), or a weight is not finite.
std::optional<I24Matrix> pack_i24(std::int64_t rows, std::int64_t cols, const float* w, Isa isa);

// y[i * y_stride + r] = sum over c of x[i * x_stride + c] w[r][c], as gemm_f32 (gemv_f32.h).
// Error <= 2^-24 max|w[r]| sum |x| + (cols + 2) eps sum |x w|, outliers left aside in the maximum.
void gemm_i24(const I24Matrix& w, const float* x, std::int64_t x_stride, std::int64_t num_rows,
              float* y, std::int64_t y_stride, std::int64_t row_begin, std::int64_t row_end,
              const GemmFinish* finish = nullptr);

}  // namespace antiphon
