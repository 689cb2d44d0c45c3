// Quantisation: explicit Q/DQ pairs, dynamic quantisation, and products of whole numbers.
#include <algorithm>

#include "engine/import/op.h"
#include "engine/import/ops.h"
#include "engine/import/quantized.h"

namespace antiphon::onnx {

using ir::OpKind;

namespace {

std::int64_t axis_of(Op& op, ValueRef x) {
  const int rank = op.rank(x);
  return rank == 0 ? 0 : op.axis(op.attr_i("axis", 1) >= rank ? 0 : op.attr_i("axis", 1), rank);
}

}  // namespace

void lower_quantize(Op& op) {
  const ValueRef x = op.cast(op.value(0), DType::kF32);
  const std::int64_t given = op.attr_i("output_dtype", 0);
  const Element type = op.has(2)    ? op.element(2)
                       : given != 0 ? static_cast<Element>(given)
                                    : Element::kUInt8;
  if (op.failed()) return;
  const ValueRef y = quantized(op, x, {0, 1, 2}, type, axis_of(op, x), op.attr_i("block_size", 0));
  op.set(0, y, type);
}

void lower_dequantize(Op& op) {
  const ValueRef x = op.value(0);
  if (op.failed()) return;
  const QuantizedInput at{0, 1, 2};
  op.set(0, dequantized(op, at, axis_of(op, x), op.attr_i("block_size", 0)), op.element(1));
}

namespace {

// x as whole numbers within a byte, held in f32, with the range of its values and zero.
struct DynamicBytes {
  ValueRef values, scale, zero;
};

DynamicBytes dynamic_bytes(Op& op, ValueRef x) {
  const ValueRef flat = op.reshape(x, {Whole(-1)});
  const ValueRef high = op.binary(Binary::kMax, op.reduce(Reduce::kMax, flat, 0, false), 0.0);
  const ValueRef low = op.binary(Binary::kMin, op.reduce(ir::kReduceMin, flat, 0, false), 0.0);
  const ValueRef scale = op.binary(Binary::kDiv, op.binary(Binary::kSub, high, low), 255.0);
  // A tensor of zeros has no range: any scale will do.
  const ValueRef safe =
      op.where(op.binary(Binary::kGreater, scale, 0.0), scale, op.number(DType::kF32, 1));
  const ValueRef exact = op.unary(Unary::kNeg, op.binary(Binary::kDiv, low, safe));
  const ValueRef zero = op.math(ir::Math::kRound, op.clamp(exact, 0, 255));
  return {quantized_real(op, x, safe, zero, Element::kUInt8), scale, zero};
}

}  // namespace

void lower_dynamic_quantize(Op& op) {
  const DynamicBytes y = dynamic_bytes(op, op.value(0));
  op.set(0, op.cast(y.values, DType::kU8), Element::kUInt8);
  op.set(1, y.scale, Element::kFloat);
  op.set(2, op.cast(y.zero, DType::kU8), Element::kUInt8);
}

namespace {

// a w in f32 as a layer on the weights' bytes; of weights that are not constant as they stand.
ValueRef weighted(Op& op, ValueRef a, const QuantizedInput& w, bool a_bytes) {
  const ValueRef y = byte_product(op, a, quantized_values(op, w), false, a_bytes);
  if (y.valid() || op.failed()) return y;
  return matmul(op, a, dequantized(op, w, op.rank(op.value(w.values)) - 1));
}

void set_biased(Op& op, ValueRef y, std::size_t bias) {
  if (op.has(bias)) y = op.binary(Binary::kAdd, y, op.value(bias));
  op.set(0, y, Element::kFloat);
}

}  // namespace

// Constant weights leave the rounding of a to the layer, which rounds it no more than to bytes.
void lower_dynamic_quantize_matmul(Op& op) {
  const QuantizedInput w{1, 2, 3};
  check_quantized(op, w);
  ValueRef a = op.value(0);
  if (op.failed()) return;
  if (op.dtype(a) != DType::kF32) return op.invalid("a (input 0): wanted real numbers");
  if (!op.graph().constant_info(op.value(1))) {
    const DynamicBytes bytes = dynamic_bytes(op, a);
    a = op.binary(Binary::kMul, op.binary(Binary::kSub, bytes.values, bytes.zero), bytes.scale);
  }
  set_biased(op, weighted(op, a, w, true), 4);
}

void lower_matmul_integer_to_float(Op& op) {
  const QuantizedInput a{0, 2, 4}, w{1, 3, 5};
  check_quantized(op, a);
  if (!op.failed()) check_quantized(op, w);
  if (op.failed()) return;
  set_biased(op, weighted(op, dequantized(op, a, 0), w, false), 6);
}

}  // namespace antiphon::onnx
