// y = x w^T with int8 weights and activations quantised to unsigned bytes, with one scale and zero
// point a row found at run time, or one that was calibrated: half the bytes and up to twice the
// speed of gemv_int8.h, but coarse.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/base/huge_pages.h"
#include "engine/base/status.h"
#include "engine/kernels/cpu/gemv_f32.h"
#include "engine/kernels/kernel.h"

namespace antiphon {

// Weights [rows, cols] as [ceil(rows / 16)][ceil(cols / 4)][16][4] int8, filled up with zeros. With
// taps, each tap's columns are filled up to a multiple of `grain`. Immutable; any thread.
struct U8Matrix {
  std::int64_t rows = 0, cols = 0;
  int taps = 1;
  int grain = 4;
  std::vector<std::int8_t, HugePageAllocator<std::int8_t>> panels;
  std::size_t offset = 0;          // of the first panel, so that it is 64-byte aligned
  std::vector<float> scales;       // [rows], filled up to whole panels
  float most_scale = 0;            // the largest of them; NaN if one is
  std::vector<std::int32_t> sums;  // [rows] of the weights, likewise: what a zero point of 1 adds
  Isa isa = Isa::kPortable;
  // AVX2 adds two products in 16 bits. kFit: they hold them. kCentred: only those of activations
  // less 128. kApart: not even those, as a weight is -128.
  enum class Pairs : std::uint8_t { kFit, kCentred, kApart };
  Pairs pairs = Pairs::kFit;

  std::int64_t padded_tap_cols() const { return (cols / taps + grain - 1) / grain * grain; }
  std::int64_t padded_cols() const { return taps * padded_tap_cols(); }
  const std::int8_t* panel(std::int64_t p) const {
    return panels.data() + offset + static_cast<std::size_t>(p * padded_cols() * kPanelRows);
  }
  std::size_t bytes() const { return panels.size() + (scales.size() + sums.size()) * 4; }
};

// The largest value of an activation: AVX2 adds two products of bytes in 16 bits, which must not
// saturate.
constexpr int u8_levels(Isa isa) { return isa == Isa::kAvx2 ? 127 : 255; }
// Columns up to which no sum overflows 32 bits.
constexpr std::int64_t kMaxU8Cols = 65536;

// w: [rows, cols] row-major; columns are taps x (cols / taps); cols <= kMaxU8Cols. levels: the
// largest value of an activation, 0: u8_levels(isa). Above what AVX2 adds in 16 bits for these
// weights, a slower tile is taken. grain: a multiple of 4; AMX wants kAmxGrain.
// Allocates.
U8Matrix pack_u8(std::int64_t rows, std::int64_t cols, const std::int8_t* w, const float* scale,
                 Isa isa, int taps = 1, int levels = 0, int grain = 4);
constexpr int kAmxGrain = 64;  // columns of a tile
constexpr int u8_grain(Isa isa) { return isa == Isa::kAmxInt8 ? kAmxGrain : 4; }

// x is about (value - zero) * scale; values in 0..u8_levels; x = 0 is met exactly.
struct U8Row {
  float scale = 0;
  std::int32_t zero = 0;
};
// x [n] -> values [n]. |x - (value - zero) * scale| <= scale (0.5 + 2^-10), scale = (max(x, 0) -
// min(x, 0)) / levels. Infinities and NaN give any numbers. The same bits on every ISA of equal
// levels.
U8Row quantize_u8(Isa isa, const float* x, std::int64_t n, std::uint8_t* values);

// The numbers that DynamicQuantizeLinear and ONNX Runtime's recurrent layers find for x [n], on
// every ISA: scale = (max(x, 0) - min(x, 0)) / 255, zero = round(-min(x, 0) / scale). Scale 0 where
// x is zero, too small or not finite. NaN is left out.
U8Row range_u8(Isa isa, const float* x, std::int64_t n);

// x [n] -> values [n] for numbers that were found before: round(x / scale) + zero, even ties,
// within 0..levels; NaN is 0. The same bits on every ISA.
void quantize_u8_static(Isa isa, const float* x, std::int64_t n, const U8Row& row,
                        std::int32_t levels, std::uint8_t* values);
// *low becomes the smallest of it and x [n], *high the largest; NaN is left out.
void range_of(Isa isa, const float* x, std::int64_t n, float* low, float* high);
// values [n] -> y [n]: (value - zero) * scale. The same bits on every ISA.
void dequantize_u8(Isa isa, const std::uint8_t* values, std::int64_t n, const U8Row& row, float* y);

// y[i * y_stride + r] = rows[i * rows_stride].scale * w_scale[r] * (sum over c of (q[i][c] - zero)
// w[r][c]) for i < num_rows and the output rows r in [row_begin, row_end); row_begin a multiple of
// kPanelRows. tap_cols of x is padded_tap_cols(); what x holds there behind its columns meets zero
// weights. rows_stride 0: one row's numbers for all. `finish` may be null. The same bits on every
// ISA, and of a row in every company. No allocation, any thread.
void gemm_u8(const U8Matrix& w, const TappedRows<std::uint8_t>& x, const U8Row* rows,
             std::int64_t rows_stride, std::int64_t num_rows, float* y, std::int64_t y_stride,
             std::int64_t row_begin, std::int64_t row_end, const GemmFinish* finish = nullptr);

// Where the rows of a product go: row i to the outputs at [places[i] * stride], as f32 or as bytes.
struct U8Sink {
  float* y = nullptr;
  std::uint8_t* bytes = nullptr;  // instead of y: round(value / numbers.scale) + numbers.zero
  U8Row numbers;
  std::int32_t levels = 255;
  std::int64_t stride = 0;
  const std::int32_t* places = nullptr;  // -1: nobody wants the row; null: row i goes to i
  const std::int32_t* more = nullptr;    // of each row, added to its sums; null: nothing
};

// The same with one row's numbers for all. The residual's rows have places, too; the values as
// bytes are what quantize_u8_static makes of those in f32.
void gemm_u8(const U8Matrix& w, const TappedRows<std::uint8_t>& x, const U8Row& row,
             std::int64_t num_rows, const U8Sink& sink, std::int64_t row_begin,
             std::int64_t row_end, const GemmFinish& finish);

}  // namespace antiphon
