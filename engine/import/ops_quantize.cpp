// Quantisation: explicit Q/DQ pairs, dynamic quantisation, and products of quantised values.
#include <algorithm>

#include "engine/import/op.h"
#include "engine/import/ops.h"
#include "engine/import/tensors.h"

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

namespace {

// The one whole number of input `i`, 0 where it is absent.
std::optional<std::int64_t> single_zero(Op& op, std::size_t i) {
  if (!op.has(i)) return 0;
  const Known* known = op.known(i);
  if (!known || known->values.empty()) return std::nullopt;
  const std::optional<std::int64_t> first = known->values[0].whole.number();
  for (const Number& n : known->values)
    if (n.whole.number() != first) return std::nullopt;
  return first;
}

// The engine's own nodes, which become part of the layers around them: bytes with one zero point,
// outside of loops.
bool has_own_form(Op& op, Element type, ValueRef scale, std::int64_t block) {
  return (type == Element::kInt8 || type == Element::kUInt8) && block == 0 && op.rank(scale) <= 1 &&
         op.dtype(scale) == DType::kF32 && op.graph().scope() == 0 && single_zero(op, 2);
}

ValueRef as_list(Op& op, ValueRef scale) {
  const ir::ValueInfo* info = op.graph().constant_info(scale);
  if (info && info->shape.empty())
    return op.graph().constant(info->dtype, {Dim(1)}, ir::ConstantData(info->constant));
  return op.reshape(scale, {op.rank(scale) == 0 ? Whole(1) : op.extent(scale, 0)});
}

double whole_at(const ir::ValueInfo& info, std::size_t i) {
  const void* data = info.constant.data;
  switch (info.dtype) {
    case DType::kI8: return static_cast<const std::int8_t*>(data)[i];
    case DType::kU8: return static_cast<const std::uint8_t*>(data)[i];
    default: return static_cast<const std::int32_t*>(data)[i];
  }
}

// A constant's numbers, where scale and zero point are constants too; invalid: they are not.
ValueRef expanded_constant(Op& op, ValueRef x, ValueRef scale, std::int64_t axis) {
  const ValueRef zero = op.value_or_none(2);  // first: it may move the others
  const ir::ValueInfo* values = op.graph().constant_info(x);
  const ir::ValueInfo* scales = op.graph().constant_info(scale);
  const ir::ValueInfo* zeros = op.graph().constant_info(zero);
  if (op.failed() || !values || !scales || (op.has(2) && !zeros)) return {};
  if (values->dtype != DType::kI8 && values->dtype != DType::kU8 && values->dtype != DType::kI32)
    return {};
  const auto count = static_cast<std::size_t>(op.rank(scale) == 0 ? 1 : scales->shape[0].extent);
  if (scales->dtype != DType::kF32 || scales->shape.size() > 1 || values->constant.bytes == 0)
    return {};
  if (zeros && (zeros->dtype != values->dtype || zeros->shape != scales->shape)) return {};
  std::size_t after = 1, extent = 1, elements = 1;
  for (std::size_t i = 0; i < values->shape.size(); ++i) {
    const auto n = static_cast<std::size_t>(values->shape[i].extent);
    elements *= n;
    if (static_cast<std::int64_t>(i) == axis) extent = n;
    if (static_cast<std::int64_t>(i) > axis) after *= n;
  }
  if (count != 1 && count != extent) return {};
  const std::shared_ptr<void> memory = aligned_memory(elements * sizeof(float));
  if (!memory) return {};
  auto* wide = static_cast<float*>(memory.get());
  const auto* factors = static_cast<const float*>(scales->constant.data);
  for (std::size_t i = 0; i < elements; ++i) {
    const std::size_t at = count == 1 ? 0 : i / after % extent;
    const double centred = whole_at(*values, i) - (zeros ? whole_at(*zeros, at) : 0);
    wide[i] = static_cast<float>(centred) * factors[at];
  }
  return op.graph().constant(DType::kF32, Shape(values->shape),
                             {memory, memory.get(), elements * sizeof(float)});
}

}  // namespace

void lower_quantize(Op& op) {
  const ValueRef x = op.cast(op.value(0), DType::kF32);
  const std::int64_t given = op.attr_i("output_dtype", 0);
  const Element type = op.has(2)    ? op.element(2)
                       : given != 0 ? static_cast<Element>(given)
                                    : Element::kUInt8;
  const std::int64_t axis = axis_of(op, x), block = op.attr_i("block_size", 0);
  if (!op.failed() && has_own_form(op, type, op.value(1), block)) {
    const std::int64_t low = type == Element::kUInt8 ? 0 : -128;
    const ValueRef y = op.node(OpKind::kQuantize, {x, as_list(op, op.value(1))},
                               {{"axis", axis}, {"zero", *single_zero(op, 2)}, {"low", low}});
    return op.set(0, y, type);
  }
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
    return op.set(0, op.node(OpKind::kDequantize, {x, as_list(op, scale)}, {{"axis", axis}}),
                  Element::kFloat);
  }
  if (block == 0 && op.dtype(scale) == DType::kF32) {
    const ValueRef wide = expanded_constant(op, x, scale, axis);
    if (wide.valid()) return op.set(0, wide, Element::kFloat);
  }
  if (has_own_form(op, op.element(0), scale, block))
    return op.set(0,
                  op.node(OpKind::kDequantize, {x, as_list(op, scale)},
                          {{"axis", axis}, {"zero", *single_zero(op, 2)}}),
                  Element::kFloat);
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
