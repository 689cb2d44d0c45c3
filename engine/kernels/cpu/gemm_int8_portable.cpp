// The int8 tiles and the quantisation of a row in plain C++.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/kernels/cpu/gemm_int8_tiles.h"

namespace antiphon {
namespace {

void tile_one(const Int8Panel& panel, const TappedRows<std::int16_t>& x, const float* x_scales,
              std::int64_t, float* y, std::int64_t) {
  std::int32_t sum[kPanelRows] = {};
  const std::int8_t* w = panel.weights;
  for (int tap = 0; tap < x.taps; ++tap) {
    const std::int16_t* row = x.x + tap * x.tap_stride;
    for (std::int64_t c = 0; c < x.tap_cols; c += 2, w += 2 * kPanelRows)
      for (std::int64_t o = 0; o < kPanelRows; ++o)
        sum[o] += row[c] * w[2 * o] + row[c + 1] * w[2 * o + 1];
  }
  for (std::int64_t o = 0; o < panel.outputs; ++o)
    y[o] = static_cast<float>(sum[o]) * (panel.scales[o] * x_scales[0]);
}

constexpr Int8Tile kTiles[] = {tile_one};

}  // namespace

const Int8Tiles& int8_tiles_portable() {
  static constexpr Int8Tiles kTable = {1, kTiles};
  return kTable;
}

float inverse_scale(float peak, int q_max) {
  const float inverse = static_cast<float>(q_max) / peak;
  return peak > 0 && std::isfinite(inverse) && inverse > 0 ? inverse : 0.0f;
}

float quantize_row_portable(const float* x, std::int64_t n, int q_max, std::int16_t* q) {
  float peak = 0;
  for (std::int64_t i = 0; i < n; ++i) peak = std::max(peak, std::fabs(x[i]));
  const auto most = static_cast<float>(q_max);
  const float inverse = inverse_scale(peak, q_max);
  for (std::int64_t i = 0; i < n; ++i) {
    const float v = std::nearbyint(x[i] * inverse);
    q[i] = static_cast<std::int16_t>(std::isnan(v) ? 0.0f : std::clamp(v, -most, most));
  }
  return inverse > 0 ? peak / most : 0.0f;
}

}  // namespace antiphon
