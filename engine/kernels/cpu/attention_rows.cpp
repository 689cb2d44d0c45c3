// Attention, one head and one query at a time: softmax(q k^T / sqrt(d) + mask_bias) v.
// q, k, v [B, T, heads * d], or packed qkv [B, T, 3 * heads * d]; mask_bias [B, T of k]. f32.
#include <cmath>

#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/vector_math.h"
#include "engine/kernels/cpu/view.h"

namespace antiphon::cpu {
namespace {

struct Operands {
  const float *q, *k, *v, *mask;
  std::int64_t batch, queries, keys, heads, width;  // width: of one head
  std::int64_t stride;                              // of one step of q, k and v
};

bool is_packed(const NodeView& view) { return view.node->attrs.i("packed") != 0; }

const char* refuse(const NodeView& view) {
  if (!all_f32(view)) return "needs f32";
  if (view.inputs[0].rank != 3) return "needs three axes";
  if (view.node->attrs.i("heads") < 1) return "needs heads >= 1";
  return nullptr;
}

Operands operands_of(const NodeView& view) {
  const Tensor& q = view.inputs[0];
  Operands o{};
  o.heads = view.node->attrs.i("heads", 1);
  o.batch = q.dims[0];
  o.queries = q.dims[1];
  o.stride = q.dims[2];
  o.mask = has_input(view, 3) ? view.inputs[3].f32() : nullptr;
  const bool packed = is_packed(view);
  o.keys = packed ? o.queries : view.inputs[1].dims[1];
  o.width = q.dims[2] / o.heads / (packed ? 3 : 1);
  const std::int64_t all = o.heads * o.width;
  o.q = q.f32();
  o.k = packed ? q.f32() + all : view.inputs[1].f32();
  o.v = packed ? q.f32() + 2 * all : view.inputs[2].f32();
  return o;
}

std::size_t member_bytes(const NodeView& view) {
  return aligned_bytes(static_cast<std::size_t>(operands_of(view).keys) * sizeof(float));
}
std::size_t workspace_bytes(const NodeView& view) {
  return member_bytes(view) * static_cast<std::size_t>(view.num_threads);
}

void attend(const Operands& o, const VectorMath& math, std::int64_t r, float* scores, float* out) {
  const std::int64_t batch = r / o.heads / o.queries, query = r / o.heads % o.queries;
  const std::int64_t head = r % o.heads * o.width;
  const float* q = o.q + (batch * o.queries + query) * o.stride + head;
  const float* k = o.k + batch * o.keys * o.stride + head;
  const float* v = o.v + batch * o.keys * o.stride + head;
  const float scale = 1.0f / std::sqrt(static_cast<float>(o.width));
  for (std::int64_t t = 0; t < o.keys; ++t) {
    scores[t] = scale * math.dot(q, k + t * o.stride, o.width);
    if (o.mask) scores[t] += o.mask[batch * o.keys + t];
  }
  const float sum = math.exp_minus(scores, math.max(scores, o.keys), scores, o.keys);
  float* y = out + r * o.width;
  std::fill_n(y, o.width, 0.0f);
  for (std::int64_t t = 0; t < o.keys; ++t)
    math.multiply_add(scores[t] / sum, v + t * o.stride, y, o.width);
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const Operands o = operands_of(view);
  const VectorMath& math = vector_math(view.isa);
  const std::size_t stride = member_bytes(view);
  split(*args.team, o.batch * o.queries * o.heads, row_grain(2 * o.keys * o.width),
        [&](std::int64_t begin, std::int64_t end, int member) {
          auto* scores =
              reinterpret_cast<float*>(args.workspace + stride * static_cast<std::size_t>(member));
          for (std::int64_t r = begin; r < end; ++r)
            attend(o, math, r, scores, view.outputs[0].f32());
        });
  return {};
}

}  // namespace

constinit const Kernel kAttentionRows = {ir::OpKind::kAttention, "cpu/attention_rows", refuse,
                                         workspace_bytes, run};

}  // namespace antiphon::cpu
