// The tiles of the int8 product, one table an ISA. Private to gemm_int8*.cpp.
#pragma once

#include "engine/kernels/cpu/gemv_int8.h"

namespace antiphon {

struct Int8Panel {
  const std::int8_t* weights;  // [cols / 2][16][2]
  const float* scales;         // [16]
  std::int64_t outputs;        // how many of the 16 are wanted
};

// y [rows of the tile, outputs]; tap_cols of x is even.
using Int8Tile = void (*)(const Int8Panel& panel, const TappedRows<std::int16_t>& x,
                          const float* x_scales, std::int64_t scale_stride, float* y,
                          std::int64_t y_stride);

struct Int8Tiles {
  std::int64_t most_rows;
  const Int8Tile* tile;  // [most_rows]: for 1, 2, ... rows
};

const Int8Tiles& int8_tiles_portable();
#if defined(__x86_64__)
const Int8Tiles& int8_tiles_avx2();
const Int8Tiles& int8_tiles_avx_vnni();
const Int8Tiles& int8_tiles_vnni();
#endif

// Gives the scale; q[0, n) are the rounded values. Both functions give the same bits.
float quantize_row_portable(const float* x, std::int64_t n, int q_max, std::int16_t* q);
#if defined(__x86_64__)
float quantize_row_avx2(const float* x, std::int64_t n, int q_max, std::int16_t* q);
#endif

// What quantize_row multiplies by, from the largest magnitude of the row: 0 for rows that are zero,
// so tiny that the inverse would overflow, or not finite.
float inverse_scale(float peak, int q_max);

}  // namespace antiphon
