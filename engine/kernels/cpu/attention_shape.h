// The operands of attention: q, k, v [B, T, heads * d], or packed qkv [B, T, 3 * heads * d];
// mask_bias [B, T of k] or [B, T of q, T of k].
#pragma once

#include "engine/kernels/cpu/view.h"

namespace antiphon {

struct AttentionShape {
  const float *q, *k, *v, *mask;                    // mask may be null
  std::int64_t batch, queries, keys, heads, width;  // width: of one head
  std::int64_t stride;                              // of one step of q, k and v
  bool mask_by_query, masked_rows;                  // masked_rows: zeros where all keys are at -inf

  const float* mask_row(std::int64_t b, std::int64_t t) const {
    return mask + (mask_by_query ? b * queries + t : b) * keys;
  }

  const float* query(std::int64_t b, std::int64_t t, std::int64_t head) const {
    return q + (b * queries + t) * stride + head * width;
  }
  const float* key(std::int64_t b, std::int64_t t, std::int64_t head) const {
    return k + (b * keys + t) * stride + head * width;
  }
  const float* value(std::int64_t b, std::int64_t t, std::int64_t head) const {
    return v + (b * keys + t) * stride + head * width;
  }
};

inline const char* refuse_attention(const NodeView& view) {
  if (!all_f32(view)) return "needs f32";
  if (view.inputs[0].rank != 3) return "needs three axes";
  if (view.node->attrs.i("heads") < 1) return "needs heads >= 1";
  return nullptr;
}

inline AttentionShape attention_shape(const NodeView& view) {
  const Tensor& q = view.inputs[0];
  AttentionShape s{};
  s.heads = view.node->attrs.i("heads", 1);
  s.batch = q.dims[0];
  s.queries = q.dims[1];
  s.stride = q.dims[2];
  s.mask = has_input(view, 3) ? view.inputs[3].f32() : nullptr;
  s.mask_by_query = s.mask && view.inputs[3].rank == 3;
  s.masked_rows = view.node->attrs.i("masked_rows") != 0;
  const bool packed = view.node->attrs.i("packed") != 0;
  s.keys = packed ? s.queries : view.inputs[1].dims[1];
  s.width = q.dims[2] / s.heads / (packed ? 3 : 1);
  const std::int64_t all = s.heads * s.width;
  s.q = q.f32();
  s.k = packed ? q.f32() + all : view.inputs[1].f32();
  s.v = packed ? q.f32() + 2 * all : view.inputs[2].f32();
  return s;
}

}  // namespace antiphon
