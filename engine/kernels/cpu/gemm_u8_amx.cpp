// The u8 x s8 product with AMX: tiles of 16 rows by 64 bytes against panels of 16 outputs, two by
// two at once.
#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "engine/kernels/cpu/gemm_u8_tiles.h"

#define ANTIPHON_AMX __attribute__((target("avx512f,amx-tile,amx-int8")))

namespace antiphon {
namespace {

constexpr std::int64_t kTileRows = 16;

// As LDTILECFG reads it.
struct TileConfig {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

// Tiles 0, 1: sums of the first rows with both panels; 2, 3: of the others; 4, 5: x; 6, 7: w.
ANTIPHON_AMX void configure(std::int64_t rows) {
  TileConfig config;
  const auto first = static_cast<std::uint8_t>(std::min(rows, kTileRows));
  const auto second = static_cast<std::uint8_t>(std::max<std::int64_t>(1, rows - kTileRows));
  const std::uint8_t heights[8] = {first, first, second, second, first, second, 16, 16};
  for (int i = 0; i < 8; ++i) {
    config.row_bytes[i] = 64;
    config.rows[i] = heights[i];
  }
  // gcc's intrinsic says that it reads eight bytes: all must be written before.
  asm volatile("" : : "r"(&config) : "memory");
  _tile_loadconfig(&config);
}

template <bool kRows, bool kPanels>
ANTIPHON_AMX void block(const std::int8_t* a, const std::int8_t* b,
                        const TappedRows<std::uint8_t>& x, std::int32_t* sums) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  const std::int64_t stride = x.row_stride;
  for (int tap = 0; tap < x.taps; ++tap) {
    const std::uint8_t* row = x.x + tap * x.tap_stride;
    for (std::int64_t c = 0; c < x.tap_cols; c += kAmxGrain) {
      _tile_loadd(6, a, 64);
      _tile_loadd(4, row + c, stride);
      _tile_dpbusd(0, 4, 6);
      if constexpr (kPanels) {
        _tile_loadd(7, b, 64);
        _tile_dpbusd(1, 4, 7);
      }
      if constexpr (kRows) {
        _tile_loadd(5, row + c + kTileRows * stride, stride);
        _tile_dpbusd(2, 5, 6);
        if constexpr (kPanels) _tile_dpbusd(3, 5, 7);
      }
      a += kAmxGrain * kPanelRows;
      b += kAmxGrain * kPanelRows;
    }
  }
  constexpr std::int64_t kHalf = kTileRows * kPanelRows;
  _tile_stored(0, sums, 64);
  if constexpr (kPanels) _tile_stored(1, sums + 2 * kHalf, 64);
  if constexpr (kRows) _tile_stored(2, sums + kHalf, 64);
  if constexpr (kRows && kPanels) _tile_stored(3, sums + 3 * kHalf, 64);
}

}  // namespace

void u8_amx_begin(std::int64_t num_rows) { configure(num_rows); }
ANTIPHON_AMX void u8_amx_end() { _tile_release(); }

void u8_amx_block(const std::int8_t* panel, const std::int8_t* second,
                  const TappedRows<std::uint8_t>& x, std::int64_t num_rows, std::int32_t* sums) {
  if (num_rows > kTileRows)
    return second ? block<true, true>(panel, second, x, sums)
                  : block<true, false>(panel, panel, x, sums);
  second ? block<false, true>(panel, second, x, sums) : block<false, false>(panel, panel, x, sums);
}

}  // namespace antiphon
#endif
