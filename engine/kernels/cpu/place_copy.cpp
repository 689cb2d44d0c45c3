// x as a part of a wider tensor: its last axis goes to channels [y_begin, y_begin + C).
#include <algorithm>
#include <cstddef>
#include <cstring>

#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/conv_last.h"
#include "engine/kernels/cpu/import_kernels.h"

namespace antiphon::cpu {
namespace {

constexpr std::size_t kBase = 1;

const char* refuse(const NodeView& view) {
  const DType x = view.inputs[0].dtype;
  return x == DType::kF32 || x == DType::kU8 ? nullptr : "needs f32 or u8";
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const Tensor &x = view.inputs[0], &y = view.outputs[0];
  copy_base(view, kBase, *args.team);
  if (x.num_elements() == 0) return {};
  const std::int64_t own = x.dims[static_cast<std::size_t>(x.rank - 1)];
  const std::int64_t width = y.dims[static_cast<std::size_t>(y.rank - 1)];
  const auto element = static_cast<std::int64_t>(dtype_bytes(x.dtype));
  const auto* from = static_cast<const std::byte*>(x.data);
  auto* to = static_cast<std::byte*>(y.data) + view.node->attrs.i("y_begin") * element;
  split(*args.team, x.num_elements() / own, row_grain(own),
        [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t r = begin; r < end; ++r)
            std::memcpy(to + r * width * element, from + r * own * element,
                        static_cast<std::size_t>(own * element));
        });
  return {};
}

bool in_place(const NodeView& view) { return has_input(view, kBase); }

}  // namespace

constinit const Kernel kPlaceCopy = {.op = ir::kOpPlace,
                                     .name = "cpu/place_copy",
                                     .refuse = refuse,
                                     .workspace_bytes = nullptr,
                                     .run = run,
                                     .in_place = in_place,
                                     .in_place_input = kBase};

}  // namespace antiphon::cpu
