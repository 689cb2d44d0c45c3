// The tiles of the u8 x s8 product, one table an ISA. Private to gemm_u8*.cpp.
#pragma once

#include "engine/kernels/cpu/gemm_u8.h"

namespace antiphon {

// Sums of products of some rows of x with one panel: out [rows of the tile][16].
using U8Tile = void (*)(const std::int8_t* panel, const TappedRows<std::uint8_t>& x,
                        std::int32_t* out);

// What makes results of one row's sums with one panel.
struct U8Outputs {
  const std::int32_t* of_weights;  // sums of the weights, [16]
  const float* scales;             // of the weights, [16]
  std::int64_t outputs;            // how many of the 16 are wanted
  const float *bias, *residual;    // [outputs], or null
  bool relu, relu_last;
};
using U8Finish = void (*)(const std::int32_t* sums, const U8Row& row, const U8Outputs& to,
                          float* y);

struct U8Tiles {
  std::int64_t most_rows;
  const U8Tile* tile;  // [most_rows]: for 1, 2, ... rows
  U8Finish finish;
};

constexpr std::int64_t kMostU8Rows = 14;

void finish_u8_portable(const std::int32_t* sums, const U8Row& row, const U8Outputs& to, float* y);
#if defined(__x86_64__)
const U8Tiles& u8_tiles_avx2();
const U8Tiles& u8_tiles_avx2_wide();  // for any bytes
const U8Tiles& u8_tiles_vnni();
// Smallest and largest of x and 0.
void range_avx2(const float* x, std::int64_t n, float* low, float* high);
void to_u8_avx2(const float* x, std::int64_t n, float inverse, std::int32_t zero,
                std::int32_t levels, std::uint8_t* values);
void to_u8_static_avx2(const float* x, std::int64_t n, const U8Row& row, std::int32_t levels,
                       std::uint8_t* values);
#endif

}  // namespace antiphon
