// A value before and after an axis.
#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/move_axis.h"
#include "engine/kernels/cpu/scalar_access.h"

namespace antiphon::cpu {
namespace {

const char* refuse(const NodeView& view) {
  if (view.node->attrs.i("before") < 0 || view.node->attrs.i("after") < 0)
    return "needs before and after >= 0";
  if (view.outputs[0].dtype == DType::kF16) return "has no f16";
  return refuse_axis(view, view.inputs[0], 0);
}

void fill(const Tensor& y, std::int64_t begin, std::int64_t count, double value) {
  if (y.dtype == DType::kF32) {
    std::fill(y.f32() + begin, y.f32() + begin + count, static_cast<float>(value));
    return;
  }
  for (std::int64_t i = 0; i < count; ++i) set_real(y, begin + i, value);
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const Tensor &x = view.inputs[0], &y = view.outputs[0];
  const AroundAxis a = around(x, axis_of(view, x, 0));
  const auto element = static_cast<std::int64_t>(dtype_bytes(x.dtype));
  const std::int64_t before = view.node->attrs.i("before") * a.inner;
  const std::int64_t after = view.node->attrs.i("after") * a.inner;
  const std::int64_t middle = a.extent * a.inner, whole = before + middle + after;
  const double value = view.node->attrs.f("value");
  split(*args.team, a.outer, row_grain(whole), [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) {
      fill(y, i * whole, before, value);
      copy_bytes(writable_bytes_of(y) + (i * whole + before) * element,
                 bytes_of(x) + i * middle * element, middle * element);
      fill(y, i * whole + before + middle, after, value);
    }
  });
  return {};
}

}  // namespace

constinit const Kernel kPadCopy = {ir::OpKind::kPad, "cpu/pad_copy", refuse, nullptr, run};

}  // namespace antiphon::cpu
