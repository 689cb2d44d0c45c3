// Activations, composed of the engine's functions; softmax and its kin.
#include <cmath>

#include "engine/import/op.h"
#include "engine/import/ops.h"

namespace antiphon::onnx {
namespace {

// x where positive, else `other`.
ValueRef positive_or(const Op& op, ValueRef x, ValueRef other) {
  return op.where(op.binary(Binary::kGreater, x, 0.0), x, other);
}

// alpha * (exp(x / width) - 1) below zero.
ValueRef exponential(const Op& op, ValueRef x, double alpha, double width) {
  const ValueRef low = op.binary(Binary::kMin, x, 0.0);  // exp of large ones is not formed
  const ValueRef e = op.unary(Unary::kExp, op.binary(Binary::kMul, low, 1 / width));
  return positive_or(op, x, op.binary(Binary::kMul, op.binary(Binary::kSub, e, 1.0), alpha));
}

ValueRef softplus(const Op& op, ValueRef x) {
  // max(x, 0) + log(1 + exp(-|x|))
  const ValueRef e = op.unary(Unary::kExp, op.unary(Unary::kNeg, op.unary(Unary::kAbs, x)));
  const ValueRef tail = op.unary(Unary::kLog, op.binary(Binary::kAdd, e, 1.0));
  return op.binary(Binary::kAdd, op.unary(Unary::kRelu, x), tail);
}

ValueRef hard_sigmoid(const Op& op, ValueRef x, double alpha, double beta) {
  return op.clamp(op.binary(Binary::kAdd, op.binary(Binary::kMul, x, alpha), beta), 0, 1);
}

}  // namespace

void lower_relu(Op& op) {
  const ValueRef x = op.value(0);
  op.set(op.dtype(x) == DType::kF32 ? op.unary(Unary::kRelu, x) : op.binary(Binary::kMax, x, 0.0));
}

ValueRef leaky_relu(Op& op, ValueRef x) {
  return positive_or(op, x, op.binary(Binary::kMul, x, op.attr_f("alpha", 0.01)));
}

void lower_leaky_relu(Op& op) { op.set(leaky_relu(op, op.value(0))); }

void lower_prelu(Op& op) {
  const ValueRef x = op.value(0), slope = op.value(1);
  op.set(positive_or(op, x, op.binary(Binary::kMul, x, slope)));
}

void lower_elu(Op& op) { op.set(exponential(op, op.value(0), op.attr_f("alpha", 1), 1)); }

void lower_selu(Op& op) {
  const double alpha = op.attr_f("alpha", 1.67326319217681884765625);
  const double gamma = op.attr_f("gamma", 1.05070102214813232421875);
  op.set(op.binary(Binary::kMul, exponential(op, op.value(0), alpha, 1), gamma));
}

void lower_celu(Op& op) {
  const double alpha = op.attr_f("alpha", 1);
  op.set(exponential(op, op.value(0), alpha, alpha));
}

void lower_thresholded_relu(Op& op) {
  const ValueRef x = op.value(0);
  const ValueRef above = op.binary(Binary::kGreater, x, op.attr_f("alpha", 1));
  op.set(op.where(above, x, op.number(DType::kF32, 0)));
}

void lower_hard_sigmoid(Op& op) {
  op.set(hard_sigmoid(op, op.value(0), op.attr_f("alpha", 0.2), op.attr_f("beta", 0.5)));
}

void lower_hard_swish(Op& op) { op.set(op.unary(Unary::kHardSwish, op.value(0))); }

void lower_mish(Op& op) {
  const ValueRef x = op.value(0);
  op.set(op.binary(Binary::kMul, x, op.unary(Unary::kTanh, softplus(op, x))));
}

void lower_softplus(Op& op) { op.set(softplus(op, op.value(0))); }

void lower_softsign(Op& op) {
  const ValueRef x = op.value(0);
  op.set(op.binary(Binary::kDiv, x, op.binary(Binary::kAdd, op.unary(Unary::kAbs, x), 1.0)));
}

void lower_swish(Op& op) {
  const ValueRef x = op.value(0);
  const double alpha = op.attr_f("alpha", 1);
  const ValueRef scaled = alpha == 1 ? x : op.binary(Binary::kMul, x, alpha);
  op.set(op.binary(Binary::kMul, x, op.unary(Unary::kSigmoid, scaled)));
}

ValueRef tanh_gelu(Op& op, ValueRef x) {
  const ValueRef cube = op.binary(Binary::kMul, op.binary(Binary::kMul, x, x), x);
  const ValueRef inner =
      op.binary(Binary::kMul, op.binary(Binary::kAdd, x, op.binary(Binary::kMul, cube, 0.044715)),
                std::sqrt(2.0 / 3.14159265358979323846));
  const ValueRef half = op.binary(Binary::kMul, x, 0.5);
  return op.binary(Binary::kMul, half, op.binary(Binary::kAdd, op.unary(Unary::kTanh, inner), 1.0));
}

void lower_gelu(Op& op) {
  const ValueRef x = op.value(0);
  op.set(op.attr_s("approximate", "none") == "tanh" ? tanh_gelu(op, x) : op.unary(Unary::kGelu, x));
}

void lower_shrink(Op& op) {
  const ValueRef x = op.value(0);
  const double bias = op.attr_f("bias", 0), lambd = op.attr_f("lambd", 0.5);
  const ValueRef zero = op.number(op.dtype(x), 0);
  const ValueRef low =
      op.where(op.binary(Binary::kLess, x, -lambd), op.binary(Binary::kAdd, x, bias), zero);
  op.set(op.where(op.binary(Binary::kGreater, x, lambd), op.binary(Binary::kSub, x, bias), low));
}

namespace {

// Before opset 13 the axes from `axis` on were one: x as [before, rest].
template <typename F>
ValueRef on_rows(Op& op, ValueRef x, std::int64_t opset, std::int64_t fallback, F f) {
  const int rank = op.rank(x);
  if (op.failed()) return {};
  const std::int64_t axis =
      rank == 0 ? 0 : op.axis(op.attr_i("axis", opset < 13 ? 1 : fallback), rank);
  if (rank == 0 || opset >= 13 || axis == rank - 1) return f(x, axis);
  Whole before = 1, rest = 1;
  for (int i = 0; i < rank; ++i) {
    Whole& part = i < axis ? before : rest;
    part = part * op.extent(x, i);
  }
  return op.reshape(f(op.reshape(x, {before, rest}), 1), op.extents(x));
}

}  // namespace

ValueRef softmax(Op& op, ValueRef x, std::int64_t opset) {
  const bool logs = op.type() == "LogSoftmax";
  return on_rows(op, x, opset, -1, [&](ValueRef rows, std::int64_t axis) {
    return op.node(logs ? ir::OpKind::kLogSoftmax : ir::OpKind::kSoftmax, {rows}, {{"axis", axis}});
  });
}

void lower_softmax(Op& op) { op.set(softmax(op, op.value(0), op.opset())); }

void lower_hardmax(Op& op) {
  op.set(on_rows(op, op.value(0), op.opset(), -1, [&](ValueRef x, std::int64_t axis) {
    const ValueRef best = op.reduce(Reduce::kArgMax, x, axis, true);
    Wholes dims(static_cast<std::size_t>(op.rank(x)), Whole(1));
    dims[static_cast<std::size_t>(axis)] = op.extent(x, axis);
    std::vector<ValueRef> like;
    const std::string text = "0," + op.extent(x, axis).text(like) + ",1";
    const ValueRef steps = op.node(
        ir::kOpRange, like, {{"extents", text}, {"dtype", static_cast<std::int64_t>(DType::kI32)}});
    const ValueRef same = op.binary(Binary::kEqual, best, op.reshape(steps, dims));
    return op.cast(same, DType::kF32);
  }));
}

}  // namespace antiphon::onnx
