// The k largest or smallest along an axis, in order; of equal ones the first comes first.
#include <algorithm>
#include <cmath>

#include "engine/ir/graph.h"
#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/import_kernels.h"
#include "engine/kernels/cpu/scalar_access.h"
#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/view.h"

namespace antiphon::cpu {
namespace {

const char* refuse(const NodeView& view) {
  return view.inputs[0].dtype == DType::kF16 ? "has no f16" : refuse_axis(view, view.inputs[0]);
}

std::size_t order_bytes(const NodeView& view) {
  const Tensor& x = view.inputs[0];
  return aligned_bytes(static_cast<std::size_t>(around(x, axis_of(view, x)).extent) *
                       sizeof(std::int64_t));
}
std::size_t workspace_bytes(const NodeView& view) {
  return order_bytes(view) * static_cast<std::size_t>(view.num_threads);
}

// NaN sorts as the largest, as NumPy does.
template <typename Get>
void sort_row(std::int64_t* order, std::int64_t n, std::int64_t k, bool largest, Get get) {
  for (std::int64_t i = 0; i < n; ++i) order[i] = i;
  std::partial_sort(order, order + k, order + n, [&](std::int64_t a, std::int64_t b) {
    const auto x = get(a), y = get(b);
    if (x < y) return !largest;
    if (y < x) return largest;
    return a < b;
  });
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const Tensor &x = view.inputs[0], &values = view.outputs[0], &positions = view.outputs[1];
  const int axis = axis_of(view, x);
  const AroundAxis a = around(x, axis);
  const std::int64_t k = values.dims[static_cast<std::size_t>(axis)];
  const bool largest = view.node->attrs.i("largest", 1) != 0;
  const std::size_t room = order_bytes(view);
  split(*args.team, a.outer * a.inner, row_grain(a.extent * 16),
        [&](std::int64_t begin, std::int64_t end, int member) {
          auto* order = reinterpret_cast<std::int64_t*>(args.workspace +
                                                        static_cast<std::size_t>(member) * room);
          for (std::int64_t r = begin; r < end; ++r) {
            const std::int64_t outer = r / a.inner, inner = r % a.inner;
            const auto at = [&](std::int64_t i) {
              return (outer * a.extent + i) * a.inner + inner;
            };
            if (x.dtype == DType::kF32)
              sort_row(order, a.extent, k, largest, [&](std::int64_t i) {
                const float v = x.f32()[at(i)];
                return std::pair(std::isnan(v), std::isnan(v) ? 0.0f : v);
              });
            else
              sort_row(order, a.extent, k, largest,
                       [&](std::int64_t i) { return get_integer(x, at(i)); });
            for (std::int64_t i = 0; i < k; ++i) {
              const std::int64_t to = (outer * k + i) * a.inner + inner;
              if (x.dtype == DType::kF32)
                values.f32()[to] = x.f32()[at(order[i])];
              else
                set_integer(values, to, get_integer(x, at(order[i])));
              static_cast<std::int64_t*>(positions.data)[to] = order[i];
            }
          }
        });
  return {};
}

}  // namespace

constinit const Kernel kTopKPlain = {ir::kOpTopK, "cpu/top_k_plain", refuse, workspace_bytes, run};

}  // namespace antiphon::cpu
