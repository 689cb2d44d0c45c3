// What the kernels of the channels-last convolution share: its numbers, the rows of its product,
// and where its result goes.
#pragma once

#include <algorithm>
#include <memory>

#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/split_epilogue.h"
#include "engine/kernels/cpu/view.h"

namespace antiphon {

// A result [B, H, W, channels] that may stand in the channels [begin, begin + channels) of a wider
// one; `base` gives the others.
struct Placed {
  float* y;  // first written channel of pixel 0
  std::int64_t width;

  float* pixel(std::int64_t p) const { return y + p * width; }
};
inline Placed placed_at(const NodeView& view) {
  const Tensor& y = view.outputs[0];
  return {y.f32() + view.node->attrs.i("y_begin"), y.dims[3]};
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

// x [B, H, W, C] (or [B, C, H, W]: x_first), w [O, C / groups, kh, kw] -> [B, H', W', O].
struct ConvLast {
  std::int64_t batch = 0, in_h = 0, in_w = 0, channels = 0, outputs = 0, group_channels = 0;
  std::int64_t kh = 1, kw = 1, out_h = 0, out_w = 0;
  std::int64_t stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1, top = 0, left = 0;
  std::int64_t groups = 1;
  bool x_first = false;

  std::int64_t pixels() const { return batch * out_h * out_w; }
  std::int64_t depth() const { return kh * kw * group_channels; }
  std::int64_t group_outputs() const { return outputs / groups; }
  bool is_pointwise() const {
    return kh == 1 && kw == 1 && stride_h == 1 && stride_w == 1 && top == 0 && left == 0 &&
           out_h == in_h && out_w == in_w && !x_first;
  }
};

inline ConvLast conv_last(const NodeView& view) {
  const Tensor &x = view.inputs[0], &w = view.inputs[1], &y = view.outputs[0];
  const ir::Attrs& attrs = view.node->attrs;
  ConvLast s;
  s.x_first = attrs.i("x_first") != 0;
  s.batch = x.dims[0];
  s.channels = x.dims[s.x_first ? 1 : 3];
  s.in_h = x.dims[s.x_first ? 2 : 1];
  s.in_w = x.dims[s.x_first ? 3 : 2];
  s.outputs = w.dims[0];
  s.group_channels = w.dims[1];
  s.kh = w.dims[2];
  s.kw = w.dims[3];
  s.out_h = y.dims[1];
  s.out_w = y.dims[2];
  s.groups = attrs.i("groups", 1);
  const auto two = [&](const char* name, std::int64_t& a, std::int64_t& b) {
    const auto list = attrs.ints(name);
    if (list.size() < 2) return;
    a = list[0];
    b = list[1];
  };
  two("strides", s.stride_h, s.stride_w);
  two("dilations", s.dilation_h, s.dilation_w);
  two("pads", s.top, s.left);
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

// For convolutions on bytes: x f32 or u8, y f32, or u8 where the product can make it.
inline const char* refuse_bytes(const NodeView& view) {
  const DType x = view.inputs[0].dtype, y = view.outputs[0].dtype;
  if (x != DType::kF32 && x != DType::kU8) return "needs x in f32 or u8";
  if (y == DType::kU8 && !split_epilogue(view, 0).rest.is_empty())
    return "makes bytes behind bias, relu and residual only";
  return refuse_epilogue(view);
}

}  // namespace antiphon
