// Attention as ONNX Runtime's operators have it, once its projections are made.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/import/op.h"

namespace antiphon::onnx {

constexpr std::size_t kNoInput = static_cast<std::size_t>(-1);  // no node has it

// d = H / heads. Mask and bias are given as the inputs that they are.
struct Attention {
  std::int64_t heads = 1;
  std::int64_t kv_heads = 0;  // of k and v, that groups of heads share; 0: as many as heads
  ValueRef q;                 // [B, S, H]
  ValueRef k, v;            // [B, S', H], [B, S', heads * dv]; or by head, [B, heads, S', d or dv]
  ValueRef past_k, past_v;  // [B, heads, P, d], [B, heads, P, dv] before them; invalid: none
  std::size_t mask = kNoInput;  // which keys count, in one of the forms of ONNX Runtime
  std::size_t bias = kNoInput;  // [B or 1, heads or 1, S, T], added to the scores
  ValueRef hidden;              // [B, 1, S, T] bool: keys that a query does not hear; invalid: none
};

struct Attended {
  ValueRef y;     // [B, S, heads * dv]
  ValueRef k, v;  // by head, [B, heads, T, d or dv]: the past and the new ones, T = P + S'
};

// softmax(scale q k' + mask + bias) v by head, by the attributes num_heads, scale, unidirectional
// and mask_filter_value: what passes make one layer of.
Attended attend(Op& op, const Attention& in);

// x [B, T, heads * d] by head, [B, heads, T, d]; what has four axes is so already. `name` is the
// node's for it.
ValueRef by_head(Op& op, ValueRef x, std::int64_t heads, const char* name);

// `count` numbers from `begin` on as i32 along axis `axis` of four.
ValueRef steps(Op& op, const Whole& begin, const Whole& count, std::size_t axis);

// The attribute num_heads; fails the node where it is not positive.
std::int64_t num_heads(Op& op);

}  // namespace antiphon::onnx
