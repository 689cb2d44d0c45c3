// The tiles of the u8 x s8 product, one table an ISA. Private to gemm_u8*.cpp.
#pragma once

#include "engine/kernels/cpu/gemm_u8.h"

namespace antiphon {

// Sums of products of some rows of x with one panel: out [rows of the tile][16].
using U8Tile = void (*)(const std::int8_t* panel, const TappedRows<std::uint8_t>& x,
                        std::int32_t* out);

// What makes results of some rows' sums with one panel, and where they go.
struct U8Outputs {
  std::int64_t num_rows = 0;
  const U8Row* rows = nullptr;  // the first's numbers; the next row's are rows_stride further
  std::int64_t rows_stride = 0;
  const std::int32_t* places = nullptr;      // of the rows, -1: unwanted; null: 0, 1, 2, ...
  const std::int32_t* more = nullptr;        // of the rows, added to their sums, or null
  const std::int32_t* of_weights = nullptr;  // sums of the weights, [16]
  const float* scales = nullptr;             // of the weights, [16]
  std::int64_t outputs = 0;                  // how many of the 16 are wanted
  const float* bias = nullptr;               // [outputs], or null
  const float* residual = nullptr;           // of place 0, or null
  std::int64_t residual_stride = 0;
  bool relu = false, relu_last = false;
  float* y = nullptr;             // of place 0
  std::uint8_t* bytes = nullptr;  // instead of y
  std::int64_t stride = 0;        // between places
  U8Row numbers;                  // of the bytes
  float inverse = 0;              // of their scale; 0: it has none that is normal
  std::int32_t levels = 255;
  // Bytes of 255 levels, one row's numbers for all, no residual, all values numbers of at most 30
  // bits in steps of the bytes; with a relu the zero is 0.
  bool plain_bytes = false;

  std::int64_t place(std::int64_t row) const { return places ? places[row] : row; }
  const float* residual_of(std::int64_t at) const {
    return residual ? residual + at * residual_stride : nullptr;
  }
};
// 1 / scale, or 0 where a product with it might leave the normal numbers.
float u8_inverse(float scale);
using U8Finish = void (*)(const std::int32_t* sums, const U8Outputs& to);

// The same with two panels: out [2][rows of the tile][16].
using U8WideTile = void (*)(const std::int8_t* panel, const std::int8_t* second,
                            const TappedRows<std::uint8_t>& x, std::int32_t* out);

// One row with all panels of `to`, whose weights begin at `panels`, to f32. to.rows is the row's.
using U8RowProduct = void (*)(const std::int8_t* panels, std::int64_t panel_bytes,
                              const TappedRows<std::uint8_t>& x, const U8Outputs& to);

struct U8Tiles {
  std::int64_t most_rows;
  const U8Tile* tile;  // [most_rows]: for 1, 2, ... rows
  U8Finish finish;
  std::int64_t least_wide = 0, most_wide = 0;  // rows of the wide tiles; 0: there are none
  const U8WideTile* wide = nullptr;            // for least_wide, ... rows
  std::int32_t centre = 0;                     // what tiles (not wide ones) take off every x
  U8RowProduct row = nullptr;                  // null: tile by tile
};

constexpr std::int64_t kMostU8Rows = 14, kMostU8WideRows = 12;

void finish_u8_portable(const std::int32_t* sums, const U8Outputs& to);
#if defined(__x86_64__)
const U8Tiles& u8_tiles_avx2();
const U8Tiles& u8_tiles_avx2_centred();  // for any x
const U8Tiles& u8_tiles_avx2_apart();    // and any weights
const U8Tiles& u8_tiles_avx_vnni();
const U8Tiles& u8_tiles_vnni();
void u8_row_avx2(const std::int8_t* w, std::int64_t panel_bytes, const TappedRows<std::uint8_t>& x,
                 const U8Outputs& to);
void u8_row_avx2_centred(const std::int8_t* w, std::int64_t panel_bytes,
                         const TappedRows<std::uint8_t>& x, const U8Outputs& to);
void u8_row_avx_vnni(const std::int8_t* w, std::int64_t panel_bytes,
                     const TappedRows<std::uint8_t>& x, const U8Outputs& to);
void u8_row_vnni(const std::int8_t* w, std::int64_t panel_bytes, const TappedRows<std::uint8_t>& x,
                 const U8Outputs& to);
void finish_u8_avx2(const std::int32_t* sums, const U8Outputs& to);
void finish_plain_bytes_vnni(const std::int32_t* sums, const U8Outputs& to);
// AMX: begin, blocks of as many rows, end. Sums of up to kAmxRows rows with one panel or two:
// [panels][kAmxRows][16]. x.tap_cols: a multiple of kAmxGrain.
constexpr std::int64_t kAmxRows = 32;
void u8_amx_begin(std::int64_t num_rows);
void u8_amx_block(const std::int8_t* panel, const std::int8_t* second,
                  const TappedRows<std::uint8_t>& x, std::int64_t num_rows, std::int32_t* sums);
void u8_amx_end();
// The smallest of *low and x, the largest of *high and x.
void range_avx2(const float* x, std::int64_t n, float* low, float* high);
void to_u8_avx2(const float* x, std::int64_t n, float inverse, std::int32_t zero,
                std::int32_t levels, std::uint8_t* values);
// Of the first elements; how many.
std::int64_t from_u8_avx2(const std::uint8_t* values, std::int64_t n, const U8Row& row, float* y);
void to_u8_static_avx2(const float* x, std::int64_t n, const U8Row& row, std::int32_t levels,
                       std::uint8_t* values);
#endif

}  // namespace antiphon
