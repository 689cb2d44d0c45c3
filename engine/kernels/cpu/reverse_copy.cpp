// The steps of an axis in reverse order.
#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/move_axis.h"

namespace antiphon::cpu {
namespace {

const char* refuse(const NodeView& view) { return refuse_axis(view, view.inputs[0], 0); }

Status run(const NodeView& view, const LaunchArgs& args) {
  const Tensor &x = view.inputs[0], &y = view.outputs[0];
  const AroundAxis a = around(x, axis_of(view, x, 0));
  const std::int64_t block = a.inner * static_cast<std::int64_t>(dtype_bytes(x.dtype));
  split(*args.team, a.outer * a.extent, row_grain(a.inner),
        [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t i = begin; i < end; ++i) {
            const std::int64_t start = i / a.extent * a.extent;
            copy_bytes(writable_bytes_of(y) + i * block,
                       bytes_of(x) + (2 * start + a.extent - 1 - i) * block, block);
          }
        });
  return {};
}

}  // namespace

constinit const Kernel kReverseCopy = {ir::OpKind::kReverse, "cpu/reverse_copy", refuse, nullptr,
                                       run};

}  // namespace antiphon::cpu
