// Windows over 1 to 3 spatial axes, seen as three: what convolutions and pools share.
#pragma once

#include <array>
#include <cstdint>

#include "engine/kernels/kernel.h"

namespace antiphon {

struct WindowNd {
  using Axes = std::array<std::int64_t, 3>;
  Axes in{1, 1, 1}, out{1, 1, 1}, kernel{1, 1, 1}, stride{1, 1, 1}, dilation{1, 1, 1};
  Axes before{0, 0, 0};  // padding
  std::int64_t in_elements() const { return in[0] * in[1] * in[2]; }
  std::int64_t out_elements() const { return out[0] * out[1] * out[2]; }
  std::int64_t kernel_elements() const { return kernel[0] * kernel[1] * kernel[2]; }
  // Index in the input of tap `k` of window `o` on `axis`; may be outside.
  std::int64_t at(int axis, std::int64_t o, std::int64_t k) const {
    const auto a = static_cast<std::size_t>(axis);
    return o * stride[a] + k * dilation[a] - before[a];
  }
  bool inside(int axis, std::int64_t i) const {
    return i >= 0 && i < in[static_cast<std::size_t>(axis)];
  }
};

// x, y: [B, C, spatial...]; kernel: its extents. Missing axes come first, with extent 1.
template <typename Kernels>
WindowNd window_nd(const ir::Node& node, const Tensor& x, const Tensor& y, const Kernels& kernel) {
  WindowNd w;
  const auto axes = static_cast<std::size_t>(x.rank - 2);
  const std::size_t skip = 3 - axes;
  const auto strides = node.attrs.ints("strides"), dilations = node.attrs.ints("dilations");
  const auto pads = node.attrs.ints("pads");
  for (std::size_t i = 0; i < axes; ++i) {
    w.in[skip + i] = x.dims[i + 2];
    w.out[skip + i] = y.dims[i + 2];
    w.kernel[skip + i] = kernel[i];
    if (!strides.empty()) w.stride[skip + i] = strides[i];
    if (!dilations.empty()) w.dilation[skip + i] = dilations[i];
    if (!pads.empty()) w.before[skip + i] = pads[i];
  }
  return w;
}

}  // namespace antiphon
