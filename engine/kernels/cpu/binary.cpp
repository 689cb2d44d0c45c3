// Binary operations with broadcasting: f32 to f32 by vector rows.
#include "engine/kernels/cpu/broadcast.h"
#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/vector_math.h"
#include "engine/kernels/cpu/view.h"

namespace antiphon::cpu {
namespace {

const char* refuse(const NodeView& view) {
  if (!all_f32(view)) return "needs f32 inputs and output";
  const std::int64_t op = view.node->attrs.i("op", -1);
  return op < 0 || op > static_cast<int>(Binary::kOr) ? "unknown operation" : nullptr;
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const auto op = static_cast<std::size_t>(view.node->attrs.i("op"));
  const VectorMath& math = vector_math(view.isa);
  const BroadcastRows rows = broadcast_rows(view.inputs, view.outputs[0]);
  const bool scalar_a = rows.row_stride[0] == 0, scalar_b = rows.row_stride[1] == 0;
  // Both are scalars only when the row has one element: then any of them will do.
  const auto row = scalar_a && rows.row_elements > 1   ? math.binary_left[op]
                   : scalar_b && rows.row_elements > 1 ? math.binary_right[op]
                                                       : math.binary[op];
  const float* a = view.inputs[0].f32();
  const float* b = view.inputs[1].f32();
  float* y = view.outputs[0].f32();
  split(*args.team, view.outputs[0].num_elements(), 8192,
        [&](std::int64_t begin, std::int64_t end, int) {
          for_each_piece(rows, begin, end, end,
                         [&](const std::int64_t* at, std::int64_t first, std::int64_t n) {
                           row(a + at[0], b + at[1], y + first, n);
                         });
        });
  return {};
}

bool in_place(const NodeView& view) { return same_dims(view.inputs[0], view.outputs[0]); }

}  // namespace

constinit const Kernel kBinaryRows = {
    ir::OpKind::kBinary, "cpu/binary_rows", refuse, nullptr, run, nullptr, nullptr, in_place};

}  // namespace antiphon::cpu
