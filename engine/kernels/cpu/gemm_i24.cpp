// Packing of 24-bit weights, and the tiles of their product: up to four rows of x by one or two
// panels of 16 outputs.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/cpu/gemm_i24.cpp"
// clang-format off: the order matters
#include <hwy/foreach_target.h>

#include "engine/kernels/cpu/simd_targets.h"
// clang-format on
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>

#include "engine/kernels/cpu/gemm_finish-inl.h"
#include "engine/kernels/cpu/gemm_i24.h"

HWY_BEFORE_NAMESPACE();
namespace antiphon {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using D = PanelTag;
using I = hn::RebindToSigned<D>;
using V = hn::Vec<D>;
constexpr D kD;
constexpr I kI;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(kD));
constexpr int kVectors = static_cast<int>(kPanelRows) / kLanes;
constexpr int kPair = kVectors == 1 ? 2 : 1;              // panels beside each other
constexpr int kTile = 4;                                  // rows of x that share what was unpacked
constexpr int kWords = 3 * static_cast<int>(kPanelRows);  // of four columns

struct Rows {
  const float* x;
  std::int64_t stride, cols;
};
// What a tile writes: outputs [first, first + outputs), at most kPair panels of them.
struct Target {
  float* y;
  std::int64_t y_stride, first, outputs;
  const GemmFinish* finish;  // may be null
};

// One row's panel p of the tile: its sums, scaled, to y. x: that row.
void store_panel(const I24Matrix& m, const V* sum, const float* x, std::int64_t row, int p,
                 const Target& to) {
  const std::int64_t first = to.first + p * kPanelRows;
  const std::int64_t outputs = std::min(kPanelRows, to.outputs - p * kPanelRows);
  const std::span<const Outlier> outliers = m.outliers_of(first / kPanelRows);
  float* y = to.y + row * to.y_stride + first;
  V total[kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v)
    total[v] = hn::Mul(sum[v], hn::LoadU(kD, m.scale.data() + first + v * kLanes));
  if (outputs == kPanelRows && outliers.empty()) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      if (to.finish) total[v] = finished(total[v], row, first + v * kLanes, *to.finish);
      hn::StoreU(total[v], kD, y + v * kLanes);
    }
    return;
  }
  HWY_ALIGN float part[kPanelRows];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) hn::Store(total[v], kD, part + v * kLanes);
  for (const Outlier& o : outliers) part[o.lane] += x[o.col] * o.weight;
  std::copy_n(part, outputs, y);
  if (to.finish) finish_some(y, row, first, outputs, *to.finish);
}

// The sums of kRows rows by kPanels panels; few rows need more chains to hide latency.
template <int kRows, int kPanels>
struct Sums {
  static constexpr int kChains = kRows == 1 ? 4 : kRows == 2 ? 2 : 1;
  static constexpr int kAcross = kPanels * kVectors;
  V sum[kChains][kRows][kAcross];

  // Columns c to c + 3 of x by the words at w.
  template <class F>
  HWY_INLINE void add(const std::uint32_t* w, std::int64_t panel_words, F value) {
#pragma GCC unroll 4
    for (int v = 0; v < kAcross; ++v) {
      const auto* from = reinterpret_cast<const std::int32_t*>(w) + (v / kVectors) * panel_words +
                         (v % kVectors) * kLanes;
      const auto a = hn::LoadU(kI, from), b = hn::LoadU(kI, from + kPanelRows);
      const auto c = hn::LoadU(kI, from + 2 * kPanelRows);
      const auto d = hn::Xor3(hn::ShiftLeft<24>(a), hn::ShiftLeft<16>(b), hn::ShiftLeft<8>(c));
      const V weight[4] = {hn::ConvertTo(kD, a), hn::ConvertTo(kD, b), hn::ConvertTo(kD, c),
                           hn::ConvertTo(kD, d)};
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i)
          sum[i % kChains][r][v] =
              hn::MulAdd(hn::Set(kD, value(r, i)), weight[i], sum[i % kChains][r][v]);
    }
  }
};

