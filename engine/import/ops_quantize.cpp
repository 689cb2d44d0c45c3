// Quantisation: explicit Q/DQ pairs, dynamic quantisation, and products of quantised values.
#include <algorithm>

#include "engine/import/op.h"
#include "engine/import/ops.h"

namespace antiphon::onnx {

using ir::OpKind;

namespace {

struct Range {
  double low = 0, high = 255;
};

std::optional<Range> range_of(Element type) {
  switch (type) {
    case Element::kUInt8: return Range{0, 255};
    case Element::kInt8: return Range{-128, 127};
    case Element::kUInt16: return Range{0, 65535};
    case Element::kInt16: return Range{-32768, 32767};
    case Element::kUInt4: return Range{0, 15};
    case Element::kInt4: return Range{-8, 7};
    case Element::kUInt2: return Range{0, 3};
    case Element::kInt2: return Range{-2, 1};
    default: return std::nullopt;
  }
}

// A scale or zero point beside x: as it is, along `axis`, or each for a block of it.
ValueRef beside(Op& op, ValueRef v, ValueRef x, std::int64_t axis, std::int64_t block) {
  const int rank = op.rank(v);
  if (rank == 0) return v;
  if (block > 0) {
    Wholes split = op.extents(v), wide;
    const Wholes target = op.extents(x);
    const auto at = static_cast<std::ptrdiff_t>(axis);
    split.insert(split.begin() + at + 1, Whole(1));
    wide = split;
    wide[static_cast<std::size_t>(at) + 1] = block;
    Wholes merged = op.extents(v);
    merged[static_cast<std::size_t>(at)] = merged[static_cast<std::size_t>(at)] * block;
    ValueRef y = op.reshape(op.expand(op.reshape(v, split), wide), merged);
    return op.slice(y, axis, 0, target[static_cast<std::size_t>(at)]);
  }
  if (rank != 1) return v;
  Wholes dims(static_cast<std::size_t>(op.rank(x)), Whole(1));
  if (op.extent(v, 0).number() == 1) return op.reshape(v, {});
  dims[static_cast<std::size_t>(axis)] = op.extent(v, 0);
  return op.reshape(v, dims);
}

// round(x / scale) + zero, within the type, in f32.
ValueRef quantised(Op& op, ValueRef x, ValueRef scale, ValueRef zero, Element type) {
  if (const auto format = small_float_of(type))
    return op.node(ir::kOpMath, {op.binary(Binary::kDiv, x, scale)},
                   {{"op", static_cast<std::int64_t>(ir::Math::kRoundFloat)},
                    {"format", static_cast<std::int64_t>(*format)},
                    {"saturate", op.attr_i("saturate", 1)}});
  const std::optional<Range> range = range_of(type);
  if (!range) {
    op.unsupported("quantisation to " + element_name(static_cast<int>(type)) + " is not supported");
    return x;
  }
  ValueRef y = op.math(ir::Math::kRound, op.binary(Binary::kDiv, x, scale));
  if (zero.valid()) y = op.binary(Binary::kAdd, y, op.cast(zero, DType::kF32));
  return op.clamp(y, range->low, range->high);
}

ValueRef dequantised(Op& op, ValueRef x, ValueRef scale, ValueRef zero) {
  ValueRef y = op.cast(x, DType::kF32);
  if (zero.valid()) y = op.binary(Binary::kSub, y, op.cast(zero, DType::kF32));
  return op.binary(Binary::kMul, y, scale);
}

bool all_zero(const Known* known) {
  if (!known) return false;
  return std::all_of(known->values.begin(), known->values.end(),
                     [](const Number& n) { return n.whole.number() == 0 && n.real == 0; });
}

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
  const std::int64_t axis = axis_of(op, x), block = op.attr_i("block_size", 0);
  const ValueRef scale = beside(op, op.value(1), x, axis, block);
  const ValueRef zero = op.has(2) ? beside(op, op.value(2), x, axis, block) : ValueRef{};
  const ValueRef y = quantised(op, x, scale, all_zero(op.known(2)) ? ValueRef{} : zero, type);
  if (op.failed()) return;
  op.set(0, op.cast(y, *storage_of(type)), type);
}

void lower_dequantize(Op& op) {
  const ValueRef x = op.value(0), scale = op.value(1);
  if (op.failed()) return;
  const std::int64_t axis = axis_of(op, x), block = op.attr_i("block_size", 0);
  const bool symmetric = !op.has(2) || all_zero(op.known(2));
  // Signed bytes without a zero point: the engine's own form, which keeps weights as bytes.
  if (op.dtype(x) == DType::kI8 && symmetric && block == 0 && op.rank(scale) <= 1) {
    const Whole count = op.rank(scale) == 0 ? Whole(1) : op.extent(scale, 0);
    const ValueRef list = op.reshape(scale, {count});
    return op.set(0, op.node(OpKind::kDequantize, {x, list}, {{"axis", axis}}), Element::kFloat);
  }
  const ValueRef s = beside(op, scale, x, axis, block);
  const ValueRef zero = symmetric ? ValueRef{} : beside(op, op.value(2), x, axis, block);
  op.set(0, dequantised(op, x, s, zero), op.element(1));
}

// To u8, with the range of the values and zero.
void lower_dynamic_quantize(Op& op) {
  const ValueRef x = op.value(0);
  const ValueRef flat = op.reshape(x, {Whole(-1)});
  const ValueRef high = op.binary(Binary::kMax, op.reduce(Reduce::kMax, flat, 0, false), 0.0);
  const ValueRef low = op.binary(Binary::kMin, op.reduce(ir::kReduceMin, flat, 0, false), 0.0);
  const ValueRef scale = op.binary(Binary::kDiv, op.binary(Binary::kSub, high, low), 255.0);
  // A tensor of zeros has no range: any scale will do.
  const ValueRef safe =
      op.where(op.binary(Binary::kGreater, scale, 0.0), scale, op.number(DType::kF32, 1));
  const ValueRef exact = op.unary(Unary::kNeg, op.binary(Binary::kDiv, low, safe));
  const ValueRef zero = op.math(ir::Math::kRound, op.clamp(exact, 0, 255));
  const ValueRef y = quantised(op, x, safe, zero, Element::kUInt8);
  op.set(0, op.cast(y, DType::kU8), Element::kUInt8);
  op.set(1, scale, Element::kFloat);
  op.set(2, op.cast(zero, DType::kU8), Element::kUInt8);
}

namespace {

// x without its zero point as i32; a list of zero points lies along `axis`.
ValueRef centred(Op& op, std::size_t input, std::size_t zero, std::int64_t axis) {
  const ValueRef x = op.cast(op.value(input), DType::kI32);
  if (!op.has(zero) || all_zero(op.known(zero))) return x;
  const ValueRef z = beside(op, op.cast(op.value(zero), DType::kI32), x, axis, 0);
  return op.binary(Binary::kSub, x, z);
}

// The i32 accumulator as the quantised output of input `first_scale`'s three lists.
void set_requantised(Op& op, ValueRef total, ValueRef scale, std::size_t out_scale,
                     std::size_t out_zero) {
  const ValueRef real = op.binary(Binary::kMul, op.cast(total, DType::kF32), scale);
  const Element type = op.element(out_zero);
  const ValueRef y = quantised(op, real, op.reshape(op.value(out_scale), {}),
                               op.reshape(op.value(out_zero), {}), type);
  if (!op.failed()) op.set(0, op.cast(y, *storage_of(type)), type);
}

}  // namespace

void lower_qlinear_matmul(Op& op) {
  const int left = op.rank(op.value(0)), right = op.rank(op.value(3));
  if (op.failed() || left < 2 || right < 2) return op.unsupported("wanted two axes or more");
  // a's scales lie along its rows, b's along its columns.
  const ValueRef a = centred(op, 0, 2, left - 2), b = centred(op, 3, 5, right - 1);
  const ValueRef total = op.node(OpKind::kMatMul, {a, b});
  const ValueRef a_scale = beside(op, op.value(1), total, op.rank(total) - 2, 0);
  const ValueRef b_scale = beside(op, op.value(4), total, op.rank(total) - 1, 0);
  set_requantised(op, total, op.binary(Binary::kMul, a_scale, b_scale), 6, 7);
}

void lower_qlinear_conv(Op& op) {
  const ValueRef x = centred(op, 0, 2, 1), w = centred(op, 3, 5, 0);
  if (op.failed()) return;
  const ValueRef bias = op.has(8) ? op.value(8) : ValueRef{};
  const ValueRef total = convolution(op, x, w, bias);
  const ValueRef x_scale = op.reshape(op.value(1), {});
  const ValueRef w_scale = beside(op, op.value(4), total, 1, 0);
  set_requantised(op, total, op.binary(Binary::kMul, x_scale, w_scale), 6, 7);
}

}  // namespace antiphon::onnx
