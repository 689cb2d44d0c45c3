// Resizing axis by axis, and sampling at the positions of a grid.
#include <algorithm>
#include <cmath>

#include "engine/import/op.h"
#include "engine/import/ops.h"

namespace antiphon::onnx {

using ir::OpKind;

namespace {

template <typename T, std::size_t N>
std::optional<std::int64_t> index_in(const T (&names)[N], const std::string& name) {
  for (std::size_t i = 0; i < N; ++i)
    if (name == names[i]) return static_cast<std::int64_t>(i);
  return std::nullopt;
}

constexpr const char* kModes[] = {"nearest", "linear", "cubic"};
// In the order of ir::Grid.
constexpr const char* kGrids[] = {"half_pixel", "pytorch_half_pixel", "align_corners",
                                  "asymmetric", "tf_crop_and_resize", "half_pixel_symmetric"};
constexpr const char* kRounds[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};

struct Plan {
  Dims axes;
  std::vector<double> scales;  // empty: by sizes
  Wholes sizes;
  std::vector<double> roi;  // begins, then ends
  AttrList attrs;           // the same for every axis
  bool nearest = false;
  bool asymmetric_floor = false;
};

// Nearest neighbours at a whole factor, each repeated: the engine's own operator.
bool is_repeat(const Plan& plan, double scale) {
  return plan.nearest && plan.asymmetric_floor && scale >= 1 && scale == std::floor(scale) &&
         scale < 1 << 16;
}

ValueRef resize_axis(Op& op, ValueRef x, const Plan& plan, std::size_t i) {
  const std::int64_t axis = plan.axes[i];
  const Whole n = op.extent(x, axis);
  AttrList attrs = plan.attrs;
  attrs.emplace_back("axis", axis);
  Whole size = n;
  if (!plan.sizes.empty()) {
    size = plan.sizes[i];
  } else {
    const double scale = plan.scales[i];
    if (scale == 1 && plan.roi.empty()) return x;
    if (is_repeat(plan, scale))
      return op.node(OpKind::kRepeat, {x},
                     {{"axis", axis}, {"times", static_cast<std::int64_t>(scale)}});
    if (!(scale > 0) || scale > 1 << 20) {
      op.invalid("scales: wanted more than 0");
      return x;
    }
    const double reach = plan.roi.empty() ? 1 : plan.roi[plan.axes.size() + i] - plan.roi[i];
    const auto whole = static_cast<std::int64_t>(scale);
    const auto inverse = static_cast<std::int64_t>(std::lround(1 / scale));
    if (n.number())
      size =
          static_cast<std::int64_t>(std::floor(static_cast<double>(*n.number()) * reach * scale));
    else if (scale == static_cast<double>(whole))
      size = n * whole;
    else if (inverse >= 1 && 1 / static_cast<double>(inverse) == scale)
      size = Whole::combine('/', n, inverse);
    else
      op.unsupported("scales: " + std::to_string(scale) + " on an extent that is not fixed");
    attrs.emplace_back("scale", scale);
  }
  if (size.same(n) && plan.roi.empty()) return x;
  if (!plan.roi.empty()) {
    attrs.emplace_back("roi_begin", plan.roi[i]);
    attrs.emplace_back("roi_end", plan.roi[plan.axes.size() + i]);
  }
  std::vector<ValueRef> inputs = {x};
  attrs.emplace_back("extents", size.text(inputs));
  return op.node(ir::kOpResample, inputs, std::move(attrs));
}

bool read_modes(Op& op, Plan& plan, int roi_opset) {
  const auto mode = index_in(kModes, op.attr_s("mode", "nearest"));
  const std::string default_grid = op.opset() < 11 ? "asymmetric" : "half_pixel";
  const auto grid = index_in(kGrids, op.attr_s("coordinate_transformation_mode", default_grid));
  const std::string default_round = op.opset() < 11 ? "floor" : "round_prefer_floor";
  const auto round = index_in(kRounds, op.attr_s("nearest_mode", default_round));
  if (!mode || !grid || !round) {
    op.unsupported("mode '" + op.attr_s("mode", "") + "', coordinate_transformation_mode '" +
                   op.attr_s("coordinate_transformation_mode", "") + "' or nearest_mode '" +
                   op.attr_s("nearest_mode", "") + "' is not supported");
    return false;
  }
  plan.nearest = *mode == 0;
  plan.asymmetric_floor = *grid == 3 && *round == 2;
  plan.attrs = {{"mode", *mode},
                {"grid", *grid},
                {"round", *round},
                {"cubic", op.attr_f("cubic_coeff_a", -0.75)},
                {"exclude_outside", op.attr_i("exclude_outside", 0)},
                {"antialias", op.attr_i("antialias", 0)},
                {"outside", op.attr_f("extrapolation_value", 0)}};
  if (*grid == 4 && op.opset() >= roi_opset) plan.roi = op.reals(1, "roi");
  return true;
}

// One scale for all axes, from the sizes asked for: as much as fits, or as little as covers.
void keep_aspect(Op& op, ValueRef x, Plan& plan) {
  const std::string policy = op.attr_s("keep_aspect_ratio_policy", "stretch");
  if (policy == "stretch") return;
  double scale = 0;
  Dims extents;
  for (std::size_t i = 0; i < plan.axes.size(); ++i) {
    const auto n = op.extent(x, plan.axes[i]).number(), size = plan.sizes[i].number();
    if (!n || !size || *n == 0)
      return op.unsupported("keep_aspect_ratio_policy wants fixed extents");
    const double s = static_cast<double>(*size) / static_cast<double>(*n);
    scale = i == 0 ? s : policy == "not_larger" ? std::min(scale, s) : std::max(scale, s);
    extents.push_back(*n);
  }
  for (std::size_t i = 0; i < plan.axes.size(); ++i)
    plan.sizes[i] =
        static_cast<std::int64_t>(std::floor(scale * static_cast<double>(extents[i]) + 0.5));
  plan.attrs.emplace_back("scale", scale);
}

}  // namespace

void lower_resize(Op& op) {
  ValueRef x = op.value(0);
  Plan plan;
  if (op.failed() || !read_modes(op, plan, 11)) return;
  const bool first = op.opset() < 11;
  const std::size_t scales_at = first ? 1 : 2;
  plan.axes = op.attr_ints("axes");
  if (plan.axes.empty())
    for (int i = 0; i < op.rank(x); ++i) plan.axes.push_back(i);
  for (std::int64_t& axis : plan.axes) axis = op.axis(axis, op.rank(x));
  const Known* scales = op.known(scales_at);
  const bool has_scales = op.has(scales_at) && !(scales && scales->values.empty());
  if (has_scales)
    plan.scales = op.reals(scales_at, "scales");
  else
    plan.sizes = op.wholes(3, "sizes");
  if (op.failed()) return;
  if ((has_scales ? plan.scales.size() : plan.sizes.size()) != plan.axes.size() ||
      (!plan.roi.empty() && plan.roi.size() != 2 * plan.axes.size()))
    return op.invalid("scales, sizes or roi: wanted numbers for " +
                      std::to_string(plan.axes.size()) + " axes");
  if (!has_scales) keep_aspect(op, x, plan);
  for (std::size_t i = 0; i < plan.axes.size() && !op.failed(); ++i)
    x = resize_axis(op, x, plan, i);
  op.set(x);
}

// Resize's elder: asymmetric, floor.
void lower_upsample(Op& op) {
  ValueRef x = op.value(0);
  Plan plan;
  const auto mode = index_in(kModes, op.attr_s("mode", "nearest"));
  if (!mode) return op.unsupported("mode '" + op.attr_s("mode", "") + "' is not supported");
  plan.nearest = *mode == 0;
  plan.asymmetric_floor = true;
  plan.attrs = {{"mode", *mode}, {"grid", std::int64_t{3}}, {"round", std::int64_t{2}}};
  plan.scales = op.opset() < 9 ? op.attr_floats("scales") : op.reals(1, "scales");
  if (op.failed()) return;
  if (static_cast<int>(plan.scales.size()) != op.rank(x))
    return op.invalid("scales: wanted one for each axis");
  for (int i = 0; i < op.rank(x); ++i) plan.axes.push_back(i);
  for (std::size_t i = 0; i < plan.axes.size() && !op.failed(); ++i)
    x = resize_axis(op, x, plan, i);
  op.set(x);
}

void lower_grid_sample(Op& op) {
  const ValueRef x = op.value(0), grid = op.value(1);
  std::string mode = op.attr_s("mode", "linear");
  if (mode == "bilinear") mode = "linear";
  if (mode == "bicubic") mode = "cubic";
  constexpr const char* kPaddings[] = {"zeros", "border", "reflection"};
  const auto chosen = index_in(kModes, mode);
  const auto padding = index_in(kPaddings, op.attr_s("padding_mode", "zeros"));
  if (!chosen || !padding) return op.unsupported("mode '" + mode + "' is not supported");
  op.set(op.node(ir::kOpGridSample, {x, grid},
                 {{"mode", *chosen},
                  {"padding", *padding},
                  {"align_corners", op.attr_i("align_corners", 0)}}));
}

}  // namespace antiphon::onnx
