// Each step of an axis several times in a row.
#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/move_axis.h"

namespace antiphon::cpu {
namespace {

const char* refuse(const NodeView& view) {
  if (view.node->attrs.i("times", 1) < 1) return "needs times >= 1";
  return refuse_axis(view, view.inputs[0], 0);
}

template <typename T>
void repeat_elements(const Tensor& x, const Tensor& y, std::int64_t times, std::int64_t begin,
                     std::int64_t end) {
  const auto* from = static_cast<const T*>(x.data);
  auto* to = static_cast<T*>(y.data);
  for (std::int64_t i = begin; i < end; ++i)
    for (std::int64_t r = 0; r < times; ++r) to[i * times + r] = from[i];
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const Tensor &x = view.inputs[0], &y = view.outputs[0];
  const AroundAxis a = around(x, axis_of(view, x, 0));
  const std::int64_t times = view.node->attrs.i("times", 1);
  const auto element = static_cast<std::int64_t>(dtype_bytes(x.dtype));
  const std::int64_t steps = a.outer * a.extent, block = a.inner * element;
  split(*args.team, steps, row_grain(a.inner * times),
        [&](std::int64_t begin, std::int64_t end, int) {
          if (a.inner == 1 && element == 4) {
            repeat_elements<std::uint32_t>(x, y, times, begin, end);
            return;
          }
          for (std::int64_t i = begin; i < end; ++i)
            for (std::int64_t r = 0; r < times; ++r)
              copy_bytes(writable_bytes_of(y) + (i * times + r) * block, bytes_of(x) + i * block,
                         block);
        });
  return {};
}

}  // namespace

constinit const Kernel kRepeatCopy = {ir::OpKind::kRepeat, "cpu/repeat_copy", refuse, nullptr, run};

}  // namespace antiphon::cpu
