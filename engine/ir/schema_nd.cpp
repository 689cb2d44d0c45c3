// Shape rules of convolution, pooling and resampling over several spatial axes.
#include <cmath>
#include <string>

#include "engine/ir/enum_names.h"
#include "engine/ir/op_enums.h"
#include "engine/ir/schema_rules.h"

namespace antiphon::ir {
namespace {

using Ints = std::vector<std::int64_t>;
constexpr std::int64_t kMaxStep = 1 << 20;

std::vector<ValueType> one(DType dtype, Shape shape) {
  std::vector<ValueType> out;
  out.push_back({dtype, std::move(shape)});
  return out;
}

// The list attribute with `count` numbers in [low, kMaxStep]; all `fallback` when absent.
Result<Ints> list_of(const Node& node, const char* name, std::size_t count, std::int64_t fallback,
                     std::int64_t low) {
  Ints list = node.attrs.ints(name);
  if (list.empty()) list.assign(count, fallback);
  if (list.size() != count)
    return invalid_argument(std::string(name) + ": wanted " + std::to_string(count) +
                            " numbers, got " + std::to_string(list.size()));
  for (const std::int64_t v : list)
    ANTIPHON_RETURN_IF_ERROR(want_range(node, name, v, low, kMaxStep));
  return list;
}

struct Window {
  std::size_t axes = 0;
  Ints strides, dilations, pads;
};

Result<Window> window_of(const Node& node, const ValueType& x) {
  if (x.shape.size() < 3 || x.shape.size() > 5)
    return invalid_argument("x: wanted [B, C] and 1 to 3 spatial axes, got " + shape_text(x.shape));
  Window w;
  w.axes = x.shape.size() - 2;
  ANTIPHON_ASSIGN_OR_RETURN(w.strides, list_of(node, "strides", w.axes, 1, 1));
  ANTIPHON_ASSIGN_OR_RETURN(w.dilations, list_of(node, "dilations", w.axes, 1, 1));
  ANTIPHON_ASSIGN_OR_RETURN(w.pads, list_of(node, "pads", 2 * w.axes, 0, 0));
  return w;
}

Status want_bias(const ValueType* bias, DType dtype, const Dim& rows) {
  if (!bias) return {};
  ANTIPHON_RETURN_IF_ERROR(want_dtype(*bias, "bias", dtype));
  return want_shape(*bias, "bias", {rows});
}

// w: kernel extents of its axes behind the second, static and sane.
Result<Ints> kernel_of(const ValueType& w, std::size_t axes) {
  ANTIPHON_RETURN_IF_ERROR(want_rank(w, "w", axes + 2));
  Ints out;
  for (std::size_t i = 2; i < w.shape.size(); ++i) {
    if (!w.shape[i].is_static() || w.shape[i].extent < 1 || w.shape[i].extent > kMaxStep)
      return invalid_argument("w: window " + shape_text(w.shape));
    out.push_back(w.shape[i].extent);
  }
  return out;
}

// Windows of the padded axis; more than fit with `ceil`.
Result<Dim> windows(const Window& w, std::size_t i, const Dim& x, std::int64_t kernel, bool ceil) {
  const std::int64_t span = (kernel - 1) * w.dilations[i] + 1, stride = w.strides[i];
  const std::int64_t pads = w.pads[i] + w.pads[w.axes + i];
  if (!x.is_static()) return dim_windows(dim_plus(x, pads + (ceil ? stride - 1 : 0)), span, stride);
  const std::int64_t room = x.extent + pads - span;
  if (room < 0)
    return invalid_argument("x: " + dim_text(x) + " steps on spatial axis " + std::to_string(i) +
                            " with " + std::to_string(pads) + " of padding, the window needs " +
                            std::to_string(span));
  std::int64_t count = (room + (ceil ? stride - 1 : 0)) / stride + 1;
  // The last window must begin inside the input or its padding before.
  if (ceil && (count - 1) * stride >= x.extent + w.pads[i]) --count;
  return Dim(count);
}

}  // namespace

Types conv_nd_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "x"));
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 1, "w"));
  const ValueType &x = *in[0], &w = *in[1];
  const DType dtype = x.dtype == DType::kI32 ? DType::kI32 : DType::kF32;
  ANTIPHON_RETURN_IF_ERROR(want_dtype(x, "x", dtype));
  const bool bytes = dtype == DType::kF32 && w.dtype == DType::kI8;
  if (!bytes) ANTIPHON_RETURN_IF_ERROR(want_dtype(w, "w", dtype));
  ANTIPHON_RETURN_IF_ERROR(want_input_quantizer(node, w));
  ANTIPHON_ASSIGN_OR_RETURN(const Window window, window_of(node, x));
  ANTIPHON_ASSIGN_OR_RETURN(const Ints kernel, kernel_of(w, window.axes));
  const std::int64_t groups = node.attrs.i("groups", 1);
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "groups", groups, 1, kMaxStep));
  ANTIPHON_RETURN_IF_ERROR(want_extent(x.shape[1], "channels of x", dim_times(w.shape[1], groups)));
  if (!w.shape[0].is_static() || w.shape[0].extent % groups != 0)
    return invalid_argument("groups: " + std::to_string(groups) + " does not divide the " +
                            dim_text(w.shape[0]) + " channels of w");
  if (bytes != (at(in, 2) != nullptr))
    return invalid_argument(bytes ? "w_scale: absent for i8 weights"
                                  : "w_scale: only of i8 weights");
  if (bytes) {
    ANTIPHON_RETURN_IF_ERROR(want_dtype(*at(in, 2), "w_scale", DType::kF32));
    ANTIPHON_RETURN_IF_ERROR(want_shape(*at(in, 2), "w_scale", {w.shape[0]}));
  }
  Shape out = {x.shape[0], w.shape[0]};
  for (std::size_t i = 0; i < window.axes; ++i) {
    ANTIPHON_ASSIGN_OR_RETURN(Dim dim, windows(window, i, x.shape[i + 2], kernel[i], false));
    out.push_back(std::move(dim));
  }
  ANTIPHON_RETURN_IF_ERROR(want_bias(at(in, 3), dtype, w.shape[0]));
  if (const ValueType* residual = at(in, 4)) {
    ANTIPHON_RETURN_IF_ERROR(want_dtype(*residual, "residual", dtype));
    ANTIPHON_RETURN_IF_ERROR(want_shape(*residual, "residual", out));
  }
  for (const char* act : {"act", "act2"})
    if (node.attrs.has(act))
      ANTIPHON_RETURN_IF_ERROR(want_range(node, act, node.attrs.i(act, -1), 0, kNumUnary - 1));
  return one(dtype, std::move(out));
}

