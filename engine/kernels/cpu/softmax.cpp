// Softmax and log-softmax along any axis. f32, sums in f32, may alias. Strided rows are gathered
// first.
#include <cmath>

#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/vector_math.h"
#include "engine/kernels/cpu/view.h"

namespace antiphon::cpu {
namespace {

const char* refuse(const NodeView& view) {
  if (!all_f32(view)) return "needs f32";
  return refuse_axis(view, view.inputs[0]);
}

void softmax_row(const VectorMath& math, const float* x, float* y, std::int64_t n, float*) {
  const float sum = math.exp_minus(x, math.max(x, n), y, n);
  math.binary_right[static_cast<std::size_t>(Binary::kDiv)](y, &sum, y, n);
}

// x - peak - log(sum of exp): exponentials go to `scratch`, x is needed again.
void log_softmax_row(const VectorMath& math, const float* x, float* y, std::int64_t n,
                     float* scratch) {
  const float peak = math.max(x, n);
  const float shift = peak + std::log(math.exp_minus(x, peak, scratch, n));
  math.binary_right[static_cast<std::size_t>(Binary::kSub)](x, &shift, y, n);
}

using RowFunction = void (*)(const VectorMath&, const float*, float*, std::int64_t, float*);

// Two rows of scratch a member: one gathered, one for exponentials.
std::size_t member_bytes(const NodeView& view) {
  const AroundAxis a = around(view.inputs[0], axis_of(view, view.inputs[0]));
  return aligned_bytes(2 * static_cast<std::size_t>(a.extent) * sizeof(float));
}
std::size_t workspace_bytes(const NodeView& view) {
  return member_bytes(view) * static_cast<std::size_t>(view.num_threads);
}

Status run_rows(const NodeView& view, const LaunchArgs& args, RowFunction row) {
  const AroundAxis a = around(view.inputs[0], axis_of(view, view.inputs[0]));
  if (a.extent == 0) return {};
  const VectorMath& math = vector_math(view.isa);
  const float* x = view.inputs[0].f32();
  float* y = view.outputs[0].f32();
  const std::size_t stride = member_bytes(view);
  split(*args.team, a.outer * a.inner, row_grain(4 * a.extent),
        [&](std::int64_t begin, std::int64_t end, int member) {
          auto* gathered =
              reinterpret_cast<float*>(args.workspace + stride * static_cast<std::size_t>(member));
          float* scratch = gathered + a.extent;
          for (std::int64_t r = begin; r < end; ++r) {
            if (a.inner == 1) {
              row(math, x + r * a.extent, y + r * a.extent, a.extent, scratch);
              continue;
            }
            const std::int64_t at = r / a.inner * a.extent * a.inner + r % a.inner;
            for (std::int64_t i = 0; i < a.extent; ++i) gathered[i] = x[at + i * a.inner];
            row(math, gathered, gathered, a.extent, scratch);
            for (std::int64_t i = 0; i < a.extent; ++i) y[at + i * a.inner] = gathered[i];
          }
        });
  return {};
}

Status run_softmax(const NodeView& view, const LaunchArgs& args) {
  return run_rows(view, args, softmax_row);
}
Status run_log_softmax(const NodeView& view, const LaunchArgs& args) {
  return run_rows(view, args, log_softmax_row);
}

bool in_place(const NodeView&) { return true; }

}  // namespace

constinit const Kernel kSoftmaxRows = {ir::OpKind::kSoftmax,
                                       "cpu/softmax_rows",
                                       refuse,
                                       workspace_bytes,
                                       run_softmax,
                                       nullptr,
                                       nullptr,
                                       in_place};
constinit const Kernel kLogSoftmaxRows = {ir::OpKind::kLogSoftmax,
                                          "cpu/log_softmax_rows",
                                          refuse,
                                          workspace_bytes,
                                          run_log_softmax,
                                          nullptr,
                                          nullptr,
                                          in_place};

}  // namespace antiphon::cpu
