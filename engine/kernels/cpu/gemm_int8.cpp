// Packing of int8 weights, quantisation of activations, and the choice of tiles by ISA.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>

#include "engine/kernels/cpu/gemm_int8_tiles.h"
#include "engine/kernels/cpu/gemv_int8.h"
#include "engine/kernels/cpu/view.h"

namespace antiphon {
namespace {

const Int8Tiles& tiles_for(Isa isa) {
#if defined(__x86_64__)
  if (isa >= Isa::kAvx512Vnni) return int8_tiles_vnni();
  if (isa == Isa::kAvxVnni) return int8_tiles_avx_vnni();
  if (isa == Isa::kAvx2) return int8_tiles_avx2();
#endif
  (void)isa;
  return int8_tiles_portable();
}

float quantize_row(Isa isa, const float* x, std::int64_t n, int q_max, std::int16_t* q) {
#if defined(__x86_64__)
  if (isa != Isa::kPortable) return quantize_row_avx2(x, n, q_max, q);
#endif
  (void)isa;
  return quantize_row_portable(x, n, q_max, q);
}

}  // namespace

Result<std::unique_ptr<Int8Matrix>> pack_int8(std::int64_t rows, std::int64_t cols,
                                              const std::int8_t* w, const float* scale, Isa isa,
                                              int taps) {
  if (cols > (std::int64_t{1} << 24))
    return unsupported("int8 weights: " + std::to_string(cols) + " columns, at most 2^24");
  auto m = std::make_unique<Int8Matrix>();
  m->rows = rows;
  m->cols = cols;
  m->taps = taps;
  m->isa = isa;
  const std::int64_t num_panels = (rows + kPanelRows - 1) / kPanelRows;
  m->panels.resize(static_cast<std::size_t>(num_panels * kPanelRows * m->padded_cols()) + 64);
  m->offset = (64 - reinterpret_cast<std::uintptr_t>(m->panels.data()) % 64) % 64;
  m->scales.assign(static_cast<std::size_t>(num_panels * kPanelRows), 0.0f);
  std::copy_n(scale, rows, m->scales.begin());
  const std::int64_t tap_cols = taps > 0 ? cols / taps : 0;
  std::int64_t largest = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    std::int8_t* panel =
        m->panels.data() + m->offset + r / kPanelRows * kPanelRows * m->padded_cols();
    std::int64_t sum = 0;
    for (std::int64_t c = 0; c < cols; ++c) {
      const std::int64_t at = c / tap_cols * m->padded_tap_cols() + c % tap_cols;
      panel[(at / 2 * kPanelRows + r % kPanelRows) * 2 + at % 2] = w[r * cols + c];
      sum += std::abs(static_cast<int>(w[r * cols + c]));
    }
    largest = std::max(largest, sum);
  }
  if (largest > 0) m->q_max = static_cast<int>(std::min<std::int64_t>(32767, 2147483647 / largest));
  return m;
}

std::size_t quantized_rows_bytes(std::int64_t num_rows, std::int64_t cols) {
  const auto rows = static_cast<std::size_t>(num_rows);
  return aligned_bytes(rows * static_cast<std::size_t>((cols + 1) / 2 * 2) * 2) +
         aligned_bytes(rows * sizeof(float));
}

QuantizedRows quantized_rows_at(std::byte* memory, std::int64_t num_rows, std::int64_t cols) {
  QuantizedRows q;
  q.stride = (cols + 1) / 2 * 2;
  q.num_rows = num_rows;
  q.values = reinterpret_cast<std::int16_t*>(memory);
  q.scales = reinterpret_cast<float*>(
      memory + aligned_bytes(static_cast<std::size_t>(num_rows * q.stride) * 2));
  return q;
}

void quantize_rows(Isa isa, const float* x, std::int64_t x_stride, std::int64_t cols, int q_max,
                   const QuantizedRows& q) {
  for (std::int64_t r = 0; r < q.num_rows; ++r) {
    q.scales[r] = quantize_row(isa, x + r * x_stride, cols, q_max, q.values + r * q.stride);
    if (cols % 2 != 0) q.values[r * q.stride + cols] = 0;
  }
}

void gemv_int8(const Int8Matrix& w, const QuantizedRows& q, float* y, std::int64_t y_stride,
               std::int64_t row_begin, std::int64_t row_end) {
  gemm_int8(w, {q.values, q.stride, 1, 0, w.padded_cols()}, q.scales, 1, q.num_rows, y, y_stride,
            row_begin, row_end);
}

void gemm_int8(const Int8Matrix& w, const TappedRows<std::int16_t>& x, const float* x_scales,
               std::int64_t scale_stride, std::int64_t num_rows, float* y, std::int64_t y_stride,
               std::int64_t row_begin, std::int64_t row_end) {
  const Int8Tiles& tiles = tiles_for(w.isa);
  TappedRows<std::int16_t> rows = x;
  for (std::int64_t r = row_begin; r < row_end; r += kPanelRows) {
    const Int8Panel panel = {w.panel(r / kPanelRows), w.scales.data() + r,
                             std::min(kPanelRows, row_end - r)};
    for (std::int64_t i = 0; i < num_rows;) {
      const std::int64_t num_tiles = (num_rows - i + tiles.most_rows - 1) / tiles.most_rows;
      const std::int64_t count = (num_rows - i + num_tiles - 1) / num_tiles;
      rows.x = x.x + i * x.row_stride;
      tiles.tile[count - 1](panel, rows, x_scales + i * scale_stride, scale_stride,
                            y + i * y_stride + r, y_stride);
      i += count;
    }
  }
}

}  // namespace antiphon
