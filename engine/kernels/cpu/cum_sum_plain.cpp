// Running sums and products along an axis, from either end, with or without the step itself.
#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/import_kernels.h"
#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/view.h"

namespace antiphon::cpu {
namespace {

const char* refuse(const NodeView& view) { return refuse_axis(view, view.inputs[0], 0); }

// T: element, A: accumulator.
template <typename T, typename A>
void run_as(const NodeView& view, const LaunchArgs& args) {
  const ir::Attrs& attrs = view.node->attrs;
  const bool exclusive = attrs.i("exclusive") != 0, reverse = attrs.i("reverse") != 0;
  const bool product = attrs.i("op") == 1;
  const AroundAxis a = around(view.inputs[0], axis_of(view, view.inputs[0], 0));
  const auto* x = static_cast<const T*>(view.inputs[0].data);
  auto* y = static_cast<T*>(view.outputs[0].data);
  split(*args.team, a.outer * a.inner, row_grain(a.extent),
        [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t r = begin; r < end; ++r) {
            A total = product ? A{1} : A{0};
            for (std::int64_t i = 0; i < a.extent; ++i) {
              const std::int64_t step = reverse ? a.extent - 1 - i : i;
              const std::int64_t at = (r / a.inner * a.extent + step) * a.inner + r % a.inner;
              const A value = static_cast<A>(x[at]);
              const A next = product ? total * value : total + value;
              y[at] = static_cast<T>(exclusive ? total : next);
              total = next;
            }
          }
        });
}

Status run(const NodeView& view, const LaunchArgs& args) {
  if (view.outputs[0].num_elements() == 0) return {};
  switch (view.inputs[0].dtype) {
    case DType::kF32: run_as<float, double>(view, args); break;
    case DType::kI32: run_as<std::int32_t, std::uint32_t>(view, args); break;
    default: run_as<std::int64_t, std::uint64_t>(view, args); break;
  }
  return {};
}

}  // namespace

constinit const Kernel kCumSumPlain = {ir::kOpCumSum, "cpu/cum_sum_plain", refuse, nullptr, run};

}  // namespace antiphon::cpu
