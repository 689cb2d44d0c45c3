// What fuse_attention finds of masks: those in the sum before a softmax, made one operand.
#pragma once

#include <vector>

#include "engine/ir/graph.h"
#include "engine/passes/attention_operands.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {

struct Mask {
  ir::ValueId value = ir::kNoValue;
  bool merged = false;  // [B * heads, T of q, T of k], of which the last two may be 1
};

// What broadcasts to scores [B, heads, T of q, T of k] without making them larger, or to scores
// whose first axes are one. Of extents that are not known, or have two names (the length of a mask,
// and a past's with one step), the attention's shape rule finds out when they are.
bool is_mask(const ir::Graph& graph, ir::ValueId id, ir::ValueId scores);
// Both broadcast to one mask: their axes of queries and keys do not say otherwise.
bool masks_agree(const ir::Graph& graph, ir::ValueId a, ir::ValueId b);
// All masks as the one that attention reads, [B, keys] or with four axes; kNoValue: there is none.
ir::ValueId mask_operand(ir::Graph& graph, const Uses& uses, int& index,
                         const std::vector<Mask>& masks, const ByHead& q);

}  // namespace antiphon::passes
