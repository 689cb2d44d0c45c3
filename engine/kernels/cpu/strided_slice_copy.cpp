// Every step-th part of an axis, in either direction, with NumPy's clamping of the ends.
#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/extent_numbers.h"
#include "engine/kernels/cpu/import_kernels.h"
#include "engine/kernels/cpu/move_axis.h"

namespace antiphon::cpu {
namespace {

const char* refuse(const NodeView& view) { return refuse_axis(view, view.inputs[0], 0); }

Status run(const NodeView& view, const LaunchArgs& args) {
  const Tensor &x = view.inputs[0], &y = view.outputs[0];
  const auto& numbers = static_cast<const ExtentNumbers&>(*args.prepared).values;
  const AroundAxis a = around(x, axis_of(view, x, 0));
  const ir::SliceRange range = ir::clamped_slice(a.extent, numbers[0], numbers[1], numbers[2]);
  const std::int64_t block = a.inner * static_cast<std::int64_t>(dtype_bytes(x.dtype));
  if (y.num_elements() == 0) return {};
  split(*args.team, a.outer * range.count, row_grain(block / 4),
        [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t r = begin; r < end; ++r) {
            const std::int64_t from =
                r / range.count * a.extent + range.begin + r % range.count * numbers[2];
            copy_bytes(writable_bytes_of(y) + r * block, bytes_of(x) + from * block, block);
          }
        });
  return {};
}

}  // namespace

constinit const Kernel kStridedSliceCopy = {
    ir::kOpStridedSlice,   "cpu/strided_slice_copy", refuse, nullptr, run, nullptr,
    prepare_extent_numbers};

}  // namespace antiphon::cpu
