// Short ways to read a node's tensors and attributes.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/kernels/kernel.h"

namespace antiphon {

inline bool has_input(const NodeView& view, std::size_t i) {
  return i < view.inputs.size() && view.inputs[i].rank >= 0;
}
inline const Tensor* input_or_null(const NodeView& view, std::size_t i) {
  return has_input(view, i) ? &view.inputs[i] : nullptr;
}
inline bool same_dims(const Tensor& a, const Tensor& b) {
  return a.rank == b.rank && std::equal(a.dims.begin(), a.dims.begin() + a.rank, b.dims.begin());
}
inline bool all_f32(const NodeView& view) {
  const auto f32 = [](const Tensor& t) { return t.rank < 0 || t.dtype == DType::kF32; };
  return std::all_of(view.inputs.begin(), view.inputs.end(), f32) &&
         std::all_of(view.outputs.begin(), view.outputs.end(), f32);
}

// The "axis" attribute as 0..rank-1.
inline int axis_of(const NodeView& view, const Tensor& x, std::int64_t fallback = -1) {
  const std::int64_t axis = view.node->attrs.i("axis", fallback);
  return static_cast<int>(axis < 0 ? axis + x.rank : axis);
}

// A tensor seen as [outer, extent, inner] around an axis.
struct AroundAxis {
  std::int64_t outer = 1, extent = 1, inner = 1;
};
inline AroundAxis around(const Tensor& x, int axis) {
  AroundAxis a;
  for (int i = 0; i < axis; ++i) a.outer *= x.dims[static_cast<std::size_t>(i)];
  a.extent = x.dims[static_cast<std::size_t>(axis)];
  for (int i = axis + 1; i < x.rank; ++i) a.inner *= x.dims[static_cast<std::size_t>(i)];
  return a;
}
inline const char* refuse_axis(const NodeView& view, const Tensor& x, std::int64_t fallback = -1) {
  const int axis = axis_of(view, x, fallback);
  return axis < 0 || axis >= x.rank ? "axis is outside the tensor" : nullptr;
}

// Bytes of one member's part of a workspace, kept apart by cache lines.
constexpr std::size_t aligned_bytes(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace antiphon
