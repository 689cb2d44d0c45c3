// y = x w^T with f32 weights packed in panels, for one row of x or many. For kernels and for the
// loop compiler, which calls it inside its phases.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "engine/base/huge_pages.h"
#include "engine/kernels/kernel.h"

namespace antiphon {

constexpr std::int64_t kPanelRows = 16;  // outputs that are computed together

// Weights [rows, cols] as [ceil(rows / 16)][cols][16], the last panel filled up with zeros.
// Immutable after pack_f32; any thread.
struct F32Matrix {
  std::int64_t rows = 0, cols = 0;
  HugeFloats panels;
  std::size_t offset = 0;  // of the first panel, so that it is 64-byte aligned
  Isa isa = Isa::kPortable;

  const float* panel(std::int64_t p) const {
    return panels.data() + offset + static_cast<std::size_t>(p * cols * kPanelRows);
  }
  std::size_t bytes() const { return panels.size() * sizeof(float); }
};

// Such panels in any memory, for products of what is made at run time.
struct F32Panels {
  const float* data = nullptr;
  std::int64_t rows = 0, cols = 0;
  Isa isa = Isa::kPortable;

  F32Panels(const float* data_in, std::int64_t rows_in, std::int64_t cols_in, Isa isa_in)
      : data(data_in), rows(rows_in), cols(cols_in), isa(isa_in) {}
  F32Panels(const F32Matrix& m)  // NOLINT: implicit on purpose
      : data(m.panel(0)), rows(m.rows), cols(m.cols), isa(m.isa) {}
  const float* panel(std::int64_t p) const { return data + p * cols * kPanelRows; }
};
constexpr std::int64_t panel_elements(std::int64_t rows, std::int64_t cols) {
  return (rows + kPanelRows - 1) / kPanelRows * kPanelRows * cols;
}

// w: [rows, cols] row-major f32; or i8 with scale [rows]. Allocates.
F32Matrix pack_f32(std::int64_t rows, std::int64_t cols, const float* w, Isa isa);
F32Matrix pack_f32(std::int64_t rows, std::int64_t cols, const std::int8_t* w, const float* scale,
                   Isa isa);

// Rows of x that need not be contiguous: row r, column c of tap t is at
// x[r * row_stride + t * tap_stride + c], c < tap_cols; taps * tap_cols == cols of the weights.
template <typename T>
struct TappedRows {
  const T* x = nullptr;
  std::int64_t row_stride = 0;
  int taps = 1;
  std::int64_t tap_stride = 0, tap_cols = 0;
};

// What follows a product while it is in registers: y = relu_last(relu(y + bias) + residual), the
// first relu up to `most`. bias is indexed by output, residual [num_rows, outputs] with its own
// stride; null: none.
struct GemmFinish {
  const float* bias = nullptr;
  const float* residual = nullptr;
  std::int64_t residual_stride = 0;
  bool relu = false, relu_last = false;
  float most = std::numeric_limits<float>::infinity();  // of f32 products alone
};

// y[i * y_stride + r] = sum over c of x[i][c] w[r][c], for i < num_rows and the output rows r in
// [row_begin, row_end). Other elements of y stay. Overwrites; `finish` may be null. row_begin must
// be a multiple of kPanelRows. No allocation, any thread. Sums in f32; their order depends on
// num_rows and the columns only: every division of the outputs gives the same bits. Error <= cols
// eps sum |x w|.
void gemm_f32(const F32Panels& w, const TappedRows<float>& x, std::int64_t num_rows, float* y,
              std::int64_t y_stride, std::int64_t row_begin, std::int64_t row_end,
              const GemmFinish* finish = nullptr);

// The same for x [num_rows, cols] with a stride between rows.
inline void gemv_f32(const F32Matrix& w, const float* x, std::int64_t x_stride,
                     std::int64_t num_rows, float* y, std::int64_t y_stride, std::int64_t row_begin,
                     std::int64_t row_end) {
  gemm_f32(w, {x, x_stride, 1, 0, w.cols}, num_rows, y, y_stride, row_begin, row_end);
}

}  // namespace antiphon
