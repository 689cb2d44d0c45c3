// What fuse_attention finds of the operands of its products: q, k and v behind the reshapes,
// transposes, scales and repeats that exporters write.
#pragma once

#include <cstdint>

#include "engine/ir/graph.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {

// The reshape of either kind that makes the value; null: none.
const ir::Node* made_by_reshape(const ir::Graph& graph, const Uses& uses, ir::ValueId id);
// The value behind scalars that it is multiplied with or divided by, which `scale` takes.
ir::ValueId unscaled(const ir::Graph& graph, const Uses& uses, ir::ValueId id, double& scale);
// True: `merged` is [B * heads, M, N] where `apart` is [B, heads, M, N].
bool merges_heads(const Shape& apart, const Shape& merged);

// An operand [B, heads, T, width] of a product. Its heads are groups of as many as `heads` is times
// kv_heads, which are all alike.
struct ByHead {
  Dim batch, steps;
  std::int64_t heads = 0, kv_heads = 0, width = 0;
  ir::ValueId value = ir::kNoValue;  // [B, T, kv_heads * width], or [B, kv_heads, T, width]
};
// What the value is made of, with the scales that are multiplied on the way; it may be with its
// first two axes as one. `turned`: it is [B, heads, width, T].
ByHead by_head(const ir::Graph& graph, const Uses& uses, ir::ValueId id, bool turned,
               double& scale);

}  // namespace antiphon::passes
