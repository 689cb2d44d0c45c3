// The operands of attention: q, k and v [B, T, heads * d] or by head, [B, heads, T, d], v of
// another width than k where it likes, both of them with fewer heads, kv_heads, that groups of
// those of q share; or packed qkv [B, T, 3 * heads * d]; mask_bias [B, T of k], [B, T of q, T of
// k], or [B, heads, T of q, T of k] of which any axis may be 1.
#pragma once

#include <cmath>

#include "engine/kernels/cpu/view.h"

namespace antiphon {

// Where the parts of q, k, v or a mask lie, in elements.
struct AttentionOperand {
  const float* data = nullptr;  // null: absent
  std::int64_t batch = 0, head = 0, step = 0;

  const float* at(std::int64_t b, std::int64_t h, std::int64_t t) const {
    return data + b * batch + h * head + t * step;
  }
};

struct AttentionShape {
  AttentionOperand q, k, v, mask;
  std::int64_t batch, queries, keys, heads, width;  // width: of one head of q and k
  std::int64_t share;                               // heads of q that read one of k and v
  std::int64_t value_width;
  std::int64_t mask_step;  // of one key: 0 where a mask has one number for all of them
  float scale;
  bool masked_rows;  // zeros where all keys are at -inf
};

inline const char* refuse_attention(const NodeView& view) {
  if (!all_f32(view)) return "needs f32";
  if (view.inputs[0].rank != 3 && view.inputs[0].rank != 4) return "needs three or four axes";
  if (view.node->attrs.i("heads") < 1) return "needs heads >= 1";
  return nullptr;
}

// `part` of `parts` that lie in the last axis; or by head.
inline AttentionOperand attention_operand(const Tensor& x, std::int64_t heads, std::int64_t parts,
                                          std::int64_t part) {
  const float* data = x.f32();
  if (x.rank == 4)
    return {data, x.dims[1] * x.dims[2] * x.dims[3], x.dims[2] * x.dims[3], x.dims[3]};
  const std::int64_t all = x.dims[2] / parts;
  // Only shapes may be known yet.
  return {data ? data + part * all : data, x.dims[1] * x.dims[2], all / heads, x.dims[2]};
}

inline AttentionOperand attention_mask(const Tensor& mask, std::int64_t& step) {
  std::array<std::int64_t, 4> strides{}, dims = {mask.dims[0], 1, 1, mask.dims[1]};
  if (mask.rank == 3) dims = {mask.dims[0], 1, mask.dims[1], mask.dims[2]};
  if (mask.rank == 4) std::copy_n(mask.dims.begin(), 4, dims.begin());
  std::int64_t stride = 1;
  for (std::size_t i = 4; i-- > 0;) {
    strides[i] = dims[i] == 1 ? 0 : stride;
    stride *= dims[i];
  }
  step = strides[3];
  return {mask.f32(), strides[0], strides[1], strides[2]};
}

inline AttentionShape attention_shape(const NodeView& view) {
  const Tensor& q = view.inputs[0];
  AttentionShape s{};
  s.heads = view.node->attrs.i("heads", 1);
  s.batch = q.dims[0];
  s.queries = q.dims[q.rank == 4 ? 2 : 1];
  s.masked_rows = view.node->attrs.i("masked_rows") != 0;
  const bool packed = view.node->attrs.i("packed") != 0;
  const std::int64_t parts = packed ? 3 : 1, kv_heads = view.node->attrs.i("kv_heads", s.heads);
  s.share = s.heads / kv_heads;
  const Tensor &k = packed ? q : view.inputs[1], &v = packed ? q : view.inputs[2];
  s.keys = k.dims[k.rank == 4 ? 2 : 1];
  s.width = q.rank == 4 ? q.dims[3] : q.dims[2] / s.heads / parts;
  s.value_width = v.rank == 4 ? v.dims[3] : v.dims[2] / kv_heads / parts;
  s.scale = static_cast<float>(
      view.node->attrs.f("scale", 1.0 / std::sqrt(static_cast<double>(s.width))));
  s.q = attention_operand(q, s.heads, parts, 0);
  s.k = attention_operand(k, kv_heads, parts, packed ? 1 : 0);
  s.v = attention_operand(v, kv_heads, parts, packed ? 2 : 0);
  if (has_input(view, 3)) s.mask = attention_mask(view.inputs[3], s.mask_step);
  return s;
}

}  // namespace antiphon
