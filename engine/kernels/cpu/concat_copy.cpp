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
  const std::int64_t row = to.extent * to.inner * element;
  // All parts of a member's rows: where rows were made by the same division, it has them.
  split(*args.team, to.outer, row_grain(row / 4), [&](std::int64_t begin, std::int64_t end, int) {
    std::byte* at = writable_bytes_of(y) + begin * row;
    for (const Tensor& x : view.inputs) {
      if (x.rank < 0) continue;
      const std::int64_t block = around(x, axis).extent * to.inner * element;
      const std::byte* from = bytes_of(x) + begin * block;
      for (std::int64_t i = 0; i < end - begin; ++i)
        copy_bytes(at + i * row, from + i * block, block);
      at += block;
    }
  });
  return {};
}

}  // namespace

constinit const Kernel kConcatCopy = {ir::OpKind::kConcat, "cpu/concat_copy", refuse, nullptr, run};

}  // namespace antiphon::cpu