template <int kRows, int kPanels>
void tile(const I24Matrix& m, const Rows& x, const Target& to) {
  using S = Sums<kRows, kPanels>;
  S sums;
#pragma GCC unroll 32
  for (int i = 0; i < S::kChains * kRows * S::kAcross; ++i)
    sums.sum[i / (kRows * S::kAcross)][i / S::kAcross % kRows][i % S::kAcross] = hn::Zero(kD);
  const std::uint32_t* w = m.panel(to.first / kPanelRows);
  const float* from = x.x;
  std::int64_t c = 0;
  for (; c + 4 <= x.cols; c += 4, w += kWords, from += 4)
    sums.add(w, m.panel_words(), [&](int r, int i) HWY_ATTR { return from[r * x.stride + i]; });
  if (c < x.cols)
    sums.add(w, m.panel_words(),
             [&](int r, int i) HWY_ATTR { return c + i < x.cols ? from[r * x.stride + i] : 0.0f; });
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int chain = 1; chain < S::kChains; ++chain)
#pragma GCC unroll 4
      for (int v = 0; v < S::kAcross; ++v)
        sums.sum[0][r][v] = hn::Add(sums.sum[0][r][v], sums.sum[chain][r][v]);
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p)
      store_panel(m, sums.sum[0][r] + p * kVectors, x.x + r * x.stride, r, p, to);
  }
}

using TileFunction = void (*)(const I24Matrix&, const Rows&, const Target&);
template <int kPanels>
TileFunction tile_of(std::int64_t num_rows) {
  static constexpr TileFunction kTiles[] = {tile<1, kPanels>, tile<2, kPanels>, tile<3, kPanels>,
                                            tile<4, kPanels>};
  return kTiles[num_rows - 1];
}

void panels(const I24Matrix& w, const float* x, std::int64_t x_stride, std::int64_t num_rows,
            float* y, std::int64_t y_stride, std::int64_t row_begin, std::int64_t row_end,
            const GemmFinish* finish) {
  for (std::int64_t r = row_begin; r < row_end; r += kPair * kPanelRows)
    for (std::int64_t i = 0; i < num_rows; i += kTile) {
      const std::int64_t count = std::min<std::int64_t>(kTile, num_rows - i);
      GemmFinish own;
      if (finish) own = *finish;
      if (own.residual) own.residual += i * own.residual_stride;
      const Target to{y + i * y_stride, y_stride, r, std::min(kPair * kPanelRows, row_end - r),
                      finish ? &own : nullptr};
      (to.outputs > kPanelRows ? tile_of<kPair>(count) : tile_of<1>(count))(
          w, {x + i * x_stride, x_stride, w.cols}, to);
    }
}

}  // namespace

using I24Function = void (*)(const I24Matrix&, const float*, std::int64_t, std::int64_t, float*,
                             std::int64_t, std::int64_t, std::int64_t, const GemmFinish*);
