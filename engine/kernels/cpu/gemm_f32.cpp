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

#include "engine/kernels/cpu/gemm_finish-inl.h"
#include "engine/kernels/cpu/gemv_f32.h"

HWY_BEFORE_NAMESPACE();
namespace antiphon {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using D = PanelTag;
using V = hn::Vec<D>;
constexpr D kD;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(kD));
constexpr int kVectors = static_cast<int>(kPanelRows) / kLanes;
// Rows of x in a tile and panels beside each other: accumulators fill the registers (24 of 32, 12
// of 16).
constexpr int kTile = kVectors == 1 ? 12 : kVectors == 2 ? 6 : 2;
constexpr int kPair = kVectors == 1 ? 2 : 1;
// Columns of one pass where many rows share the panels: their part of a panel stays in L1.
constexpr std::int64_t kDepth = 256;

// What a tile writes: outputs [first, first + outputs) of y, which moves on by y_stride a row.
struct Target {
  float* y;
  std::int64_t y_stride, first, outputs;
  bool accumulate;               // y holds the sum over the columns before
  const GemmFinish* last;        // after the last columns; null: none, or not yet
  const float* ahead = nullptr;  // weights that come next: a line of them is asked for each column
};

using TileFunction = void (*)(const float* w, std::int64_t panel_stride, const TappedRows<float>& x,
                              const Target& to);

// One row's panel p of the tile: vectors `sum`, to y.
void store_panel(const V* sum, std::int64_t row, int p, const Target& to) {
  const std::int64_t outputs = std::min(kPanelRows, to.outputs - p * kPanelRows);
  const std::int64_t first = to.first + p * kPanelRows;
  float* y = to.y + row * to.y_stride + first;
  if (outputs == kPanelRows) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      V total = to.accumulate ? hn::Add(hn::LoadU(kD, y + v * kLanes), sum[v]) : sum[v];
      if (to.last) total = finished(total, row, first + v * kLanes, *to.last);
      hn::StoreU(total, kD, y + v * kLanes);
    }
    return;
  }
  HWY_ALIGN float part[kPanelRows];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) hn::Store(sum[v], kD, part + v * kLanes);
  for (std::int64_t i = 0; i < outputs; ++i) y[i] = (to.accumulate ? y[i] : 0.0f) + part[i];
  if (to.last) finish_some(y, row, first, outputs, *to.last);
}

// y [kRows, outputs] = x [kRows, cols] w [panel][cols][16]. Few rows need more chains to hide
// latency.
template <int kRows, int kPanels>
void tile(const float* w, std::int64_t panel_stride, const TappedRows<float>& x, const Target& to) {
  constexpr int kChains = kRows == 1 ? 4 : kRows <= 3 ? 2 : 1;
  constexpr int kAcross = kPanels * kVectors;
  constexpr int kBases = (kRows + 2) / 3;  // three rows share an address register
  V sum[kChains][kRows][kAcross];
#pragma GCC unroll 96
  for (int i = 0; i < kChains * kRows * kAcross; ++i)
    sum[i / (kRows * kAcross)][i / kAcross % kRows][i % kAcross] = hn::Zero(kD);

  const std::int64_t stride = x.row_stride;
  const float* ahead = to.ahead ? to.ahead : w;
  const std::int64_t ahead_step = to.ahead ? kPanelRows : 0;
  for (int tap = 0; tap < x.taps; ++tap) {
    const float* base[kBases];
#pragma GCC unroll 4
    for (int b = 0; b < kBases; ++b) base[b] = x.x + 3 * b * stride + tap * x.tap_stride;
    const auto step = [&](int at, int chain) HWY_ATTR {
      V weight[kAcross];
#pragma GCC unroll 4
      for (int v = 0; v < kAcross; ++v)
        weight[v] = hn::LoadU(
            kD, w + (v / kVectors) * panel_stride + at * kPanelRows + (v % kVectors) * kLanes);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const V value = hn::Set(kD, base[r / 3][(r % 3) * stride + at]);
#pragma GCC unroll 4
        for (int v = 0; v < kAcross; ++v)
          sum[chain][r][v] = hn::MulAdd(value, weight[v], sum[chain][r][v]);
      }
    };
    std::int64_t c = 0;
    for (; c + 4 <= x.tap_cols; c += 4, w += 4 * kPanelRows) {
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        step(i, i % kChains);
        __builtin_prefetch(ahead, 0, 2);
        ahead += ahead_step;
      }
#pragma GCC unroll 4
      for (int b = 0; b < kBases; ++b) base[b] += 4;
    }
    for (; c < x.tap_cols; ++c, w += kPanelRows) {
      step(0, 0);
#pragma GCC unroll 4
      for (int b = 0; b < kBases; ++b) ++base[b];
    }
  }

#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int chain = 1; chain < kChains; ++chain)
#pragma GCC unroll 4
      for (int v = 0; v < kAcross; ++v) sum[0][r][v] = hn::Add(sum[0][r][v], sum[chain][r][v]);
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) store_panel(sum[0][r] + p * kVectors, r, p, to);
  }
}

template <int kPanels, std::size_t... i>
TileFunction tile_of(std::int64_t num_rows, std::index_sequence<i...>) {
  static constexpr TileFunction kTiles[] = {tile<static_cast<int>(i) + 1, kPanels>...};
  return kTiles[num_rows - 1];
}

