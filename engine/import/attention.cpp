// Attention composed of products, a mask and a softmax, in the form that fuse_attention knows.
#include "engine/import/attention.h"

#include <cmath>
#include <limits>

#include "engine/import/ops.h"

namespace antiphon::onnx {

using ir::OpKind;

namespace {

// What the scores' extents are.
struct Extents {
  Whole batch, queries, keys, past;
};

// Keys below the ends, and not below the starts where there are any: ends [B], or [2 B] with the
// starts behind them. [B, 1, 1, T] bool
ValueRef within_lengths(Op& op, ValueRef lengths, const Extents& e) {
  const Whole count = op.extent(lengths, 0);
  const bool both = count.same(e.batch * 2);
  if (!both && !count.same(e.batch) && count.is_number() && e.batch.is_number()) {
    op.unsupported("mask of " + std::to_string(*count.number()) + " numbers: wanted " +
                   std::to_string(*e.batch.number()) + " lengths, or as many ends and starts");
    return {};
  }
  const ValueRef at = steps(op, 0, e.keys, 3);
  const Wholes dims = {e.batch, 1, 1, 1};
  const ValueRef all = op.cast(lengths, DType::kI32);
  const ValueRef ends = both ? op.slice(all, 0, 0, e.batch) : all;
  const ValueRef below = op.binary(Binary::kLess, at, op.reshape(ends, dims));
  if (!both) return below;
  const ValueRef starts = op.reshape(op.slice(all, 0, e.batch, count), dims);
  return op.where(op.binary(Binary::kLess, at, starts), op.number(DType::kBool, 0), below);
}

// The node's mask as what is added to the scores: 0 for keys that count. [B, 1, 1 or S, T]
ValueRef mask_bias(Op& op, std::size_t input, const Extents& e) {
  const ValueRef mask = op.value(input);
  if (op.failed()) return {};
  const auto bias = [&](ValueRef counts) {
    const ValueRef other = op.number(DType::kF32, op.attr_f("mask_filter_value", -10000));
    return op.where(counts, op.number(DType::kF32, 0), other);
  };
  const auto taken = [&] {
    return op.dtype(mask) == DType::kBool ? mask : op.binary(Binary::kGreater, mask, 0.0);
  };
  switch (op.rank(mask)) {
    case 1: return bias(within_lengths(op, mask, e));
    case 2: return op.reshape(bias(taken()), {e.batch, 1, 1, e.keys});
    case 3: return op.reshape(bias(taken()), {e.batch, 1, e.queries, e.keys});
    default:
      op.unsupported("mask (input " + std::to_string(input) + ") of " +
                     std::to_string(op.rank(mask)) +
                     " axes: wanted [B], [2 B], [B, T] or [B, S, T]");
      return {};
  }
}

// A bias that is the same for every head once, where it was written once for each.
ValueRef once_for_all(Op& op, ValueRef bias) {
  const ir::Node* join = op.graph().maker(bias);
  if (!join || join->op != OpKind::kConcat || join->attrs.i("axis") != 1) return bias;
  for (const ir::ValueId part : join->inputs)
    if (part != join->inputs[0]) return bias;
  const ValueRef part{op.graph().scope(), join->inputs[0]};
  return op.extent(part, 1).number() == 1 ? part : bias;
}

// Mask, bias and order of steps as one that is added to the scores; invalid: none.
ValueRef added(Op& op, const Attention& in, const Extents& e) {
  ValueRef sum;
  if (op.has(in.mask)) sum = mask_bias(op, in.mask, e);
  if (op.attr_i("unidirectional", 0) != 0 && !op.failed()) {
    const ValueRef at = steps(op, e.past, e.queries, 2);
    const ValueRef later = op.binary(Binary::kGreater, steps(op, 0, e.keys, 3), at);
    const ValueRef none = op.number(DType::kF32, std::numeric_limits<float>::lowest());
    sum = op.where(later, none, sum.valid() ? sum : op.number(DType::kF32, 0));
  }
  if (in.hidden.valid() && !op.failed()) {
    const ValueRef none = op.number(DType::kF32, std::numeric_limits<float>::lowest());
    sum = op.where(in.hidden, none, sum.valid() ? sum : op.number(DType::kF32, 0));
  }
  if (op.has(in.bias) && !op.failed()) {
    const ValueRef bias = once_for_all(op, op.value(in.bias));
    if (op.rank(bias) != 4)
      op.invalid("attention_bias (input " + std::to_string(in.bias) +
                 "): wanted [B or 1, num_heads or 1, S, T], got " + std::to_string(op.rank(bias)) +
                 " axes");
    sum = sum.valid() ? op.binary(Binary::kAdd, sum, bias) : bias;
  }
  return op.failed() ? ValueRef{} : sum;
}

// x [B, kv_heads, T, d] with each head as often as queries share it, [B, heads, T, d].
ValueRef shared_heads(Op& op, ValueRef x, std::int64_t kv_heads, std::int64_t heads) {
  if (op.failed() || kv_heads == heads) return x;
  const Whole batch = op.extent(x, 0), count = op.extent(x, 2), width = op.extent(x, 3);
  const ValueRef one = op.reshape(x, {batch, kv_heads, 1, count, width});
  const std::string extents =
      "0:0," + std::to_string(kv_heads) + "," + std::to_string(heads / kv_heads) + ",0:3,0:4";
  const ValueRef many = op.node(ir::kOpExpand, {one}, {{"extents", extents}});
  return op.reshape(many, {batch, heads, count, width});
}

// q times what `scale` differs from 1 / sqrt(d) by.
ValueRef scaled_query(Op& op, ValueRef q, std::int64_t heads) {
  const double d =
      static_cast<double>(op.extent(q, 2).number().value_or(heads)) / static_cast<double>(heads);
  const double factor = op.attr_f("scale", 0) == 0 ? 1 : op.attr_f("scale", 0) * std::sqrt(d);
  return std::abs(factor - 1) < 1e-6 ? q : op.binary(Binary::kMul, q, factor);
}

}  // namespace

ValueRef steps(Op& op, const Whole& begin, const Whole& count, std::size_t axis) {
  std::vector<ValueRef> like;
  const std::string first = begin.text(like);
  const std::string text = first + "," + count.text(like) + ",1";
  Wholes dims(4, Whole(1));
  dims[axis] = count;
  const ValueRef all = op.node(
      ir::kOpRange, like, {{"extents", text}, {"dtype", static_cast<std::int64_t>(DType::kI32)}});
  return op.reshape(all, dims);
}

ValueRef by_head(Op& op, ValueRef x, std::int64_t heads, const char* name) {
  if (op.failed() || op.rank(x) == 4) return x;
  const std::optional<std::int64_t> width = op.extent(x, 2).number();
  if (op.rank(x) != 3 || !width || *width % heads != 0) {
    op.invalid(std::string(name) + ": wanted [B, T, H] with H a fixed multiple of num_heads (" +
               std::to_string(heads) + ")");
    return x;
  }
  return op.transpose(
      op.reshape(x, {op.extent(x, 0), op.extent(x, 1), heads, Whole(*width / heads)}),
      {0, 2, 1, 3});
}

std::int64_t num_heads(Op& op) {
  const std::int64_t heads = op.attr_i("num_heads", 0);
  if (heads < 1) op.invalid("num_heads: wanted 1 or more, got " + std::to_string(heads));
  return std::max<std::int64_t>(heads, 1);
}

Attended attend(Op& op, const Attention& in) {
  Attended out;
  const ValueRef q = by_head(op, scaled_query(op, in.q, in.heads), in.heads, "query");
  const std::int64_t kv_heads = in.kv_heads == 0 ? in.heads : in.kv_heads;
  out.k = by_head(op, in.k, kv_heads, "key");
  out.v = by_head(op, in.v, kv_heads, "value");
  if (op.failed()) return out;
  Extents e{op.extent(q, 0), op.extent(q, 2), op.extent(out.k, 2), 0};
  if (in.past_k.valid()) {
    e.past = op.extent(in.past_k, 2);
    e.keys = e.past + e.keys;
    out.k = op.concat({in.past_k, out.k}, 2);
    out.v = op.concat({in.past_v, out.v}, 2);
  }
  const double width = static_cast<double>(op.extent(q, 3).number().value_or(1));
  ValueRef scores = op.node(OpKind::kMatMul, {q, shared_heads(op, out.k, kv_heads, in.heads)},
                            {{"transpose_b", std::int64_t{1}}, {"alpha", 1 / std::sqrt(width)}});
  if (const ValueRef sum = added(op, in, e); sum.valid())
    scores = op.binary(Binary::kAdd, scores, sum);
  const ValueRef weights = op.node(OpKind::kSoftmax, {scores}, {{"axis", std::int64_t{3}}});
  const ValueRef values = shared_heads(op, out.v, kv_heads, in.heads);
  const ValueRef heard = op.transpose(op.node(OpKind::kMatMul, {weights, values}), {0, 2, 1, 3});
  if (!op.failed())
    out.y = op.reshape(heard, {e.batch, e.queries, op.extent(heard, 2) * op.extent(heard, 3)});
  return out;
}

}  // namespace antiphon::onnx
