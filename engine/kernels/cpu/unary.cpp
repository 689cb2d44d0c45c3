// Unary operations. f32 by the vector functions; i32 and i64 neg and abs, bool not by plain loops.
#include <cstdlib>

#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/scalar_access.h"
#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/vector_math.h"
#include "engine/kernels/cpu/view.h"

namespace antiphon::cpu {
namespace {

Unary op_of(const NodeView& view) { return static_cast<Unary>(view.node->attrs.i("op")); }

const char* refuse_f32(const NodeView& view) {
  if (!all_f32(view)) return "needs f32";
  const std::int64_t op = view.node->attrs.i("op", -1);
  return op < 0 || op >= ir::kNumUnary ? "unknown operation" : nullptr;
}

Status run_f32(const NodeView& view, const LaunchArgs& args) {
  const auto row = vector_math(view.isa).unary[static_cast<std::size_t>(op_of(view))];
  const float* x = view.inputs[0].f32();
  float* y = view.outputs[0].f32();
  split(*args.team, view.outputs[0].num_elements(), 8192,
        [&](std::int64_t begin, std::int64_t end, int) { row(x + begin, y + begin, end - begin); });
  return {};
}

bool in_place(const NodeView&) { return true; }

const char* refuse_plain(const NodeView& view) {
  const DType dtype = view.inputs[0].dtype;
  if (dtype != view.outputs[0].dtype) return "needs one type";
  if (dtype == DType::kBool && op_of(view) == Unary::kNot) return nullptr;
  const bool whole = dtype == DType::kI32 || dtype == DType::kI64;
  if (whole && (op_of(view) == Unary::kNeg || op_of(view) == Unary::kAbs)) return nullptr;
  return "needs bool (not) or i32, i64 (neg, abs)";
}

Status run_plain(const NodeView& view, const LaunchArgs&) {
  const std::int64_t n = view.outputs[0].num_elements();
  if (view.inputs[0].dtype == DType::kBool) {
    const auto* x = static_cast<const std::uint8_t*>(view.inputs[0].data);
    auto* y = static_cast<std::uint8_t*>(view.outputs[0].data);
    for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] == 0;
    return {};
  }
  const bool absolute = op_of(view) == Unary::kAbs;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t x = get_integer(view.inputs[0], i);
    const bool keep = absolute && x >= 0;
    set_integer(view.outputs[0], i,
                keep ? x : static_cast<std::int64_t>(0u - static_cast<std::uint64_t>(x)));
  }
  return {};
}

}  // namespace

constinit const Kernel kUnaryRows = {
    ir::OpKind::kUnary, "cpu/unary_rows", refuse_f32, nullptr, run_f32, nullptr, nullptr, in_place};
constinit const Kernel kUnaryPlain = {
    ir::OpKind::kUnary, "cpu/unary_plain", refuse_plain, nullptr,
    run_plain,          nullptr,           nullptr,      in_place};

}  // namespace antiphon::cpu