Types conv_transpose_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "x"));
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 1, "w"));
  const ValueType &x = *in[0], &w = *in[1];
  ANTIPHON_RETURN_IF_ERROR(want_dtype(x, "x", DType::kF32));
  ANTIPHON_RETURN_IF_ERROR(want_dtype(w, "w", DType::kF32));
  ANTIPHON_RETURN_IF_ERROR(want_input_quantizer(node, w, DType::kF32));
  ANTIPHON_ASSIGN_OR_RETURN(const Window window, window_of(node, x));
  ANTIPHON_ASSIGN_OR_RETURN(const Ints kernel, kernel_of(w, window.axes));
  ANTIPHON_ASSIGN_OR_RETURN(const Ints more, list_of(node, "output_padding", window.axes, 0, 0));
  const std::int64_t groups = node.attrs.i("groups", 1);
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "groups", groups, 1, kMaxStep));
  ANTIPHON_RETURN_IF_ERROR(want_extent(x.shape[1], "channels of x", w.shape[0]));
  if (!w.shape[0].is_static() || w.shape[0].extent % groups != 0)
    return invalid_argument("groups: " + std::to_string(groups) + " does not divide the " +
                            dim_text(w.shape[0]) + " channels of x");
  Shape out = {x.shape[0], dim_times(w.shape[1], groups)};
  for (std::size_t i = 0; i < window.axes; ++i) {
    const std::int64_t span = (kernel[i] - 1) * window.dilations[i] + 1;
    const std::int64_t change =
        span - window.strides[i] + more[i] - window.pads[i] - window.pads[window.axes + i];
    const Dim scaled = dim_times(x.shape[i + 2], window.strides[i]);
    if (scaled.is_static() && (x.shape[i + 2].extent == 0 || scaled.extent + change < 0))
      return invalid_argument("pads: more than spatial axis " + std::to_string(i) + " has");
    out.push_back(dim_plus(scaled, change));
  }
  ANTIPHON_RETURN_IF_ERROR(want_bias(at(in, 2), DType::kF32, out[1]));
  return one(DType::kF32, std::move(out));
}