I24Function i24_panels() { return panels; }

}  // namespace HWY_NAMESPACE
}  // namespace antiphon
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace antiphon {
namespace {

using I24Function = void (*)(const I24Matrix&, const float*, std::int64_t, std::int64_t, float*,
                             std::int64_t, std::int64_t, std::int64_t, const GemmFinish*);
I24Function i24_panels_for(Isa isa) { ANTIPHON_BY_ISA(isa, i24_panels); }

constexpr double kMost = 0x1p31 - 512;  // the largest weight of a row, with room for a low byte
constexpr double kOutlier = 8;          // times the mean magnitude
constexpr double kLeastPeak = 0x1p-90;  // its scale is no denormal

struct PackedRow {
  float scale = 1;
  std::vector<std::int64_t> outliers;  // columns
};

// The largest magnitude of a row, and the mean.
struct Magnitudes {
  double peak = 0, mean = 0;
};
Magnitudes magnitudes_of(std::span<const float> w) {
  Magnitudes found;
  for (const float v : w) {
    found.peak = std::max(found.peak, std::abs(double{v}));
    found.mean += std::abs(double{v}) / static_cast<double>(w.size());
  }
  return found;
}

// Takes the outliers out of the row until there are none; none: they are too many.
std::optional<PackedRow> split_row(std::span<float> w) {
  if (std::ranges::any_of(w, [](float v) { return !std::isfinite(v); })) return {};
  PackedRow row;
  const std::size_t most = std::max<std::size_t>(2, w.size() / 64);
  for (;;) {
    const Magnitudes all = magnitudes_of(w);
    if (all.peak == 0) return row;
    if (all.peak <= kOutlier * all.mean) {
      row.scale = static_cast<float>(all.peak / kMost);
      return all.peak < kLeastPeak ? std::nullopt : std::optional(row);
    }
    for (std::size_t c = 0; c < w.size(); ++c) {
      if (std::abs(double{w[c]}) <= kOutlier * all.mean) continue;
      row.outliers.push_back(static_cast<std::int64_t>(c));
      w[c] = 0;
    }
    if (row.outliers.size() > most) return {};
  }
}

// The whole number nearest to `wanted` whose low byte is `low`.
std::uint32_t with_low_byte(double wanted, std::uint32_t low) {
  const double high = std::nearbyint((wanted - low) / 256);
  return static_cast<std::uint32_t>(static_cast<std::int64_t>(high)) << 8 | low;
}

std::uint32_t byte_of(std::uint32_t word, int i) { return word >> (8 * i) & 0xff; }

// Four weights of a row, in whole numbers, to words kPanelRows apart.
void pack_four(const double (&w)[4], std::uint32_t* to) {
  const std::uint32_t d = with_low_byte(w[3], 0);
  const std::uint32_t c = with_low_byte(w[2], byte_of(d, 1));
  const std::uint32_t b = with_low_byte(w[1], byte_of(d, 2) ^ byte_of(c, 1));
  const std::uint32_t a = with_low_byte(w[0], byte_of(d, 3) ^ byte_of(b, 1) ^ byte_of(c, 2));
  to[0] = a;
  to[kPanelRows] = b;
  to[2 * kPanelRows] = c;
}

void pack_row(std::span<const float> w, double scale, std::uint32_t* to) {
  for (std::size_t c = 0; c < w.size(); c += 4, to += 3 * kPanelRows) {
    double four[4] = {};
    for (std::size_t i = 0; i < std::min<std::size_t>(4, w.size() - c); ++i)
      four[i] = w[c + i] / scale;
    pack_four(four, to);
  }
}

}  // namespace

std::optional<I24Matrix> pack_i24(std::int64_t rows, std::int64_t cols, const float* w, Isa isa) {
  I24Matrix m;
  m.rows = rows;
  m.cols = cols;
  m.isa = isa;
  const std::int64_t num_panels = (rows + kPanelRows - 1) / kPanelRows;
  m.scale.resize(static_cast<std::size_t>(num_panels * kPanelRows));
  m.words.resize(static_cast<std::size_t>(num_panels * m.panel_words()));
  std::vector<float> row(static_cast<std::size_t>(cols));
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t lane = r % kPanelRows;
    if (lane == 0) m.outliers_from.push_back(m.outliers.size());
    std::copy_n(w + r * cols, cols, row.begin());
    const std::optional<PackedRow> packed = split_row(row);
    if (!packed) return {};
    m.scale[static_cast<std::size_t>(r)] = packed->scale;
    for (const std::int64_t c : packed->outliers)
      m.outliers.push_back(
          {static_cast<std::int32_t>(lane), static_cast<std::int32_t>(c), w[r * cols + c]});
    pack_row(row, packed->scale, m.words.data() + r / kPanelRows * m.panel_words() + lane);
  }
  m.outliers_from.push_back(m.outliers.size());
  return m;
}

void gemm_i24(const I24Matrix& w, const float* x, std::int64_t x_stride, std::int64_t num_rows,
              float* y, std::int64_t y_stride, std::int64_t row_begin, std::int64_t row_end,
              const GemmFinish* finish) {
  if (num_rows <= 0 || row_begin >= row_end) return;
  i24_panels_for(w.isa)(w, x, x_stride, num_rows, y, y_stride, row_begin, row_end, finish);
}

}  // namespace antiphon
#endif
