// Attention, one head and one query at a time: softmax(scale q k^T + mask_bias) v. f32.
#include <cmath>

#include "engine/kernels/cpu/attention_shape.h"
#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/vector_math.h"

namespace antiphon::cpu {
namespace {

std::size_t member_bytes(const NodeView& view) {
  return aligned_bytes(static_cast<std::size_t>(attention_shape(view).keys) * sizeof(float));
}
std::size_t workspace_bytes(const NodeView& view) {
  return member_bytes(view) * static_cast<std::size_t>(view.num_threads);
}

void attend(const AttentionShape& o, const VectorMath& math, std::int64_t r, float* scores,
            float* out) {
  const std::int64_t batch = r / o.heads / o.queries, query = r / o.heads % o.queries;
  const std::int64_t head = r % o.heads;
  const float* q = o.q.at(batch, head, query);
  const float *k = o.k.at(batch, head / o.share, 0), *v = o.v.at(batch, head / o.share, 0);
  const float* mask = o.mask.data ? o.mask.at(batch, head, query) : nullptr;
  for (std::int64_t t = 0; t < o.keys; ++t) {
    scores[t] = o.scale * math.dot(q, k + t * o.k.step, o.width);
    if (mask) scores[t] += mask[t * o.mask_step];
  }
  const float peak = math.max(scores, o.keys);
  float* y = out + r * o.value_width;
  std::fill_n(y, o.value_width, 0.0f);
  if (o.masked_rows && std::isinf(peak) && peak < 0) return;
  const float sum = math.exp_minus(scores, peak, scores, o.keys);
  for (std::int64_t t = 0; t < o.keys; ++t)
    math.multiply_add(scores[t] / sum, v + t * o.v.step, y, o.value_width);
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const AttentionShape o = attention_shape(view);
  const VectorMath& math = vector_math(view.isa);
  const std::size_t stride = member_bytes(view);
  split(*args.team, o.batch * o.queries * o.heads, row_grain(o.keys * (o.width + o.value_width)),
        [&](std::int64_t begin, std::int64_t end, int member) {
          auto* scores =
              reinterpret_cast<float*>(args.workspace + stride * static_cast<std::size_t>(member));
          for (std::int64_t r = begin; r < end; ++r)
            attend(o, math, r, scores, view.outputs[0].f32());
        });
  return {};
}

}  // namespace

constinit const Kernel kAttentionRows = {ir::OpKind::kAttention, "cpu/attention_rows",
                                         refuse_attention, workspace_bytes, run};

}  // namespace antiphon::cpu
