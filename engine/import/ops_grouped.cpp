// Attention of ONNX Runtime whose heads of queries share keys and values, with a past of them and
// rotated positions (GroupQueryAttention of domain com.microsoft).
#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "engine/import/attention.h"
#include "engine/import/ops.h"

namespace antiphon::onnx {

using ir::OpKind;

namespace {

constexpr std::size_t kPastKey = 3, kPastValue = 4, kLengths = 5, kTotal = 6, kCos = 7, kSin = 8,
                      kPositions = 9, kBias = 10;
constexpr std::int64_t kMostHeads = 1 << 20, kMostSteps = 1 << 30;  // far above any real one

void refuse_attrs(Op& op) {
  for (const char* name : {"smooth_softmax", "qk_output", "sliding_window_cache"}) {
    const std::int64_t value = op.attr_i(name, 0);
    if (value > 0) op.unsupported(std::string(name) + ": wanted 0, got " + std::to_string(value));
  }
  if (op.attr_f("softcap", 0) != 0) op.unsupported("softcap: wanted 0");
  for (const char* name : {"k_quant_type", "v_quant_type"})
    if (op.attr_s(name, "NONE") != "NONE")
      op.unsupported(std::string(name) + ": wanted NONE, got " + op.attr_s(name, ""));
}

void refuse_inputs(Op& op) {
  const char* names[] = {"head_sink",     "k_scale",       "v_scale",
                         "q_norm_weight", "k_norm_weight", "query_seqlens"};
  for (std::size_t i = 0; i < std::size(names); ++i)
    if (op.has(11 + i))
      op.unsupported(std::string(names[i]) + " (input " + std::to_string(11 + i) +
                     ") is not supported");
  if (op.wants_output(3)) op.unsupported("output qk (3) is not supported");
  if (op.has(1) != op.has(2)) op.invalid("key and value (inputs 1, 2): wanted both or neither");
  if (op.has(kPastKey) != op.has(kPastValue))
    op.invalid("past_key and past_value (inputs 3, 4): wanted both or neither");
  if (op.attr_i("do_rotary", 0) != 0 && !(op.has(kCos) && op.has(kSin)))
    op.invalid("do_rotary: wanted cos_cache and sin_cache (inputs 7, 8)");
}

void want_rank(Op& op, std::size_t input, const char* name, int rank, const char* form) {
  if (op.failed() || !op.has(input)) return;
  if (const int got = op.rank(op.value(input)); got != rank)
    op.invalid(std::string(name) + " (input " + std::to_string(input) + "): wanted " + form +
               ", got " + std::to_string(got) + " axes");
}

void check_ranks(Op& op) {
  want_rank(op, 0, "query", 3, "[B, S, H]");
  want_rank(op, 1, "key", 3, "[B, S, kv_num_heads * d]");
  want_rank(op, 2, "value", 3, "[B, S, kv_num_heads * d]");
  want_rank(op, kPastKey, "past_key", 4, "[B, kv_num_heads, P, d]");
  want_rank(op, kPastValue, "past_value", 4, "[B, kv_num_heads, P, d]");
  want_rank(op, kLengths, "seqlens_k", 1, "[B]");
  want_rank(op, kPositions, "position_ids", 2, "[B, S]");
}

// q, k and v [B, S, heads * d], of their own or cut of one.
struct Projected {
  ValueRef q, k, v;
  std::int64_t heads = 1, kv_heads = 1;
};

Projected projected(Op& op) {
  Projected out;
  out.heads = num_heads(op);
  if (out.heads > kMostHeads)
    op.invalid("num_heads: wanted at most " + std::to_string(kMostHeads) + ", got " +
               std::to_string(out.heads));
  out.kv_heads = op.attr_i("kv_num_heads", 0);
  if (out.kv_heads < 1 || out.heads % out.kv_heads != 0)
    op.invalid("kv_num_heads: wanted a divisor of num_heads (" + std::to_string(out.heads) +
               "), got " + std::to_string(out.kv_heads));
  if (op.failed()) return out;
  out.q = op.value(0);
  const std::int64_t all = op.extent(out.q, 2).number().value_or(0);
  if (op.has(1)) {
    out.k = op.value(1);
    out.v = op.value(2);
    return out;
  }
  const std::int64_t parts = out.heads + 2 * out.kv_heads, d = all / parts;
  if (d < 1 || all % parts != 0) {
    op.invalid("query (input 0): wanted packed [B, S, (num_heads + 2 kv_num_heads) * d], " +
               std::to_string(parts) + " heads in numbers, as key and value are absent");
    return out;
  }
  const std::int64_t k = out.heads * d, v = k + out.kv_heads * d;
  const ValueRef packed = out.q;
  out.q = op.slice(packed, 2, 0, k);
  out.k = op.slice(packed, 2, k, v);
  out.v = op.slice(packed, 2, v, all);
  return out;
}

// Where the sequences of a batch stand, [B, 1, 1, 1] i32 each: tokens with those of this run
// (seqlens_k + 1), and those before it.
struct Standing {
  Whole batch, count, past;  // of this run and the tensors
  Whole keys;  // total_sequence_length where it follows from extents, else past + count
  ValueRef total, before;
  ValueRef at;  // of each query, [B, 1, S, 1]
};

Standing standing_of(Op& op, ValueRef q) {
  Standing s;
  s.batch = op.extent(q, 0);
  s.count = op.extent(q, 1);
  s.past = op.has(kPastKey) ? op.extent(op.value(kPastKey), 2) : Whole(0);
  s.keys = s.past + s.count;
  const std::optional<std::int64_t> both = s.keys.number();
  const Known* total = op.known(kTotal);
  if (total && total->values.size() == 1 && !is_real(total->type)) s.keys = total->values[0].whole;
  if (both && s.keys.number().value_or(*both) != *both) {
    op.unsupported("total_sequence_length (input 6): wanted the past and the new steps, " +
                   std::to_string(*both) +
                   ": a past that shares its memory with the present is not supported");
    return s;
  }
  const ValueRef lengths = op.cast(op.value(kLengths), DType::kI32);
  s.total = op.binary(Binary::kAdd, op.reshape(lengths, {s.batch, 1, 1, 1}), 1.0);
  const ValueRef count = steps(op, s.count, 1, 3);
  s.before = op.binary(Binary::kMax, op.binary(Binary::kSub, s.total, count), 0.0);
  s.at = op.binary(Binary::kAdd, s.before, steps(op, 0, s.count, 2));
  return s;
}

// The value [B, kv_heads, P + S, d], of which a run refuses other lengths than that of the keys.
ValueRef held_to_keys(Op& op, const Standing& s, ValueRef x) {
  if (op.failed() || s.keys.same(s.past + s.count)) return x;
  std::vector<ValueRef> like = {x};
  const std::string extents = "0:0,0:1," + s.keys.text(like) + ",0:3";
  return op.node(ir::kOpReshapeTo, like, {{"extents", extents}});
}

// The past with what is new behind it, [B, kv_heads, T, d]: of a sequence that is shorter than the
// past, behind its own tokens.
ValueRef present_of(Op& op, const Standing& s, std::size_t input, ValueRef made) {
  if (op.failed()) return made;
  if (!op.has(input)) return held_to_keys(op, s, made);
  const ValueRef past = op.value(input), all = op.concat({past, made}, 2);
  if (op.failed() || s.batch.number() == 1 || s.past.number() == 0) return held_to_keys(op, s, all);
  const ValueRef at = steps(op, 0, s.keys, 3), last = steps(op, s.past + s.count - 1, 1, 3);
  const ValueRef skipped = op.binary(Binary::kSub, steps(op, s.past, 1, 3), s.before);
  const ValueRef behind = op.binary(Binary::kMin, op.binary(Binary::kAdd, at, skipped), last);
  const ValueRef rows = op.where(op.binary(Binary::kLess, at, s.before), at, behind);
  const Whole heads = op.extent(all, 1);
  const ValueRef ids =
      op.expand(op.reshape(rows, {s.batch, 1, s.keys, 1}), {s.batch, heads, s.keys, 1});
  return op.node(ir::kOpGatherNd, {all, ids}, {{"batch_dims", std::int64_t{2}}});
}

// Keys behind the query's own step, and those before the last local_window_size up to it; or with
// causal = 0 what lies behind the sequence. [B, 1, S or 1, T] bool
ValueRef hidden_keys(Op& op, const Standing& s) {
  const bool causal = op.attr_i("causal", 1) != 0;
  const std::int64_t window = std::min(op.attr_i("local_window_size", -1), kMostSteps);
  if (!causal && window > 0) {
    op.invalid("local_window_size: wanted -1 where causal is 0");
    return {};
  }
  const ValueRef key = steps(op, 0, s.keys, 3);
  if (!causal) return op.binary(Binary::kGreater, key, op.binary(Binary::kSub, s.total, 1.0));
  const ValueRef later = op.binary(Binary::kGreater, key, s.at);
  if (window <= 0) return later;
  const ValueRef begin = op.binary(Binary::kSub, s.at, static_cast<double>(window - 1));
  return op.binary(Binary::kOr, later, op.binary(Binary::kLess, key, begin));
}

}  // namespace

void lower_group_query_attention(Op& op) {
  refuse_attrs(op);
  refuse_inputs(op);
  check_ranks(op);
  Projected x = projected(op);
  if (op.failed()) return;
  const Standing s = standing_of(op, x.q);
  if (op.attr_i("do_rotary", 0) != 0 && !op.failed()) {
    Rotation by{op.value(kCos), op.value(kSin),
                op.has(kPositions) ? op.value(kPositions) : op.reshape(s.at, {s.batch, s.count})};
    if (!op.failed() && op.rank(by.cos) == 2)
      by.width = (op.extent(by.cos, 1) * 2).number().value_or(0);
    by.interleaved = op.attr_i("rotary_interleaved", 0) != 0;
    by.heads = x.heads;
    by.name = "query (input 0)";
    x.q = rotated(op, x.q, by);
    by.heads = x.kv_heads;
    by.by_head = true;
    by.name = "key (input 1)";
    x.k = rotated(op, x.k, by);
  }
  Attention in;
  in.heads = x.heads;
  in.kv_heads = x.kv_heads;
  in.q = x.q;
  in.k = present_of(op, s, kPastKey, by_head(op, x.k, x.kv_heads, "key (input 1)"));
  in.v = present_of(op, s, kPastValue, by_head(op, x.v, x.kv_heads, "value (input 2)"));
  in.bias = kBias;
  if (!op.failed()) in.hidden = hidden_keys(op, s);
  if (op.failed()) return;
  const Attended made = attend(op, in);
  op.set(0, made.y, op.element(0));
  op.set(1, made.k, op.element(0));
  op.set(2, made.v, op.element(0));
}

}  // namespace antiphon::onnx
