// Broadcasting to a larger shape, for elements of any type.
#include <algorithm>

#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/broadcast.h"
#include "engine/kernels/cpu/import_kernels.h"
#include "engine/kernels/cpu/split.h"

namespace antiphon::cpu {
namespace {

const char* refuse(const NodeView& view) {
  return view.inputs[0].dtype == view.outputs[0].dtype ? nullptr : "needs equal types";
}

template <typename T>
void expand_as(const NodeView& view, const LaunchArgs& args) {
  const Tensor& y = view.outputs[0];
  const BroadcastRows rows = broadcast_rows(view.inputs.first(1), y);
  const auto* x = static_cast<const T*>(view.inputs[0].data);
  split(*args.team, y.num_elements(), 16384, [&](std::int64_t begin, std::int64_t end, int) {
    for_each_piece(rows, begin, end, end,
                   [&](const std::int64_t* at, std::int64_t first, std::int64_t n) {
                     T* to = static_cast<T*>(y.data) + first;
                     if (rows.row_stride[0] == 0)
                       std::fill_n(to, n, x[at[0]]);
                     else
                       std::copy_n(x + at[0], n, to);
                   });
  });
}

Status run(const NodeView& view, const LaunchArgs& args) {
  if (view.outputs[0].num_elements() == 0) return {};
  switch (dtype_bytes(view.outputs[0].dtype)) {
    case 1: expand_as<std::uint8_t>(view, args); break;
    case 2: expand_as<std::uint16_t>(view, args); break;
    case 4: expand_as<std::uint32_t>(view, args); break;
    default: expand_as<std::uint64_t>(view, args); break;
  }
  return {};
}

}  // namespace

constinit const Kernel kExpandCopy = {ir::kOpExpand, "cpu/expand_copy", refuse, nullptr, run};

}  // namespace antiphon::cpu
