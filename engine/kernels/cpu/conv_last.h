// What the kernels of the channels-last convolution share: its numbers, the rows of its product,
// and where its result goes.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>

#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/split_epilogue.h"
#include "engine/kernels/cpu/view.h"

namespace antiphon {

// A result [B, (D,) H, W, channels] that may stand in the channels [begin, begin + channels) of a
// wider one; `base` gives the others.
struct Placed {
  float* y;  // first written channel of pixel 0
  std::int64_t width;

  float* pixel(std::int64_t p) const { return y + p * width; }
};
inline Placed placed_at(const NodeView& view) {
  const Tensor& y = view.outputs[0];
  return {y.f32() + view.node->attrs.i("y_begin"), y.dims[static_cast<std::size_t>(y.rank - 1)]};
}
// The other channels of y, where y does not lie in base's memory.
inline void copy_base(const NodeView& view, std::size_t base_input, Team& team) {
  const Tensor* base = input_or_null(view, base_input);
  if (!base || base->data == view.outputs[0].data) return;
  const auto* from = static_cast<const std::byte*>(base->data);
  auto* to = static_cast<std::byte*>(view.outputs[0].data);
  const auto bytes = static_cast<std::int64_t>(base->bytes());
  split(team, bytes, 262144, [&](std::int64_t begin, std::int64_t end, int) {
    std::copy(from + begin, from + end, to + begin);
  });
}

// x [B, H, W, C] (or [B, C, H, W]: x_first), w [O, C / groups, kh, kw] -> [B, H', W', O]; with a
// third axis, the first of the three, D before H.
struct ConvLast {
  std::int64_t batch = 0, in_h = 0, in_w = 0, channels = 0, outputs = 0, group_channels = 0;
  std::int64_t kh = 1, kw = 1, out_h = 0, out_w = 0;
  std::int64_t stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1, top = 0, left = 0;
  std::int64_t in_d = 1, kd = 1, out_d = 1, stride_d = 1, dilation_d = 1, front = 0;
  std::int64_t groups = 1;
  bool x_first = false;

