// Sampling at the positions of a grid: nearest, linear or cubic; zeros, border or reflection.
#include <algorithm>
#include <cmath>

#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/import_kernels.h"
#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/view.h"

namespace antiphon::cpu {

using ir::Resample;

namespace {

constexpr int kMaxTaps = 4;

struct Setup {
  int axes = 2;
  Resample mode = Resample::kLinear;
  int padding = 0;
  bool align_corners = false;
};

struct AxisTaps {
  int count = 0;
  std::array<std::int64_t, kMaxTaps> from{};  // -1: zero
  std::array<double, kMaxTaps> weight{};
};

const char* refuse(const NodeView& view) { return all_f32(view) ? nullptr : "needs f32"; }

double reflected(double x, double low, double high) {
  const double span = high - low;
  if (span <= 0) return low;
  const double offset = std::fmod(std::abs(x - low), 2 * span);
  return low + (offset > span ? 2 * span - offset : offset);
}

// The index that stands for `i`, or -1.
std::int64_t index_of(const Setup& s, double i, std::int64_t n) {
  const auto last = static_cast<double>(n - 1);
  if (s.padding == 1) i = std::clamp(i, 0.0, last);
  if (s.padding == 2) {
    i = s.align_corners ? reflected(i, 0, last) : reflected(i, -0.5, last + 0.5);
    i = std::clamp(std::round(i), 0.0, last);
  }
  return i < 0 || i > last ? -1 : static_cast<std::int64_t>(i);
}

double cubic(double distance) {
  constexpr double kA = -0.75;
  const double d = std::abs(distance);
  if (d <= 1) return ((kA + 2) * d - (kA + 3)) * d * d + 1;
  return d < 2 ? ((kA * d - 5 * kA) * d + 8 * kA) * d - 4 * kA : 0;
}

AxisTaps taps_of(const Setup& s, double x, std::int64_t n) {
  const auto extent = static_cast<double>(n);
  x = s.align_corners ? (x + 1) / 2 * (extent - 1) : ((x + 1) * extent - 1) / 2;
  AxisTaps t;
  if (!std::isfinite(x)) {
    t.count = 1;
    t.from[0] = -1;
    return t;
  }
  x = std::clamp(x, -1e9, 1e9);
  const auto add = [&](double i, double weight) {
    t.from[static_cast<std::size_t>(t.count)] = index_of(s, i, n);
    t.weight[static_cast<std::size_t>(t.count++)] = weight;
  };
  if (s.mode != Resample::kCubic && s.padding == 1) x = std::clamp(x, 0.0, extent - 1);
  if (s.mode != Resample::kCubic && s.padding == 2)
    x = std::clamp(s.align_corners ? reflected(x, 0, extent - 1) : reflected(x, -0.5, extent - 0.5),
                   0.0, extent - 1);
  const double base = std::floor(x);
  if (s.mode == Resample::kNearest) {
    add(std::nearbyint(x), 1);
  } else if (s.mode == Resample::kLinear) {
    add(base, 1 - (x - base));
    add(base + 1, x - base);
  } else {
    for (int k = -1; k <= 2; ++k) add(base + k, cubic(x - base - k));
  }
  return t;
}

double sample(const std::array<AxisTaps, 3>& taps, const float* plane,
              const std::array<std::int64_t, 3>& extent) {
  double sum = 0;
  for (int a = 0; a < taps[0].count; ++a)
    for (int b = 0; b < taps[1].count; ++b)
      for (int c = 0; c < taps[2].count; ++c) {
        const auto ia = static_cast<std::size_t>(a), ib = static_cast<std::size_t>(b);
        const auto ic = static_cast<std::size_t>(c);
        const std::int64_t i0 = taps[0].from[ia], i1 = taps[1].from[ib], i2 = taps[2].from[ic];
        if (i0 < 0 || i1 < 0 || i2 < 0) continue;
        sum += taps[0].weight[ia] * taps[1].weight[ib] * taps[2].weight[ic] *
               static_cast<double>(plane[(i0 * extent[1] + i1) * extent[2] + i2]);
      }
  return sum;
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const Tensor &x = view.inputs[0], &grid = view.inputs[1], &y = view.outputs[0];
  const ir::Attrs& attrs = view.node->attrs;
  const Setup s{x.rank - 2, static_cast<Resample>(attrs.i("mode")),
                static_cast<int>(attrs.i("padding")), attrs.i("align_corners") != 0};
  std::array<std::int64_t, 3> extent{1, 1, 1};
  std::int64_t plane = 1, points = 1;
  for (int i = 0; i < s.axes; ++i) {
    extent[static_cast<std::size_t>(3 - s.axes + i)] = x.dims[static_cast<std::size_t>(i + 2)];
    plane *= x.dims[static_cast<std::size_t>(i + 2)];
    points *= y.dims[static_cast<std::size_t>(i + 2)];
  }
  split(*args.team, x.dims[0] * points, 64, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t b = r / points, p = r % points;
      std::array<AxisTaps, 3> taps;
      taps[0].count = 1;  // an axis that is not there
      taps[0].weight[0] = 1;
      for (int i = 0; i < s.axes; ++i) {
        // The grid names the innermost axis first.
        const auto axis = static_cast<std::size_t>(2 - i);
        taps[axis] = taps_of(s, static_cast<double>(grid.f32()[r * s.axes + i]), extent[axis]);
      }
      for (std::int64_t c = 0; c < x.dims[1]; ++c)
        y.f32()[(b * x.dims[1] + c) * points + p] =
            static_cast<float>(sample(taps, x.f32() + (b * x.dims[1] + c) * plane, extent));
    }
  });
  return {};
}

}  // namespace

constinit const Kernel kGridSamplePlain = {ir::kOpGridSample, "cpu/grid_sample_plain", refuse,
                                           nullptr, run};

}  // namespace antiphon::cpu
