// The attention operators of ONNX Runtime: projections, biases and past of each; the rest is
// attend()'s.
#include <cstring>

#include "engine/import/attention.h"
#include "engine/import/ops.h"
#include "engine/import/quantized.h"
#include "engine/import/tensors.h"

namespace antiphon::onnx {

using ir::OpKind;

namespace {

struct Columns {
  std::int64_t begin = 0, end = 0;
};

// The outputs of a projection that are q, k and v.
struct Parts {
  Columns of[3];
};

void refuse_attr(Op& op, const char* name) {
  if (op.attr_i(name, 0) != 0) op.unsupported(std::string(name) + ": wanted 0");
}

// By the attribute qkv_hidden_sizes, or thirds.
Parts parts_of(Op& op, const Whole& outputs, std::int64_t heads) {
  const std::optional<std::int64_t> all = outputs.number();
  Dims sizes = op.attr_ints("qkv_hidden_sizes");
  if (sizes.empty() && all && *all % 3 == 0) sizes.assign(3, *all / 3);
  Parts parts;
  std::int64_t begin = 0;
  bool fit = all && sizes.size() == 3 && sizes[0] == sizes[1];
  for (std::size_t i = 0; fit && i < 3; ++i) {
    fit = sizes[i] >= 1 && sizes[i] <= *all && sizes[i] % heads == 0;
    if (fit) parts.of[i] = {begin, begin + sizes[i]};
    begin = parts.of[i].end;
  }
  if (!fit || begin != *all)
    op.invalid(
        "weights (input 1): wanted [I, H + H + V] in numbers, H and V (qkv_hidden_sizes, "
        "else thirds) multiples of num_heads (" +
        std::to_string(heads) + ")");
  return parts;
}

// Columns of a matrix, or elements of a list that has one for each; all else as it is. Constants
// stay constants.
ValueRef part_of(Op& op, ValueRef v, const Columns& at, const Whole& outputs) {
  if (op.failed() || !v.valid()) return v;
  const int rank = op.rank(v);
  if (rank < 1 || !op.extent(v, rank - 1).same(outputs)) return v;
  const ir::ValueInfo* info = op.graph().constant_info(v);
  if (rank != 2 || !info || info->constant.bytes == 0)
    return op.slice(v, rank - 1, at.begin, at.end);
  const std::size_t size = dtype_bytes(info->dtype),
                    rows = static_cast<std::size_t>(info->shape[0].extent);
  const std::size_t row = info->constant.bytes / rows,
                    from = static_cast<std::size_t>(at.begin) * size;
  const std::size_t width = static_cast<std::size_t>(at.end - at.begin) * size;
  const std::shared_ptr<void> memory = aligned_memory(rows * width);
  if (!memory) return v;
  for (std::size_t r = 0; r < rows; ++r)
    std::memcpy(static_cast<char*>(memory.get()) + r * width,
                static_cast<const char*>(info->constant.data) + r * row + from, width);
  return op.graph().constant(info->dtype, {info->shape[0], Dim(at.end - at.begin)},
                             {memory, memory.get(), rows * width});
}

void check_input(Op& op, ValueRef x, ValueRef weights) {
  if (!op.failed() && op.rank(x) != 3)
    op.invalid("input (input 0): wanted [B, S, I], got " + std::to_string(op.rank(x)) + " axes");
  if (!op.failed() && op.rank(weights) != 2)
    op.invalid("weights (input 1): wanted [I, H + H + V], got " + std::to_string(op.rank(weights)) +
               " axes");
}

// x as q, k and v with their part of the bias (invalid: none). Constant weights are three layers
// of one x, which passes join; others are one product that is cut.
template <typename Project>
void project(Op& op, Attention& in, const Parts& parts, const Whole& outputs, ValueRef bias,
             bool constant, Project each) {
  ValueRef whole;
  if (!constant) whole = each(Columns{0, outputs.number().value_or(0)});
  ValueRef* made[] = {&in.q, &in.k, &in.v};
  for (std::size_t i = 0; i < 3 && !op.failed(); ++i) {
    const Columns& at = parts.of[i];
    *made[i] = constant ? each(at) : op.slice(whole, 2, at.begin, at.end);
    if (!bias.valid()) continue;
    *made[i] = op.binary(Binary::kAdd, *made[i], part_of(op, bias, at, outputs));
  }
}

void check_bias(Op& op, ValueRef bias, const Whole& outputs) {
  if (op.failed() || !bias.valid()) return;
  if (op.rank(bias) != 1 || !op.extent(bias, 0).same(outputs))
    op.invalid("bias (input 2): wanted one number for each column of the weights");
}

// The halves of [2, B, heads, P, d].
void read_past(Op& op, Attention& in, std::size_t input) {
  if (op.failed() || !op.has(input)) return;
  const ValueRef past = op.value(input);
  if (op.rank(past) != 5)
    return op.invalid("past (input " + std::to_string(input) +
                      "): wanted [2, B, num_heads, P, d], got " + std::to_string(op.rank(past)) +
                      " axes");
  Wholes dims = op.extents(past);
  dims.erase(dims.begin());
  in.past_k = op.reshape(op.slice(past, 0, 0, 1), dims);
  in.past_v = op.reshape(op.slice(past, 0, 1, 2), dims);
}

// Output, and past with present in one tensor [2, B, heads, T, d].
void set_attended(Op& op, const Attention& in, Element type) {
  if (op.failed()) return;
  const Attended made = attend(op, in);
  op.set(0, made.y, type);
  if (op.failed() || !op.wants_output(1)) return;
  Wholes dims = op.extents(made.k);
  dims.insert(dims.begin(), Whole(1));
  op.set(1, op.concat({op.reshape(made.k, dims), op.reshape(made.v, dims)}, 0), type);
}

}  // namespace

void lower_attention(Op& op) {
  refuse_attr(op, "do_rotary");
  refuse_attr(op, "past_present_share_buffer");
  Attention in;
  in.heads = num_heads(op);
  const ValueRef x = op.value(0), weights = op.value(1), bias = op.value_or_none(2);
  check_input(op, x, weights);
  if (op.failed()) return;
  const Whole outputs = op.extent(weights, 1);
  const Parts parts = parts_of(op, outputs, in.heads);
  check_bias(op, bias, outputs);
  const bool constant = op.graph().constant_info(weights) != nullptr;
  project(op, in, parts, outputs, bias, constant,
          [&](const Columns& at) { return product(op, x, part_of(op, weights, at, outputs)); });
  in.mask = 3;
  read_past(op, in, 4);
  in.bias = 5;
  set_attended(op, in, op.element(0));
}

// Weights are layers on their bytes. The input may be real: join_dynamic_quantization() leaves out
// its rounding to bytes, which is the layers' then.
void lower_qattention(Op& op) {
  refuse_attr(op, "do_rotary");
  refuse_attr(op, "past_present_share_buffer");
  const QuantizedInput bytes{0, 3, 6}, weights{1, 4, 7};
  const bool real = is_real(op.element(0)) && !op.has(3);
  if (!real && !op.failed()) check_quantized(op, bytes);
  if (!op.failed()) check_quantized(op, weights);
  Attention in;
  in.heads = num_heads(op);
  if (op.failed()) return;
  const ValueRef x = real ? op.value(0) : dequantized(op, bytes, 0);
  const QuantizedValues w = quantized_values(op, weights);
  const ValueRef bias = op.value_or_none(2);
  check_input(op, x, w.values);
  if (op.failed()) return;
  const Whole outputs = op.extent(w.values, 1);
  const Parts parts = parts_of(op, outputs, in.heads);
  check_bias(op, bias, outputs);
  const bool constant = op.graph().constant_info(w.values) != nullptr;
  project(op, in, parts, outputs, bias, constant, [&](const Columns& at) {
    const QuantizedValues part{part_of(op, w.values, at, outputs),
                               part_of(op, w.scale, at, outputs), part_of(op, w.zero, at, outputs)};
    const ValueRef y = byte_product(op, x, part, false, real);
    return y.valid() || op.failed() ? y : product(op, x, dequantized(op, part, 1));
  });
  in.mask = 5;
  read_past(op, in, 8);
  set_attended(op, in, Element::kFloat);
}

namespace {

// q, k or v [B, T, H] with its part of the bias, which begins at `begin` and moves it on.
ValueRef with_bias(Op& op, std::size_t input, Whole& begin) {
  ValueRef x = op.value(input);
  if (op.failed() || !op.has(3) || op.rank(x) != 3) return x;
  const Whole end = begin + op.extent(x, 2);
  const ValueRef part = op.slice(op.value(3), 0, begin, end);
  begin = end;
  return op.binary(Binary::kAdd, x, part);
}

void check_multi_head(Op& op) {
  for (const std::size_t i : {8u, 9u})
    if (op.has(i))
      op.unsupported(std::string(i == 8 ? "past_sequence_length" : "cache_indirection") +
                     " (input " + std::to_string(i) +
                     "): a past that shares its memory with the present is not supported");
  if (op.wants_output(3)) op.unsupported("output qk (3) is not supported");
  if (op.failed()) return;
  const ValueRef q = op.value(0);
  const bool packed = op.rank(q) == 5 || !op.has(1) || op.rank(op.value(1)) == 5;
  if (packed || !op.has(2))
    return op.unsupported(
        "packed query, key and value are not supported: wanted [B, S, H] each "
        "(inputs 0 to 2)");
  if (op.rank(q) != 3)
    op.invalid("query (input 0): wanted [B, S, H], got " + std::to_string(op.rank(q)) + " axes");
  if (op.has(6) != op.has(7)) op.invalid("past_key and past_value (6, 7): wanted both or neither");
  if (op.has(3) && op.rank(op.value(3)) != 1) op.invalid("bias (input 3): wanted one axis");
}

}  // namespace

// Keys and values of four axes are by head already, and have no bias.
void lower_multi_head_attention(Op& op) {
  check_multi_head(op);
  Attention in;
  in.heads = num_heads(op);
  if (op.failed()) return;
  Whole begin = 0;
  in.q = with_bias(op, 0, begin);
  in.k = with_bias(op, 1, begin);
  in.v = with_bias(op, 2, begin);
  in.past_k = op.value_or_none(6);
  in.past_v = op.value_or_none(7);
  in.mask = 4;
  in.bias = 5;
  if (op.failed()) return;
  const Attended made = attend(op, in);
  op.set(0, made.y, op.element(0));
  op.set(1, made.k, op.element(0));
  op.set(2, made.v, op.element(0));
}

}  // namespace antiphon::onnx
