// Scatters: x with updates put, added, multiplied or compared in at the places that ids name.
#include <algorithm>

#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/import_kernels.h"
#include "engine/kernels/cpu/index_access.h"
#include "engine/kernels/cpu/move_axis.h"

namespace antiphon::cpu {

using ir::Scatter;

namespace {

Scatter op_of(const NodeView& view) { return static_cast<Scatter>(view.node->attrs.i("op")); }

const char* refuse(const NodeView& view) {
  if (view.inputs[2].dtype != view.inputs[0].dtype) return "needs updates of the type of x";
  if (op_of(view) != Scatter::kReplace && view.inputs[0].dtype == DType::kF16) return "has no f16";
  return refuse_ids(view);
}

template <typename T>
T combine(Scatter op, T a, T b) {
  switch (op) {
    case Scatter::kAdd: return a + b;
    case Scatter::kMul: return a * b;
    case Scatter::kMax: return std::max(a, b);
    case Scatter::kMin: return std::min(a, b);
    case Scatter::kReplace: break;
  }
  return b;
}

// y[to, to + n) takes in updates[from, from + n).
void update(const NodeView& view, Scatter op, std::int64_t to, std::int64_t from, std::int64_t n) {
  const Tensor &y = view.outputs[0], &updates = view.inputs[2];
  const auto element = static_cast<std::int64_t>(dtype_bytes(y.dtype));
  if (op == Scatter::kReplace) {
    copy_bytes(writable_bytes_of(y) + to * element, bytes_of(updates) + from * element,
               n * element);
    return;
  }
  for (std::int64_t i = 0; i < n; ++i) {
    if (y.dtype == DType::kF32) {
      float& value = y.f32()[to + i];
      value = combine(op, value, updates.f32()[from + i]);
    } else {
      set_integer(y, to + i, combine(op, get_integer(y, to + i), get_integer(updates, from + i)));
    }
  }
}

void copy_x(const NodeView& view) {
  const Tensor &x = view.inputs[0], &y = view.outputs[0];
  if (x.data != y.data)
    copy_bytes(writable_bytes_of(y), bytes_of(x), static_cast<std::int64_t>(x.bytes()));
}

Status run_elements(const NodeView& view, const LaunchArgs&) {
  const Tensor &x = view.inputs[0], &ids = view.inputs[1];
  const auto axis = static_cast<std::size_t>(axis_of(view, x, 0));
  copy_x(view);
  for (std::int64_t i = 0; i < ids.num_elements(); ++i) {
    const std::int64_t id = index_at(ids, i, x.dims[axis]);
    if (id < 0) return bad_index(view, ids, i, x.dims[axis]);
    std::int64_t rest = i, at = 0, stride = 1;
    for (auto d = static_cast<std::size_t>(x.rank); d-- > 0;) {
      at += (d == axis ? id : rest % ids.dims[d]) * stride;
      rest /= ids.dims[d];
      stride *= x.dims[d];
    }
    update(view, op_of(view), at, i, 1);
  }
  return {};
}

Status run_nd(const NodeView& view, const LaunchArgs&) {
  const Tensor &x = view.inputs[0], &ids = view.inputs[1];
  const std::int64_t width = ids.dims[static_cast<std::size_t>(ids.rank - 1)];
  std::int64_t block = 1;
  for (auto d = static_cast<std::size_t>(width); d < static_cast<std::size_t>(x.rank); ++d)
    block *= x.dims[d];
  copy_x(view);
  for (std::int64_t t = 0; t < ids.num_elements() / width; ++t) {
    std::int64_t at = 0;
    for (std::int64_t k = 0; k < width; ++k) {
      const std::int64_t extent = x.dims[static_cast<std::size_t>(k)];
      const std::int64_t i = index_at(ids, t * width + k, extent);
      if (i < 0) return bad_index(view, ids, t * width + k, extent);
      at = at * extent + i;
    }
    update(view, op_of(view), at * block, t * block, block);
  }
  return {};
}

bool in_place(const NodeView&) { return true; }

}  // namespace

constinit const Kernel kScatterElementsPlain = {ir::kOpScatterElements,
                                                "cpu/scatter_elements_plain",
                                                refuse,
                                                nullptr,
                                                run_elements,
                                                nullptr,
                                                nullptr,
                                                in_place};
constinit const Kernel kScatterNdPlain = {
    ir::kOpScatterNd, "cpu/scatter_nd_plain", refuse, nullptr, run_nd, nullptr, nullptr, in_place};

}  // namespace antiphon::cpu
