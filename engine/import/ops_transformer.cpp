// What ONNX Runtime's transformer optimiser writes around attention: sums with their layer norms,
// embeddings with theirs, and activations with their biases.
#include "engine/import/op.h"
#include "engine/import/ops.h"
#include "engine/import/quantized.h"

namespace antiphon::onnx {

using ir::OpKind;

namespace {

// Fails the node where a statistic for training is wanted.
void refuse_statistics(Op& op) {
  if (op.wants_output(1) || op.wants_output(2))
    op.unsupported("outputs mean and inv_std_var (1, 2) are not supported; they are for training");
}

// input + skip + bias. The bias goes to the side that a product makes, whose layer takes it.
ValueRef skip_sum(Op& op, std::size_t bias) {
  ValueRef x = op.value(0), skip = op.value(1);
  if (op.failed()) return {};
  if (op.has(bias)) {
    const ir::Node* maker = op.graph().maker(skip);
    ValueRef& side = maker && maker->op == OpKind::kLinear ? skip : x;
    side = op.binary(Binary::kAdd, side, op.value(bias));
  }
  return op.binary(Binary::kAdd, x, skip);
}

ValueRef zeros(Op& op, const Whole& width) { return op.expand(op.number(DType::kF32, 0), {width}); }

}  // namespace

void lower_skip_layer_norm(Op& op) {
  refuse_statistics(op);
  const ValueRef sum = skip_sum(op, 4), gamma = op.value(2);
  if (op.failed()) return;
  const ValueRef beta = op.has(3) ? op.value(3) : zeros(op, op.extent(gamma, 0));
  const double epsilon = op.attr_f("epsilon", 1e-12);
  op.set(op.node(OpKind::kLayerNorm, {sum, gamma, beta}, {{"epsilon", epsilon}}));
  op.set(3, sum, op.element(0));
}

void lower_skip_simplified_layer_norm(Op& op) {
  refuse_statistics(op);
  const ValueRef sum = skip_sum(op, 3), gamma = op.value(2);
  if (op.failed()) return;
  if (op.rank(sum) < 1) return op.invalid("input (0): wanted one axis or more");
  op.set(rms_norm(op, sum, gamma, op.rank(sum) - 1, op.attr_f("epsilon", 1e-12)));
  op.set(3, sum, op.element(0));
}

namespace {

// The inputs of a sum of embeddings; tables are values already.
struct Embeddings {
  ValueRef words, positions, segments, gamma, beta;  // segments may be invalid
  std::size_t mask = 7, position_ids = 8;
};

// Rows of `table` by the whole numbers of input `i`.
ValueRef looked_up(Op& op, std::size_t i, ValueRef table) {
  return op.node(OpKind::kEmbedding, {op.cast(op.value(i), DType::kI32), table});
}

// The rows for steps 0, 1, ..., or those that the node names. [B or 1, T, H]
ValueRef position_rows(Op& op, const Embeddings& in, const Whole& steps) {
  if (op.has(in.position_ids)) return looked_up(op, in.position_ids, in.positions);
  const ValueRef rows = op.slice(in.positions, 0, 0, steps);
  return op.reshape(rows, {1, steps, op.extent(in.positions, 1)});
}

// How many steps of each sequence the mask takes, [B] i32; zeros where there is no mask.
ValueRef mask_index(Op& op, std::size_t mask, const Whole& batch) {
  if (!op.has(mask)) return op.expand(op.number(DType::kI32, 0), {batch});
  const ValueRef taken = op.binary(Binary::kEqual, op.value(mask), 1.0);
  return op.reduce(Reduce::kSum, op.cast(taken, DType::kI32), 1, false);
}

void check_tables(Op& op, const Embeddings& in) {
  for (const ValueRef table : {in.words, in.positions, in.segments})
    if (!op.failed() && table.valid() && op.rank(table) != 2)
      op.invalid("embeddings: wanted [rows, width], got " + std::to_string(op.rank(table)) +
                 " axes");
  if (!op.failed() && op.rank(op.value(0)) != 2)
    op.invalid("input_ids (input 0): wanted [B, T], got " + std::to_string(op.rank(op.value(0))) +
               " axes");
  if (!op.failed() && op.has(1) != in.segments.valid())
    op.invalid("segment_ids (input 1) and segment embeddings (input 4): wanted both or neither");
}

void set_embeddings(Op& op, const Embeddings& in, Element type) {
  check_tables(op, in);
  if (op.failed()) return;
  const ValueRef ids = op.value(0);
  const ValueRef words = looked_up(op, 0, in.words);
  const ValueRef positions = position_rows(op, in, op.extent(ids, 1));
  ValueRef sum = op.binary(Binary::kAdd, words, positions);
  if (in.segments.valid()) sum = op.binary(Binary::kAdd, sum, looked_up(op, 1, in.segments));
  const double epsilon = op.attr_f("epsilon", 1e-12);
  const ValueRef y = op.node(OpKind::kLayerNorm, {sum, in.gamma, in.beta}, {{"epsilon", epsilon}});
  op.set(0, y, type);
  if (op.wants_output(1)) op.set(1, mask_index(op, in.mask, op.extent(ids, 0)), Element::kInt32);
  op.set(2, sum, type);
}

}  // namespace

void lower_embed_layer_norm(Op& op) {
  Embeddings in{op.value(2), op.value(3), op.value_or_none(4), op.value(5), op.value(6)};
  set_embeddings(op, in, op.element(2));
}

// Tables stay bytes where they fit without a zero point.
void lower_qembed_layer_norm(Op& op) {
  const auto real = [&](std::size_t i) {  // the scale and zero point of input `i` lie behind all
    const QuantizedInput at{i, i + 6, i + 11};
    if (!op.failed()) check_quantized(op, at);
    return op.failed() ? ValueRef{} : dequantized(op, quantized_values(op, at), 0);
  };
  const ValueRef words = real(2), positions = real(3);
  const ValueRef segments = op.has(4) ? real(4) : ValueRef{};
  Embeddings in{words, positions, segments, real(5), real(6)};
  in.position_ids = op.num_inputs();  // it has none
  if (!op.failed()) set_embeddings(op, in, Element::kFloat);
}

void lower_bias_gelu(Op& op) {
  op.set(op.unary(Unary::kGelu, op.binary(Binary::kAdd, op.value(0), op.value(1))));
}

void lower_fast_gelu(Op& op) {
  ValueRef x = op.value(0);
  if (op.has(1)) x = op.binary(Binary::kAdd, x, op.value(1));
  op.set(tanh_gelu(op, x));
}

void lower_quick_gelu(Op& op) {
  const ValueRef x = op.value(0);
  const ValueRef scaled = op.binary(Binary::kMul, x, op.attr_f("alpha", 1.702));
  op.set(op.binary(Binary::kMul, x, op.unary(Unary::kSigmoid, scaled)));
}

// The left half of the channels by the GELU of the right one.
void lower_bias_split_gelu(Op& op) {
  const ValueRef x = op.binary(Binary::kAdd, op.value(0), op.value(1));
  if (op.failed()) return;
  const std::int64_t last = op.rank(x) - 1;
  const Whole width = op.extent(x, last), half = Whole::combine('/', width, 2);
  if (!(half * 2).same(width)) return op.invalid("X: wanted an even number of channels");
  const ValueRef left = op.slice(x, last, 0, half), right = op.slice(x, last, half, width);
  op.set(op.binary(Binary::kMul, left, op.unary(Unary::kGelu, right)));
}

}  // namespace antiphon::onnx
