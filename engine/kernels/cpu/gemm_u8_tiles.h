// The tiles of the u8 x s8 product, one table an ISA. Private to gemm_u8*.cpp.
#pragma once

#include "engine/kernels/cpu/gemm_u8.h"

namespace antiphon {

// Sums of products of some rows of x with one panel: out [rows of the tile][16].
using U8Tile = void (*)(const std::int8_t* panel, const TappedRows<std::uint8_t>& x,
                        std::int32_t* out);

// What makes results of one row's sums with one panel, and where they go.
struct U8Outputs {
  const std::int32_t* of_weights = nullptr;  // sums of the weights, [16]
  const float* scales = nullptr;             // of the weights, [16]
  std::int64_t outputs = 0;                  // how many of the 16 are wanted
  const float* bias = nullptr;               // [outputs], or null; the residual likewise
  const float* residual = nullptr;
  bool relu = false, relu_last = false;
  float* y = nullptr;             // [outputs]
  std::uint8_t* bytes = nullptr;  // [outputs] instead of y
  U8Row numbers;                  // of the bytes
  float inverse = 0;              // of their scale; 0: it has none that is normal
  std::int32_t levels = 255;
};
// 1 / scale, or 0 where a product with it might leave the normal numbers.
float u8_inverse(float scale);
using U8Finish = void (*)(const std::int32_t* sums, const U8Row& row, const U8Outputs& to);

struct U8Tiles {
  std::int64_t most_rows;
  const U8Tile* tile;  // [most_rows]: for 1, 2, ... rows
  U8Finish finish;
};

constexpr std::int64_t kMostU8Rows = 14;

void finish_u8_portable(const std::int32_t* sums, const U8Row& row, const U8Outputs& to);
#if defined(__x86_64__)
const U8Tiles& u8_tiles_avx2();
const U8Tiles& u8_tiles_avx2_wide();  // for any bytes
const U8Tiles& u8_tiles_vnni();
// AMX: begin, blocks of as many rows, end. Sums of up to kAmxRows rows with one panel or two:
// [panels][kAmxRows][16]. x.tap_cols: a multiple of kAmxGrain.
constexpr std::int64_t kAmxRows = 32;
void u8_amx_begin(std::int64_t num_rows);
void u8_amx_block(const std::int8_t* panel, const std::int8_t* second,
                  const TappedRows<std::uint8_t>& x, std::int64_t num_rows, std::int32_t* sums);
void u8_amx_end();
// Smallest and largest of x and 0.
void range_avx2(const float* x, std::int64_t n, float* low, float* high);
void to_u8_avx2(const float* x, std::int64_t n, float inverse, std::int32_t zero,
                std::int32_t levels, std::uint8_t* values);
void to_u8_static_avx2(const float* x, std::int64_t n, const U8Row& row, std::int32_t levels,
                       std::uint8_t* values);
#endif

}  // namespace antiphon
