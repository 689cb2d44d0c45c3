// The upper or lower triangle of matrices; the rest is zero.
#include <algorithm>

#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/import_kernels.h"
#include "engine/kernels/cpu/move_axis.h"

namespace antiphon::cpu {
namespace {

const char* refuse(const NodeView& view) {
  return view.inputs[0].rank < 2 ? "needs two axes" : nullptr;
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const Tensor &x = view.inputs[0], &y = view.outputs[0];
  const auto rank = static_cast<std::size_t>(x.rank);
  const std::int64_t rows = x.dims[rank - 2], columns = x.dims[rank - 1];
  const bool upper = view.node->attrs.i("upper", 1) != 0;
  const std::int64_t k = view.node->attrs.i("k");
  const auto element = static_cast<std::int64_t>(dtype_bytes(x.dtype));
  if (x.num_elements() == 0) return {};
  split(*args.team, x.num_elements() / columns, row_grain(columns),
        [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t r = begin; r < end; ++r) {
            // Upper keeps [edge, columns), lower keeps [0, edge).
            const std::int64_t diagonal = r % rows + k;
            const std::int64_t edge =
                std::clamp<std::int64_t>(upper ? diagonal : diagonal + 1, 0, columns);
            const std::int64_t first = upper ? edge : 0, last = upper ? columns : edge;
            std::byte* to = writable_bytes_of(y) + r * columns * element;
            std::memset(to, 0, static_cast<std::size_t>(columns * element));
            copy_bytes(to + first * element, bytes_of(x) + (r * columns + first) * element,
                       (last - first) * element);
          }
        });
  return {};
}

}  // namespace

constinit const Kernel kTriluCopy = {ir::kOpTrilu, "cpu/trilu_copy", refuse, nullptr, run};

}  // namespace antiphon::cpu
