// Rotary position embeddings, pair by pair: (a, b) to (a cos - b sin, b cos + a sin). f32; may
// alias x where both lie alike.
#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/import_kernels.h"
#include "engine/kernels/cpu/rotary_shape.h"
#include "engine/kernels/cpu/split.h"

namespace antiphon::cpu {
namespace {

Status run(const NodeView& view, const LaunchArgs& args) {
  const RotaryShape s = rotary_shape(view);
  split(*args.team, s.num_rows(), row_grain(2 * s.head_width),
        [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t r = begin; r < end; ++r) turn_rest(s, rotary_row(s, r), 0);
        });
  return {};
}

}  // namespace

constinit const Kernel kRotaryPlain = {.op = ir::kOpRotary,
                                       .name = "cpu/rotary_plain",
                                       .refuse = refuse_rotary,
                                       .workspace_bytes = nullptr,
                                       .run = run,
                                       .in_place = rotary_in_place};

}  // namespace antiphon::cpu