// The weights that come next. While many rows share the present ones each of the first tiles asks
// for a panel of them, line by line: a burst of requests would wait for itself.
struct Ahead {
  const float* w;  // the first panel's; null: nothing comes
  std::int64_t panel_stride;
  int panels;

  const float* panel(int tile) const {
    return w && tile < panels ? w + tile * panel_stride : nullptr;
  }
};

// All rows by the one or two panels of `to`.
void tiles(const float* w, std::int64_t panel_stride, const TappedRows<float>& x,
           std::int64_t num_rows, const Target& to, const Ahead& ahead) {
  TappedRows<float> rows = x;
  Target some = to;
  GemmFinish last;
  int tile = 0;
  for (std::int64_t i = 0; i < num_rows; ++tile) {
    // Even tiles: 7 rows are 4 + 3, not 6 + 1.
    const std::int64_t left = (num_rows - i + kTile - 1) / kTile;
    const std::int64_t count = (num_rows - i + left - 1) / left;
    some.ahead = ahead.panel(tile);
    rows.x = x.x + i * x.row_stride;
    some.y = to.y + i * to.y_stride;
    if (to.last) {
      last = *to.last;
      if (last.residual) last.residual += i * last.residual_stride;
      some.last = &last;
    }
    const auto which = std::make_index_sequence<kTile>();
    (to.outputs > kPanelRows ? tile_of<kPair>(count, which) : tile_of<1>(count, which))(
        w, panel_stride, rows, some);
    i += count;
  }
}

// One tile of rows, one pass over the columns: nothing but the tiles, one after the other.
void one_tile(const F32Panels& w, const TappedRows<float>& x, std::int64_t num_rows, float* y,
              std::int64_t y_stride, std::int64_t row_begin, std::int64_t row_end,
              const GemmFinish* finish) {
  const auto which = std::make_index_sequence<kTile>();
  const TileFunction wide = tile_of<kPair>(num_rows, which), narrow = tile_of<1>(num_rows, which);
  const std::int64_t panel = w.cols * kPanelRows;
  for (std::int64_t r = row_begin; r < row_end; r += kPair * kPanelRows) {
    const Target to{y, y_stride, r, std::min(kPair * kPanelRows, row_end - r), false, finish};
    (to.outputs > kPanelRows ? wide : narrow)(w.panel(r / kPanelRows), panel, x, to);
  }
}

void panels(const F32Panels& w, const TappedRows<float>& x, std::int64_t num_rows, float* y,
            std::int64_t y_stride, std::int64_t row_begin, std::int64_t row_end,
            const GemmFinish* finish) {
  // From four rows on, the order of the sums does not depend on how many there are.
  const bool deep = x.taps == 1 && num_rows > 3 && x.tap_cols > kDepth + kDepth / 2;
  if (!deep && num_rows <= kTile)
    return one_tile(w, x, num_rows, y, y_stride, row_begin, row_end, finish);
  const std::int64_t depth = deep ? kDepth : x.tap_cols;
  for (std::int64_t r = row_begin; r < row_end; r += kPair * kPanelRows) {
    Target to{y, y_stride, r, std::min(kPair * kPanelRows, row_end - r), false, nullptr};
    TappedRows<float> part = x;
    for (std::int64_t c = 0;;) {
      const std::int64_t left = x.tap_cols - c;
      part.tap_cols = left > depth + depth / 2 ? depth : left;
      part.x = x.x + c;
      to.last = left == part.tap_cols ? finish : nullptr;
      const float* now = w.panel(r / kPanelRows) + c * kPanelRows;
      const std::int64_t panel = w.cols * kPanelRows;
      Ahead ahead{nullptr, panel, 1};
      if (num_rows > kTile && left == part.tap_cols && r + kPair * kPanelRows < row_end) {
        ahead.w = w.panel(r / kPanelRows + kPair);
        ahead.panels = row_end - r > (kPair + 1) * kPanelRows ? kPair : 1;
      } else if (num_rows > kTile && left > part.tap_cols) {
        ahead = {now + part.tap_cols * kPanelRows, panel, to.outputs > kPanelRows ? kPair : 1};
      }
      tiles(now, panel, part, num_rows, to, ahead);
      c += part.tap_cols;
      if (c >= x.tap_cols) break;
      to.accumulate = true;
    }
  }
}

}  // namespace

using PanelsFunction = void (*)(const F32Panels&, const TappedRows<float>&, std::int64_t, float*,
                                std::int64_t, std::int64_t, std::int64_t, const GemmFinish*);
PanelsFunction f32_panels() { return panels; }

}  // namespace HWY_NAMESPACE
}  // namespace antiphon
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace antiphon {
namespace {

using PanelsFunction = void (*)(const F32Panels&, const TappedRows<float>&, std::int64_t, float*,
                                std::int64_t, std::int64_t, std::int64_t, const GemmFinish*);
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
              std::int64_t y_stride, std::int64_t row_begin, std::int64_t row_end,
              const GemmFinish* finish) {
  if (num_rows <= 0 || row_begin >= row_end) return;
  panels_for(w.isa)(w, x, num_rows, y, y_stride, row_begin, row_end, finish);
}

}  // namespace antiphon
#endif
