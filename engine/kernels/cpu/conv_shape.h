// The numbers of a 1-D convolution: x [B, C, T], w [O, C / groups, k] -> y [B, O, T'].
#pragma once

#include "engine/kernels/cpu/view.h"

namespace antiphon {

struct ConvShape {
  std::int64_t batch, channels, steps, outputs, group_channels, taps, out_steps;
  std::int64_t stride, dilation, groups, pad_left;

  std::int64_t group_outputs() const { return outputs / groups; }
};

inline ConvShape conv_shape(const NodeView& view) {
  const Tensor &x = view.inputs[0], &w = view.inputs[1], &y = view.outputs[0];
  const ir::Attrs& attrs = view.node->attrs;
  return {.batch = x.dims[0],
          .channels = x.dims[1],
          .steps = x.dims[2],
          .outputs = w.dims[0],
          .group_channels = w.dims[1],
          .taps = w.dims[2],
          .out_steps = y.dims[2],
          .stride = attrs.i("stride", 1),
          .dilation = attrs.i("dilation", 1),
          .groups = attrs.i("groups", 1),
          .pad_left = attrs.i("pad_left")};
}

}  // namespace antiphon
