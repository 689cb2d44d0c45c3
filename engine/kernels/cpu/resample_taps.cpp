// Resampling along one axis: each output step is a weighted sum of a few input steps.
#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/import_kernels.h"
#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/vector_math.h"
#include "engine/kernels/cpu/view.h"

namespace antiphon::cpu {

using ir::Grid;
using ir::NearestRound;
using ir::Resample;

namespace {

struct Taps final : Prepared {
  // Step i reads taps [first[i], first[i + 1]); none: the value outside.
  std::vector<std::size_t> first;
  std::vector<std::int64_t> from;
  std::vector<float> weight;
};

struct Setup {
  std::int64_t in = 1, out = 1;
  Resample mode = Resample::kNearest;
  Grid grid = Grid::kHalfPixel;
  NearestRound round = NearestRound::kPreferFloor;
  double scale = 1, cubic = -0.75, roi_begin = 0, roi_end = 1;
  bool exclude_outside = false, antialias = false;
};

double position(const Setup& s, std::int64_t i) {
  const auto x = static_cast<double>(i), n = static_cast<double>(s.in);
  const auto out = static_cast<double>(s.out);
  switch (s.grid) {
    case Grid::kHalfPixel: return (x + 0.5) / s.scale - 0.5;
    case Grid::kPytorchHalfPixel: return s.out > 1 ? (x + 0.5) / s.scale - 0.5 : 0;
    case Grid::kAlignCorners: return s.out > 1 ? x * (n - 1) / (out - 1) : 0;
    case Grid::kAsymmetric: return x / s.scale;
    case Grid::kCropAndResize:
      return s.out > 1 ? s.roi_begin * (n - 1) + x * (s.roi_end - s.roi_begin) * (n - 1) / (out - 1)
                       : 0.5 * (s.roi_begin + s.roi_end) * (n - 1);
    case Grid::kHalfPixelSymmetric: {
      const double exact = s.scale * n, shift = n / 2 * (1 - out / exact);
      return shift + (x + 0.5) / s.scale - 0.5;
    }
  }
  return x;
}

double nearest(const Setup& s, double x) {
  switch (s.round) {
    case NearestRound::kPreferFloor: return std::ceil(x - 0.5);
    case NearestRound::kPreferCeil: return std::floor(x + 0.5);
    case NearestRound::kFloor: return std::floor(x);
    case NearestRound::kCeil: return std::ceil(x);
  }
  return x;
}

double filter(const Setup& s, double distance) {
  const double d = std::abs(distance), a = s.cubic;
  if (s.mode == Resample::kLinear) return std::max(0.0, 1 - d);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

// Shrinking with anti-aliasing widens the filter by the factor.
double narrowing(const Setup& s) { return s.antialias ? std::min(1.0, s.scale) : 1.0; }
double reach(const Setup& s) { return (s.mode == Resample::kLinear ? 1 : 2) / narrowing(s); }

void add_step(const Setup& s, std::int64_t i, Taps& taps) {
  taps.first.push_back(taps.from.size());
  const double x = position(s, i);
  if (s.grid == Grid::kCropAndResize && (x < 0 || x > static_cast<double>(s.in - 1))) return;
  if (s.mode == Resample::kNearest) {
    const double at = std::clamp(nearest(s, x), 0.0, static_cast<double>(s.in - 1));
    taps.from.push_back(static_cast<std::int64_t>(at));
    taps.weight.push_back(1);
    return;
  }
  const double narrow = narrowing(s);
  const auto low = static_cast<std::int64_t>(std::floor(x - reach(s))) + 1;
  const auto high = static_cast<std::int64_t>(std::ceil(x + reach(s))) - 1;
  std::vector<double> weights;
  double sum = 0;
  for (std::int64_t k = low; k <= std::max(low, high); ++k) {
    const bool outside = k < 0 || k >= s.in;
    const double w =
        outside && s.exclude_outside ? 0 : filter(s, (x - static_cast<double>(k)) * narrow);
    weights.push_back(w);
    sum += w;
  }
  for (std::size_t k = 0; k < weights.size(); ++k) {
    if (weights[k] == 0 || sum == 0) continue;
    taps.from.push_back(std::clamp<std::int64_t>(low + static_cast<std::int64_t>(k), 0, s.in - 1));
    taps.weight.push_back(static_cast<float>(weights[k] / sum));
  }
}

const char* refuse(const NodeView& view) {
  if (view.inputs[0].dtype != DType::kF32) return "needs f32";
  return refuse_axis(view, view.inputs[0], 0);
}

Result<std::unique_ptr<Prepared>> prepare(const NodeView& view, const Packed*) {
  const ir::Attrs& attrs = view.node->attrs;
  const auto axis = static_cast<std::size_t>(axis_of(view, view.inputs[0], 0));
  Setup s;
  s.in = view.inputs[0].dims[axis];
  s.out = view.outputs[0].dims[axis];
  s.mode = static_cast<Resample>(attrs.i("mode"));
  s.grid = static_cast<Grid>(attrs.i("grid"));
  s.round = static_cast<NearestRound>(attrs.i("round"));
  s.scale = attrs.has("scale") ? attrs.f("scale")
                               : static_cast<double>(s.out) / static_cast<double>(s.in);
  s.cubic = attrs.f("cubic", -0.75);
  s.roi_begin = attrs.f("roi_begin", 0);
  s.roi_end = attrs.f("roi_end", 1);
  s.exclude_outside = attrs.i("exclude_outside") != 0;
  s.antialias = attrs.i("antialias") != 0;
  // Some 8 in + 4 out where the scale is that of the extents; else it may be without bound.
  const double num_taps = static_cast<double>(s.out) * 2 * reach(s);
  if (num_taps > 16.0 * static_cast<double>(s.in) + 8.0 * static_cast<double>(s.out) + 64)
    return invalid_argument("scale: " + std::to_string(s.scale) + " does not lead from " +
                            std::to_string(s.in) + " steps to " + std::to_string(s.out));
  auto taps = std::make_unique<Taps>();
  for (std::int64_t i = 0; i < s.out; ++i) add_step(s, i, *taps);
  taps->first.push_back(taps->from.size());
  return std::unique_ptr<Prepared>(std::move(taps));
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const auto& taps = static_cast<const Taps&>(*args.prepared);
  const VectorMath& math = vector_math(view.isa);
  const AroundAxis a = around(view.inputs[0], axis_of(view, view.inputs[0], 0));
  const std::int64_t out = static_cast<std::int64_t>(taps.first.size()) - 1;
  const auto outside = static_cast<float>(view.node->attrs.f("outside"));
  const float* x = view.inputs[0].f32();
  split(*args.team, a.outer * out, row_grain(2 * a.inner),
        [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t r = begin; r < end; ++r) {
            const auto i = static_cast<std::size_t>(r % out);
            float* y = view.outputs[0].f32() + r * a.inner;
            const bool none = taps.first[i] == taps.first[i + 1];
            std::fill_n(y, a.inner, none ? outside : 0.0f);
            for (std::size_t k = taps.first[i]; k < taps.first[i + 1]; ++k) {
              const float* from = x + (r / out * a.extent + taps.from[k]) * a.inner;
              if (a.inner == 1)
                *y += taps.weight[k] * *from;
              else if (a.inner > 1)
                math.multiply_add(taps.weight[k], from, y, a.inner);
            }
          }
        });
  return {};
}

}  // namespace

constinit const Kernel kResampleTaps = {
    ir::kOpResample, "cpu/resample_taps", refuse, nullptr, run, nullptr, prepare};

}  // namespace antiphon::cpu
