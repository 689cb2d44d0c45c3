// Type conversion: reals to integers truncate and saturate, integers wrap, bool is != 0.
#include <cstring>

#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/move_axis.h"
#include "engine/kernels/cpu/scalar_access.h"

namespace antiphon::cpu {
namespace {

const char* refuse(const NodeView& view) {
  const DType from = view.inputs[0].dtype, to = view.outputs[0].dtype;
  if (from != to && (from == DType::kF16 || to == DType::kF16)) return "has no f16";
  return nullptr;
}

Status run(const NodeView& view, const LaunchArgs&) {
  const Tensor &x = view.inputs[0], &y = view.outputs[0];
  const std::int64_t n = y.num_elements();
  if (x.dtype == y.dtype) {
    copy_bytes(writable_bytes_of(y), bytes_of(x), static_cast<std::int64_t>(y.bytes()));
  } else if (x.dtype == DType::kF32) {
    for (std::int64_t i = 0; i < n; ++i) set_real(y, i, get_real(x, i));
  } else {
    for (std::int64_t i = 0; i < n; ++i) set_integer(y, i, get_integer(x, i));
  }
  return {};
}

}  // namespace

constinit const Kernel kCastPlain = {ir::OpKind::kCast, "cpu/cast_plain", refuse, nullptr, run};

}  // namespace antiphon::cpu
