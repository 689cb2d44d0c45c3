// A range of one axis.
#include <limits>

#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/move_axis.h"

namespace antiphon::cpu {
namespace {

const char* refuse(const NodeView& view) { return refuse_axis(view, view.inputs[0], 0); }

Status run(const NodeView& view, const LaunchArgs& args) {
  const Tensor &x = view.inputs[0], &y = view.outputs[0];
  const int axis = axis_of(view, x, 0);
  const AroundAxis from = around(x, axis), to = around(y, axis);
  const auto element = static_cast<std::int64_t>(dtype_bytes(x.dtype));
  const std::int64_t asked = view.node->attrs.i("begin");
  const std::int64_t begin = asked < 0 ? asked + from.extent : asked;
  copy_blocks(*args.team, from.outer, to.extent * to.inner * element, writable_bytes_of(y),
              to.extent * to.inner * element, bytes_of(x) + begin * from.inner * element,
              from.extent * from.inner * element);
  return {};
}

}  // namespace

constinit const Kernel kSliceCopy = {ir::OpKind::kSlice, "cpu/slice_copy", refuse, nullptr, run};

}  // namespace antiphon::cpu
