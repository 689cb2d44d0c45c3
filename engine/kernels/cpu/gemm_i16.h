// y = x w^T with 16-bit weights and 16-bit activations, both whole: sums of 32 bits over a part of
// the columns, which the packing keeps from overflowing, then f32.
#pragma once

#include <cstdint>
#include <span>

#include "engine/kernels/cpu/gemv_f32.h"

namespace antiphon {

constexpr std::int64_t kI16Depth = 128;  // columns whose products are added in 32 bits

// Elements of weights [rows, cols] as [ceil(rows / 16)][ceil(cols / 2)][16][2].
constexpr std::int64_t i16_panel_elements(std::int64_t rows, std::int64_t cols) {
  return (rows + kPanelRows - 1) / kPanelRows * kPanelRows * ((cols + 1) / 2 * 2);
}

// One row of weights [cols], rounded to whole numbers so that with |x| <= most no sum overflows,
// into its place in zeroed panels. Returns what the product is to be multiplied by.
float pack_i16_row(std::span<const double> w, std::int64_t row, std::int32_t most,
                   std::int16_t* panels);

// A matrix of such panels, 64-byte aligned, with a factor for each row, filled up to whole panels.
struct I16Panels {
  const std::int16_t* data;
  const float* factors;
  std::int64_t rows, cols;
  Isa isa;
};

// y[i * y_stride + r] = factors[r] * sum over c of x[i * x_stride + c] w[r][c], for all rows of w
// up to whole panels. Rows of x hold an even number of columns. The sums are exact, factors and the
// parts' sum round in f32. No allocation, any thread.
void gemm_i16(const I16Panels& w, const std::int16_t* x, std::int64_t x_stride,
              std::int64_t num_rows, float* y, std::int64_t y_stride);

}  // namespace antiphon
