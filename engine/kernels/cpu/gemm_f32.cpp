// Packing and the tiles of the f32 product: up to kTile rows of x by one panel of 16 outputs.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/cpu/gemm_f32.cpp"
// clang-format off: the order matters
#include <hwy/foreach_target.h>

#include "engine/kernels/cpu/simd_targets.h"
// clang-format on
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>

#include "engine/kernels/cpu/gemv_f32.h"

HWY_BEFORE_NAMESPACE();
namespace antiphon {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// At most 16 lanes, so that a panel is one vector or more.
using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;
constexpr D kD;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(kD));
constexpr int kVectors = static_cast<int>(kPanelRows) / kLanes;
// Rows of x in a tile: accumulators fill the registers (12 of 16, 12 of 32).
constexpr int kTile = kVectors == 1 ? 12 : kVectors == 2 ? 6 : 2;

using TileFunction = void (*)(const float* w, const TappedRows<float>& x, float* y,
                              std::int64_t y_stride, std::int64_t outputs);

// y [kRows, outputs] = x [kRows, cols] w [cols][16]. Few rows need more chains to hide latency.
template <int kRows>
void tile(const float* w, const TappedRows<float>& x, float* y, std::int64_t y_stride,
          std::int64_t outputs) {
  constexpr int kChains = kRows == 1 ? 4 : kRows <= 3 ? 2 : 1;
  V sum[kChains][kRows][kVectors];
#pragma GCC unroll 48
  for (int i = 0; i < kChains * kRows * kVectors; ++i)
    sum[i / (kRows * kVectors)][i / kVectors % kRows][i % kVectors] = hn::Zero(kD);

  for (int tap = 0; tap < x.taps; ++tap) {
    const float* row[kRows];
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) row[r] = x.x + r * x.row_stride + tap * x.tap_stride;
    std::int64_t c = 0;
    const auto step = [&](std::int64_t at, int chain) HWY_ATTR {
      V weight[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v)
        weight[v] = hn::LoadU(kD, w + at * kPanelRows + v * kLanes);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const V value = hn::Set(kD, row[r][at]);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v)
          sum[chain][r][v] = hn::MulAdd(value, weight[v], sum[chain][r][v]);
      }
    };
    for (; c + kChains <= x.tap_cols; c += kChains) {
#pragma GCC unroll 4
      for (int chain = 0; chain < kChains; ++chain) step(c + chain, chain);
    }
    for (; c < x.tap_cols; ++c) step(c, 0);
    w += x.tap_cols * kPanelRows;
  }

#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    HWY_ALIGN float part[kPanelRows];
    float* out = outputs == kPanelRows ? y + r * y_stride : part;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      V total = sum[0][r][v];
#pragma GCC unroll 4
      for (int chain = 1; chain < kChains; ++chain) total = hn::Add(total, sum[chain][r][v]);
      hn::StoreU(total, kD, out + v * kLanes);
    }
    if (out == part)
      std::memcpy(y + r * y_stride, part, static_cast<std::size_t>(outputs) * sizeof(float));
  }
}

template <std::size_t... i>
TileFunction tile_of(std::int64_t num_rows, std::index_sequence<i...>) {
  static constexpr TileFunction kTiles[] = {tile<static_cast<int>(i) + 1>...};
  return kTiles[num_rows - 1];
}

void panels(const F32Panels& w, const TappedRows<float>& x, std::int64_t num_rows, float* y,
            std::int64_t y_stride, std::int64_t row_begin, std::int64_t row_end) {
  for (std::int64_t r = row_begin; r < row_end; r += kPanelRows) {
    const float* panel = w.panel(r / kPanelRows);
    const std::int64_t outputs = std::min(kPanelRows, row_end - r);
    TappedRows<float> rows = x;
    for (std::int64_t i = 0; i < num_rows;) {
      // Even tiles: 7 rows are 4 + 3, not 6 + 1.
      const std::int64_t tiles = (num_rows - i + kTile - 1) / kTile;
      const std::int64_t count = (num_rows - i + tiles - 1) / tiles;
      rows.x = x.x + i * x.row_stride;
      tile_of(count, std::make_index_sequence<kTile>())(panel, rows, y + i * y_stride + r, y_stride,
                                                        outputs);
      i += count;
    }
  }
}

}  // namespace

using PanelsFunction = void (*)(const F32Panels&, const TappedRows<float>&, std::int64_t, float*,
                                std::int64_t, std::int64_t, std::int64_t);
PanelsFunction f32_panels() { return panels; }

}  // namespace HWY_NAMESPACE
}  // namespace antiphon
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace antiphon {
namespace {

using PanelsFunction = void (*)(const F32Panels&, const TappedRows<float>&, std::int64_t, float*,
                                std::int64_t, std::int64_t, std::int64_t);
PanelsFunction panels_for(Isa isa) { ANTIPHON_BY_ISA(isa, f32_panels); }

template <typename F>
F32Matrix pack(std::int64_t rows, std::int64_t cols, Isa isa, F weight) {
  constexpr std::size_t kAlign = 64 / sizeof(float);
  F32Matrix m;
  m.rows = rows;
  m.cols = cols;
  m.isa = isa;
  const std::int64_t num_panels = (rows + kPanelRows - 1) / kPanelRows;
  m.panels.resize(static_cast<std::size_t>(num_panels * cols * kPanelRows) + kAlign);
  const auto address = reinterpret_cast<std::uintptr_t>(m.panels.data());
  m.offset = (64 - address % 64) % 64 / sizeof(float);
  float* to = m.panels.data() + m.offset;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < cols; ++c)
      to[(r / kPanelRows * cols + c) * kPanelRows + r % kPanelRows] = weight(r, c);
  return m;
}

}  // namespace

F32Matrix pack_f32(std::int64_t rows, std::int64_t cols, const float* w, Isa isa) {
  return pack(rows, cols, isa, [&](std::int64_t r, std::int64_t c) { return w[r * cols + c]; });
}

F32Matrix pack_f32(std::int64_t rows, std::int64_t cols, const std::int8_t* w, const float* scale,
                   Isa isa) {
  return pack(rows, cols, isa, [&](std::int64_t r, std::int64_t c) {
    return static_cast<float>(w[r * cols + c]) * scale[r];
  });
}

void gemm_f32(const F32Panels& w, const TappedRows<float>& x, std::int64_t num_rows, float* y,
              std::int64_t y_stride, std::int64_t row_begin, std::int64_t row_end) {
  if (num_rows <= 0 || row_begin >= row_end) return;
  panels_for(w.isa)(w, x, num_rows, y, y_stride, row_begin, row_end);
}

}  // namespace antiphon
#endif