Types pool_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "x"));
  const ValueType& x = *in[0];
  const std::int64_t op = node.attrs.i("op", -1);
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "op", op, 0, static_cast<int>(Pool::kLp)));
  const bool bytes = x.dtype == DType::kI8 || x.dtype == DType::kU8;
  if (!(bytes && static_cast<Pool>(op) == Pool::kMax))
    ANTIPHON_RETURN_IF_ERROR(want_dtype(x, "x", DType::kF32));
  ANTIPHON_ASSIGN_OR_RETURN(const Window window, window_of(node, x));
  ANTIPHON_ASSIGN_OR_RETURN(const Ints kernel, list_of(node, "kernel", window.axes, 0, 1));
  for (std::size_t i = 0; i < 2 * window.axes; ++i) {
    const std::int64_t span = (kernel[i % window.axes] - 1) * window.dilations[i % window.axes];
    if (window.pads[i] > span)
      return invalid_argument("pads: " + std::to_string(window.pads[i]) +
                              " is as wide as the window");
  }
  Shape out = {x.shape[0], x.shape[1]};
  for (std::size_t i = 0; i < window.axes; ++i) {
    ANTIPHON_ASSIGN_OR_RETURN(
        Dim dim, windows(window, i, x.shape[i + 2], kernel[i], node.attrs.i("ceil") != 0));
    out.push_back(std::move(dim));
  }
  std::vector<ValueType> types = one(x.dtype, out);
  if (node.outputs.size() == 2) {
    if (static_cast<Pool>(op) != Pool::kMax) return invalid_argument("indices: only of maxima");
    types.push_back({DType::kI64, std::move(out)});
  }
  return types;
}

constexpr double kMostScale = 1 << 20;  // of a resampled axis

Types resample_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "x"));
  ANTIPHON_RETURN_IF_ERROR(want_dtype(*in[0], "x", DType::kF32));
  ANTIPHON_ASSIGN_OR_RETURN(const std::size_t axis, axis_of(node, in[0]->shape.size(), 0));
  ANTIPHON_RETURN_IF_ERROR(
      want_range(node, "mode", node.attrs.i("mode"), 0, static_cast<int>(Resample::kCubic)));
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "grid", node.attrs.i("grid"), 0,
                                      static_cast<int>(Grid::kHalfPixelSymmetric)));
  ANTIPHON_RETURN_IF_ERROR(
      want_range(node, "round", node.attrs.i("round"), 0, static_cast<int>(NearestRound::kCeil)));
  const double scale = node.attrs.f("scale", 1);
  if (!(scale >= 1 / kMostScale && scale <= kMostScale))
    return invalid_argument("scale: is " + std::to_string(scale) + ", wanted 2^-20 to 2^20");
  for (const char* name : {"roi_begin", "roi_end"})
    if (!(std::abs(node.attrs.f(name, 0)) <= kMostScale))
      return invalid_argument(std::string(name) + ": wanted -2^20 to 2^20");
  ANTIPHON_ASSIGN_OR_RETURN(const Shape size, extents_shape(node, in));
  if (size.size() != 1) return invalid_argument("extents: wanted one");
  if (in[0]->shape[axis] == Dim(0)) return invalid_argument("x: the axis is empty");
  Shape out = in[0]->shape;
  out[axis] = size[0];
  return one(DType::kF32, std::move(out));
}

Types grid_sample_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "x"));
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 1, "grid"));
  const Shape &x = in[0]->shape, &grid = in[1]->shape;
  ANTIPHON_RETURN_IF_ERROR(want_dtype(*in[0], "x", DType::kF32));
  ANTIPHON_RETURN_IF_ERROR(want_dtype(*in[1], "grid", DType::kF32));
  if (x.size() < 4 || x.size() > 5)
    return invalid_argument("x: wanted 2 or 3 spatial axes, got " + shape_text(x));
  ANTIPHON_RETURN_IF_ERROR(want_rank(*in[1], "grid", x.size()));
  ANTIPHON_RETURN_IF_ERROR(want_extent(grid[0], "batch of grid", x[0]));
  ANTIPHON_RETURN_IF_ERROR(
      want_extent(grid.back(), "last axis of grid", Dim(static_cast<std::int64_t>(x.size()) - 2)));
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "mode", node.attrs.i("mode"), 0, 2));
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "padding", node.attrs.i("padding"), 0, 2));
  for (std::size_t i = 2; i < x.size(); ++i)
    if (x[i] == Dim(0)) return invalid_argument("x: a spatial axis is empty");
  Shape out = {x[0], x[1]};
  out.insert(out.end(), grid.begin() + 1, grid.end() - 1);
  return one(DType::kF32, std::move(out));
}

}  // namespace antiphon::ir
