// Parts one after the other along an axis.
#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/move_axis.h"

namespace antiphon::cpu {
namespace {

const char* refuse(const NodeView& view) { return refuse_axis(view, view.outputs[0], 0); }

Status run(const NodeView& view, const LaunchArgs& args) {
  const Tensor& y = view.outputs[0];
  const int axis = axis_of(view, y, 0);
  const AroundAxis to = around(y, axis);
  const auto element = static_cast<std::int64_t>(dtype_bytes(y.dtype));
  std::byte* at = writable_bytes_of(y);
  for (const Tensor& x : view.inputs) {
    if (x.rank < 0) continue;
    const std::int64_t block = around(x, axis).extent * to.inner * element;
    copy_blocks(*args.team, to.outer, block, at, to.extent * to.inner * element, bytes_of(x),
                block);
    at += block;
  }
  return {};
}

}  // namespace

constinit const Kernel kConcatCopy = {ir::OpKind::kConcat, "cpu/concat_copy", refuse, nullptr, run};

}  // namespace antiphon::cpu
