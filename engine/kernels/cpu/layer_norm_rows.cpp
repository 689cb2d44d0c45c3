// Layer norm over the last axis, of x or x + residual: by mean and deviation, in two passes, or by
// the root of the mean of squares. f32; may alias x.
#include <cmath>

#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/vector_math.h"
#include "engine/kernels/cpu/view.h"

namespace antiphon::cpu {
namespace {

const char* refuse(const NodeView& view) {
  if (!all_f32(view)) return "needs f32";
  return view.inputs[0].rank < 1 ? "needs an axis" : nullptr;
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const Tensor& x = view.inputs[0];
  const std::int64_t n = x.dims[static_cast<std::size_t>(x.rank - 1)];
  if (n == 0) return {};
  const float* residual = has_input(view, 3) ? view.inputs[3].f32() : nullptr;
  const auto epsilon = static_cast<float>(view.node->attrs.f("epsilon", 1e-5));
  const bool rms = view.node->attrs.i("rms") != 0;
  const float *gamma = view.inputs[1].f32(), *beta = rms ? nullptr : view.inputs[2].f32();
  const VectorMath& math = vector_math(view.isa);
  const auto width = static_cast<float>(n);
  split(*args.team, x.num_elements() / n, row_grain(4 * n),
        [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t r = begin; r < end; ++r) {
            const float* from = x.f32() + r * n;
            float* y = view.outputs[0].f32() + r * n;
            if (residual) {
              math.binary[static_cast<std::size_t>(Binary::kAdd)](from, residual + r * n, y, n);
              from = y;
            }
            if (rms) {
              const float squares = math.dot(from, from, n) / width;
              math.rescale(from, 1.0f / std::sqrt(squares + epsilon), gamma, y, n);
              continue;
            }
            const float mean = math.sum(from, n) / width;
            const float variance = math.squares_around(from, mean, n) / width;
            math.normalize(from, mean, 1.0f / std::sqrt(variance + epsilon), gamma, beta, y, n);
          }
        });
  return {};
}

bool in_place(const NodeView&) { return true; }

}  // namespace

constinit const Kernel kLayerNormRows = {ir::OpKind::kLayerNorm,
                                         "cpu/layer_norm_rows",
                                         refuse,
                                         nullptr,
                                         run,
                                         nullptr,
                                         nullptr,
                                         in_place};

}  // namespace antiphon::cpu
