// Sum, mean, max and the index of the first maximum along one axis. f32; sums in f32.
#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/vector_math.h"
#include "engine/kernels/cpu/view.h"

namespace antiphon::cpu {
namespace {

Reduce op_of(const NodeView& view) { return static_cast<Reduce>(view.node->attrs.i("op")); }

const char* refuse(const NodeView& view) {
  if (view.inputs[0].dtype != DType::kF32) return "needs f32";
  if (op_of(view) > Reduce::kArgMax) return "does sum, mean, max and arg_max";
  const DType wanted = op_of(view) == Reduce::kArgMax ? DType::kI32 : DType::kF32;
  if (view.outputs[0].dtype != wanted) return "gives i32 for arg_max, f32 otherwise";
  return refuse_axis(view, view.inputs[0]);
}

std::int32_t index_of_max(const float* x, std::int64_t n, std::int64_t step) {
  std::int64_t best = 0;
  for (std::int64_t i = 1; i < n; ++i)
    if (x[i * step] > x[best * step]) best = i;
  return static_cast<std::int32_t>(best);
}

// One block [extent, inner] to [inner], inner > 1: row by row, so that reads stay in order.
void reduce_block(const VectorMath& math, Reduce op, const float* x, const AroundAxis& a,
                  float* y) {
  if (op == Reduce::kMax) {
    std::copy_n(x, a.inner, y);
    for (std::int64_t i = 1; i < a.extent; ++i)
      math.binary[static_cast<std::size_t>(Binary::kMax)](y, x + i * a.inner, y, a.inner);
    return;
  }
  std::fill_n(y, a.inner, 0.0f);
  for (std::int64_t i = 0; i < a.extent; ++i)
    math.binary[static_cast<std::size_t>(Binary::kAdd)](y, x + i * a.inner, y, a.inner);
  const float count = static_cast<float>(a.extent);
  if (op == Reduce::kMean)
    math.binary_right[static_cast<std::size_t>(Binary::kDiv)](y, &count, y, a.inner);
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const Reduce op = op_of(view);
  const VectorMath& math = vector_math(view.isa);
  const AroundAxis a = around(view.inputs[0], axis_of(view, view.inputs[0]));
  const float* x = view.inputs[0].f32();
  const Tensor& y = view.outputs[0];
  const std::int64_t block = a.extent * a.inner;
  split(*args.team, a.outer, row_grain(block), [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t o = begin; o < end; ++o) {
      const float* from = x + o * block;
      if (op == Reduce::kArgMax) {
        auto* out = static_cast<std::int32_t*>(y.data) + o * a.inner;
        for (std::int64_t i = 0; i < a.inner; ++i)
          out[i] = index_of_max(from + i, a.extent, a.inner);
      } else if (a.inner > 1) {
        reduce_block(math, op, from, a, y.f32() + o * a.inner);
      } else if (a.inner == 1) {
        const float sum = op == Reduce::kMax ? math.max(from, a.extent) : math.sum(from, a.extent);
        y.f32()[o] = op == Reduce::kMean ? sum / static_cast<float>(a.extent) : sum;
      }
    }
  });
  return {};
}

}  // namespace

constinit const Kernel kReduceRows = {ir::OpKind::kReduce, "cpu/reduce_rows", refuse, nullptr, run};

}  // namespace antiphon::cpu
