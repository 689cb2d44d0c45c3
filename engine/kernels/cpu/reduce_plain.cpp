// Every reduction along one axis, for f32 (sums in double) and for whole numbers (which wrap).
#include <cmath>

#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/import_kernels.h"
#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/view.h"

namespace antiphon::cpu {
namespace {

Reduce op_of(const NodeView& view) { return static_cast<Reduce>(view.node->attrs.i("op")); }

const char* refuse(const NodeView& view) {
  const DType x = view.inputs[0].dtype;
  if (x != DType::kF32 && x != DType::kI32 && x != DType::kI64) return "needs f32, i32 or i64";
  return refuse_axis(view, view.inputs[0]);
}

template <typename A>
bool is_nan(A value) {
  return value != value;
}

// x: n elements, `step` apart.
template <typename T, typename A>
A reduce(Reduce op, const T* x, std::int64_t n, std::int64_t step) {
  A total = op == ir::kReduceProd ? A{1} : A{0};
  A best = n > 0 ? static_cast<A>(x[0]) : A{0};
  std::int64_t best_at = 0;
  const bool smallest = op == ir::kReduceMin || op == ir::kReduceArgMin;
  for (std::int64_t i = 0; i < n; ++i) {
    const A value = static_cast<A>(x[i * step]);
    total = op == ir::kReduceProd ? total * value : total + value;
    const bool better = smallest ? value < best : best < value;
    if (better || (is_nan(value) && !is_nan(best))) {
      best = value;
      best_at = i;
    }
  }
  if (op == Reduce::kMax || op == ir::kReduceMin) return best;
  if (op == Reduce::kArgMax || op == ir::kReduceArgMin) return static_cast<A>(best_at);
  if (op == Reduce::kMean) return n == 0 ? A{0} : total / static_cast<A>(n);
  return total;
}

// T: element; A: accumulator.
template <typename T, typename A>
void run_as(const NodeView& view, const LaunchArgs& args) {
  const Reduce op = op_of(view);
  const bool index = op == Reduce::kArgMax || op == ir::kReduceArgMin;
  const AroundAxis a = around(view.inputs[0], axis_of(view, view.inputs[0]));
  const auto* x = static_cast<const T*>(view.inputs[0].data);
  const Tensor& y = view.outputs[0];
  split(*args.team, a.outer * a.inner, row_grain(a.extent),
        [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t r = begin; r < end; ++r) {
            const A value = reduce<T, A>(op, x + r / a.inner * a.extent * a.inner + r % a.inner,
                                         a.extent, a.inner);
            if (index)
              static_cast<std::int32_t*>(y.data)[r] = static_cast<std::int32_t>(value);
            else
              static_cast<T*>(y.data)[r] = static_cast<T>(value);
          }
        });
}

Status run(const NodeView& view, const LaunchArgs& args) {
  if (view.outputs[0].num_elements() == 0) return {};
  switch (view.inputs[0].dtype) {
    case DType::kF32: run_as<float, double>(view, args); break;
    case DType::kI32: run_as<std::int32_t, std::int64_t>(view, args); break;
    default: run_as<std::int64_t, std::int64_t>(view, args); break;
  }
  return {};
}

}  // namespace

constinit const Kernel kReducePlain = {ir::OpKind::kReduce, "cpu/reduce_plain", refuse, nullptr,
                                       run};

}  // namespace antiphon::cpu
