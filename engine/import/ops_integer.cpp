// Products of whole numbers, and of numbers that are rounded to bytes on the way.
#include "engine/import/op.h"
#include "engine/import/ops.h"
#include "engine/import/quantized.h"

namespace antiphon::onnx {

using ir::OpKind;

DType exact_type(const Whole& terms) {
  constexpr std::int64_t kMostTerms = (1 << 24) / (255 * 255);
  const std::optional<std::int64_t> count = terms.number();
  return count && *count <= kMostTerms ? DType::kF32 : DType::kI32;
}

ValueRef byte_product(Op& op, ValueRef a, const QuantizedValues& w, bool turned, bool a_bytes) {
  if (op.failed() || op.rank(w.values) != 2 || op.rank(a) < 1) return {};
  const std::optional<ByteWeights> weights = byte_weights(op, w, turned ? 0 : 1);
  if (!weights) return {};
  const ValueRef y = product(op, a, weights->scaled, turned, 1, a_bytes);
  if (!weights->shifts.valid()) return y;
  // A shift adds its part of the sum of a's row to each output.
  const ValueRef sums = op.reduce(Reduce::kSum, a, op.rank(a) - 1, true);
  return op.binary(Binary::kAdd, y, op.binary(Binary::kMul, sums, weights->shifts));
}

void lower_matmul_integer(Op& op) {
  const ValueRef left = op.value(0);
  if (op.failed() || op.rank(left) < 1) return op.invalid("a: wanted one axis or more");
  const DType dtype = exact_type(op.extent(left, op.rank(left) - 1));
  const auto centred = [&](std::size_t i, std::size_t zero, bool row) {
    ValueRef x = op.cast(op.value(i), dtype);
    if (!op.has(zero)) return x;
    ValueRef z = op.cast(op.value(zero), dtype);
    if (row && op.rank(z) == 1) z = op.reshape(z, {op.extent(z, 0), Whole(1)});  // one a row of a
    return op.binary(Binary::kSub, x, z);
  };
  const ValueRef a = centred(0, 2, true), b = centred(1, 3, false);
  op.set(0, op.cast(matmul(op, a, b), DType::kI32), Element::kInt32);
}

void lower_conv_integer(Op& op) {
  const auto centred = [&](std::size_t i, std::size_t zero) {
    const ValueRef x = op.cast(op.value(i), DType::kI32);
    if (!op.has(zero)) return x;
    return op.binary(Binary::kSub, x, beside(op, op.cast(op.value(zero), DType::kI32), x, 0));
  };
  const ValueRef x = centred(0, 2), w = centred(1, 3);
  op.set(0, convolution(op, x, w, {}), Element::kInt32);
}

// x in real numbers, constant bytes of weights, their scale, their zero point.
void lower_dynamic_conv(Op& op) {
  const QuantizedInput w{1, 2, 3};
  check_quantized(op, w);
  const ValueRef x = op.value(0);
  if (op.failed()) return;
  if (op.dtype(x) != DType::kF32) return op.invalid("x (input 0): wanted real numbers");
  op.set(convolution(op, x, filters(op, quantized_values(op, w)), {}, true));
}

}  // namespace antiphon::onnx