  std::int64_t planes() const { return batch * out_d; }  // of y
  std::int64_t pixels() const { return planes() * out_h * out_w; }
  std::int64_t depth() const { return kd * kh * kw * group_channels; }
  std::int64_t group_outputs() const { return outputs / groups; }
  bool is_volume() const { return in_d != 1 || out_d != 1 || kd != 1; }
  // The plane of x that tap k along the depth meets for a plane of y; -1: padding.
  std::int64_t plane_at(std::int64_t plane, std::int64_t k) const {
    const std::int64_t d = plane % out_d * stride_d - front + k * dilation_d;
    return d >= 0 && d < in_d ? plane / out_d * in_d + d : -1;
  }
  bool is_pointwise() const {
    return kh == 1 && kw == 1 && stride_h == 1 && stride_w == 1 && top == 0 && left == 0 &&
           out_h == in_h && out_w == in_w && !x_first && !is_volume();
  }
};

// Windows that reach over no plane but their own are those of a larger batch; windows of one pixel
// in each plane are those of an image whose lines are planes.
inline void flatten_depth(ConvLast& s) {
  if (s.x_first) return;
  if (s.kd == 1 && s.stride_d == 1 && s.front == 0 && s.out_d == s.in_d) {
    s.batch *= s.in_d;
    s.in_d = s.out_d = 1;
  } else if (s.kh == 1 && s.kw == 1 && s.stride_h == 1 && s.stride_w == 1 && s.top == 0 &&
             s.left == 0 && s.out_h == s.in_h && s.out_w == s.in_w) {
    s.in_w *= s.in_h;
    s.out_w = s.in_w;
    s.in_h = std::exchange(s.in_d, 1);
    s.out_h = std::exchange(s.out_d, 1);
    s.kh = std::exchange(s.kd, 1);
    s.stride_h = std::exchange(s.stride_d, 1);
    s.dilation_h = std::exchange(s.dilation_d, 1);
    s.top = std::exchange(s.front, 0);
  }
}

inline ConvLast conv_last(const NodeView& view) {
  const Tensor &x = view.inputs[0], &w = view.inputs[1], &y = view.outputs[0];
  const ir::Attrs& attrs = view.node->attrs;
  ConvLast s;
  const auto axes = static_cast<std::size_t>(x.rank - 2);
  s.x_first = attrs.i("x_first") != 0;
  s.batch = x.dims[0];
  s.channels = x.dims[s.x_first ? 1 : axes + 1];
  s.outputs = w.dims[0];
  s.group_channels = w.dims[1];
  s.groups = attrs.i("groups", 1);
  // The last two or three of the three axes.
  const auto three = [&](const auto& list, std::size_t at, std::int64_t& d, std::int64_t& h,
                         std::int64_t& w_axis) {
    if (list.size() < at + axes) return;
    if (axes == 3) d = list[at];
    h = list[at + axes - 2];
    w_axis = list[at + axes - 1];
  };
  three(x.dims, s.x_first ? 2 : 1, s.in_d, s.in_h, s.in_w);
  three(w.dims, 2, s.kd, s.kh, s.kw);
  three(y.dims, 1, s.out_d, s.out_h, s.out_w);
  three(attrs.ints("strides"), 0, s.stride_d, s.stride_h, s.stride_w);
  three(attrs.ints("dilations"), 0, s.dilation_d, s.dilation_h, s.dilation_w);
  three(attrs.ints("pads"), 0, s.front, s.top, s.left);
  flatten_depth(s);
  return s;
}

// The numbers, read once.
struct PreparedConvLast final : Prepared {
  ConvLast shape;
};
inline Result<std::unique_ptr<Prepared>> prepare_conv_last(const NodeView& view, const Packed*) {
  auto prepared = std::make_unique<PreparedConvLast>();
  prepared->shape = conv_last(view);
  return std::unique_ptr<Prepared>(std::move(prepared));
}
inline const ConvLast& prepared_shape(const LaunchArgs& args) {
  return static_cast<const PreparedConvLast&>(*args.prepared).shape;
}

constexpr std::size_t kConvLastBase = 5;

inline bool conv_last_in_place(const NodeView& view) { return has_input(view, kConvLastBase); }

inline const char* refuse_conv_last(const NodeView& view) {
  if (view.inputs[0].dtype != DType::kF32 || view.outputs[0].dtype != DType::kF32)
    return "needs f32";
  if (view.inputs[1].num_elements() == 0) return "needs channels and a window";
  if (!view.inputs[1].is_constant) return "needs constant weights";
  if (view.inputs[1].dtype != DType::kF32) return "needs f32 weights";
  if (view.node->attrs.i("x_exact") != 0) return "does not round its input";
  return refuse_epilogue(view);
}

// x that becomes bytes by numbers that are known or found at run time.
inline const char* refuse_ranges(const NodeView& view) {
  const ir::Attrs& attrs = view.node->attrs;
  if (!attrs.has("x_scale") && attrs.i("x_dynamic") == 0) return "needs ranges";
  const Tensor& w = view.inputs[1];
  constexpr std::int64_t kMostShifted = 32768;  // no sum of bytes with larger weights overflows
  if (attrs.i("w_shift") != 0 &&
      w.num_elements() / std::max<std::int64_t>(1, w.dims[0]) > kMostShifted)
    return "takes at most 32768 shifted weights an output";
  return nullptr;
}

// For convolutions on bytes: x f32 or u8, y f32, or u8 where the product can make it.
inline const char* refuse_bytes(const NodeView& view) {
  const DType x = view.inputs[0].dtype, y = view.outputs[0].dtype;
  if (x != DType::kF32 && x != DType::kU8) return "needs x in f32 or u8";
  if (y == DType::kU8 && !split_epilogue(view, 0).rest.is_empty())
    return "makes bytes behind bias, relu and residual only";
  return refuse_epilogue(view);
}

}  // namespace antiphon
