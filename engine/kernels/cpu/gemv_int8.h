// y = x w^T with weights streamed as int8 and activations quantised to int16 at run time: nearly
// lossless. For one row of x or many; for kernels and for the loop compiler.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/base/huge_pages.h"
#include "engine/base/status.h"
#include "engine/kernels/cpu/gemv_f32.h"
#include "engine/kernels/kernel.h"

namespace antiphon {

// Weights [rows, cols] as [ceil(rows / 16)][ceil(cols / 2)][16][2] int8, filled up with zeros.
// With taps, each tap's columns are filled up to an even number. Immutable; any thread.
struct Int8Matrix {
  std::int64_t rows = 0, cols = 0;
  int taps = 1;
  std::vector<std::int8_t, HugePageAllocator<std::int8_t>> panels;
  std::size_t offset = 0;     // of the first panel, so that it is 64-byte aligned
  std::vector<float> scales;  // [rows], filled up with zeros to whole panels
  // Activations may be quantised to [-q_max, q_max]: then no int32 sum overflows, in any order, and
  // the result is the same bits on every ISA and for every division of the work.
  int q_max = 32767;
  Isa isa = Isa::kPortable;

  std::int64_t padded_tap_cols() const { return (cols / taps + 1) / 2 * 2; }
  std::int64_t padded_cols() const { return taps * padded_tap_cols(); }
  const std::int8_t* panel(std::int64_t p) const {
    return panels.data() + offset + static_cast<std::size_t>(p * padded_cols() * kPanelRows);
  }
  std::size_t bytes() const { return panels.size() + scales.size() * sizeof(float); }
};

// w: [rows, cols] row-major; columns are taps x (cols / taps). scale: [rows]. Allocates.
// kUnsupported: cols > 2^24 (the sums could overflow).
Result<std::unique_ptr<Int8Matrix>> pack_int8(std::int64_t rows, std::int64_t cols,
                                              const std::int8_t* w, const float* scale, Isa isa,
                                              int taps = 1);

// Quantised activations in the caller's memory. values: [num_rows][stride], stride >= cols rounded
// up to even, the rounding zero; scales: [num_rows], x is about value * scale.
struct QuantizedRows {
  std::int16_t* values = nullptr;
  std::int64_t stride = 0;
  float* scales = nullptr;
  std::int64_t num_rows = 0;
};

// Bytes of values and scales for rows x cols (64-byte multiples), and the struct over such memory,
// which must be 4-byte aligned at least.
std::size_t quantized_rows_bytes(std::int64_t num_rows, std::int64_t cols);
QuantizedRows quantized_rows_at(std::byte* memory, std::int64_t num_rows, std::int64_t cols);

// x: [q.num_rows, cols] with a stride between rows. Each row gets the scale max|x| / q_max; q_max
// is that of the matrix (the smallest, when several matrices read the same rows). Rounds to
// nearest: |x - value * scale| <= max|x| / (2 q_max) (1 + 2^-20). Infinities and NaN give any
// numbers, but harm nothing else.
void quantize_rows(Isa isa, const float* x, std::int64_t x_stride, std::int64_t cols, int q_max,
                   const QuantizedRows& q);

// y[i * y_stride + r] = x_scale[i] * w_scale[r] * sum over c of q[i][c] w[r][c], for all rows i of
// q and the output rows r in [row_begin, row_end). Other elements of y stay. Overwrites, adds no
// bias. row_begin must be a multiple of kPanelRows. No allocation, any thread. |y - exact| <=
// w_scale[r] (sum over c of |w[r][c]|) max|x| / (2 q_max) + 2^-21 |exact|.
void gemv_int8(const Int8Matrix& w, const QuantizedRows& q, float* y, std::int64_t y_stride,
               std::int64_t row_begin, std::int64_t row_end);

// The same with taps (see TappedRows): x_scales [num_rows], or one for all with scale_stride 0.
void gemm_int8(const Int8Matrix& w, const TappedRows<std::int16_t>& x, const float* x_scales,
               std::int64_t scale_stride, std::int64_t num_rows, float* y, std::int64_t y_stride,
               std::int64_t row_begin, std::int64_t row_end);

}  // namespace antiphon
