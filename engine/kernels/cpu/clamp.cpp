// Clamp to [low, high]; NaN stays.
#include <limits>

#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/vector_math.h"
#include "engine/kernels/cpu/view.h"

namespace antiphon::cpu {
namespace {

const char* refuse(const NodeView& view) { return all_f32(view) ? nullptr : "needs f32"; }

Status run(const NodeView& view, const LaunchArgs& args) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  const auto low = static_cast<float>(view.node->attrs.f("low", -kInf));
  const auto high = static_cast<float>(view.node->attrs.f("high", kInf));
  const VectorMath& math = vector_math(view.isa);
  const float* x = view.inputs[0].f32();
  float* y = view.outputs[0].f32();
  split(*args.team, view.outputs[0].num_elements(), 16384,
        [&](std::int64_t begin, std::int64_t end, int) {
          math.clamp(x + begin, low, high, y + begin, end - begin);
        });
  return {};
}

bool in_place(const NodeView&) { return true; }

}  // namespace

constinit const Kernel kClampRows = {
    ir::OpKind::kClamp, "cpu/clamp_rows", refuse, nullptr, run, nullptr, nullptr, in_place};

}  // namespace antiphon::cpu
