// Quantised tensors: constants as the bytes or numbers that layers take, all else as nodes.
#include "engine/import/quantized.h"

#include <algorithm>
#include <limits>
#include <vector>

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
bool has_own_form(Op& op, Element type, const QuantizedInput& at, std::int64_t block) {
  return (type == Element::kInt8 || type == Element::kUInt8) && block == 0 &&
         op.rank(op.value(at.scale)) <= 1 && op.dtype(op.value(at.scale)) == DType::kF32 &&
         op.graph().scope() == 0 && single_zero(op, at.zero);
}

ValueRef as_list(Op& op, ValueRef scale) {
  const ir::ValueInfo* info = op.graph().constant_info(scale);
  if (info && info->shape.empty())
    return op.graph().constant(info->dtype, {Dim(1)}, ir::ConstantData(info->constant));
  return op.reshape(scale, {op.rank(scale) == 0 ? Whole(1) : op.extent(scale, 0)});
}

std::int32_t whole_at(const ir::ValueInfo& info, std::size_t i) {
  const void* data = info.constant.data;
  switch (info.dtype) {
    case DType::kI8: return static_cast<const std::int8_t*>(data)[i];
    case DType::kU8: return static_cast<const std::uint8_t*>(data)[i];
    default: return static_cast<const std::int32_t*>(data)[i];
  }
}

// A quantised tensor all of which is constant, with one scale and zero point or a list of each
// along an axis. Pointers into the graph: good until it gets another value.
struct ConstantBytes {
  const ir::ValueInfo *values = nullptr, *scales = nullptr, *zeros = nullptr;
  std::size_t elements = 1, extent = 1, after = 1;

  std::size_t step(std::size_t i) const { return i / after % extent; }
  float scale(std::size_t i) const {
    const auto* all = static_cast<const float*>(scales->constant.data);
    return all[scales->constant.bytes == sizeof(float) ? 0 : step(i)];
  }
  std::int32_t zero(std::size_t i) const {
    if (!zeros) return 0;
    return whole_at(*zeros, num_zeros() == 1 ? 0 : step(i));
  }
  std::size_t num_zeros() const {
    return zeros->shape.empty() ? 1 : static_cast<std::size_t>(zeros->shape[0].extent);
  }
};

bool one_or_list(const ir::ValueInfo& info, std::size_t extent) {
  if (info.constant.bytes == 0 || info.shape.size() > 1) return false;
  const std::int64_t count = info.shape.empty() ? 1 : info.shape[0].extent;
  return count == 1 || count == static_cast<std::int64_t>(extent);
}

std::optional<ConstantBytes> constant_bytes(Op& op, const QuantizedValues& x, std::int64_t axis) {
  ConstantBytes out{op.graph().constant_info(x.values), op.graph().constant_info(x.scale),
                    op.graph().constant_info(x.zero)};
  if (op.failed() || !out.values || !out.scales || (x.zero.valid() && !out.zeros)) return {};
  const DType dtype = out.values->dtype;
  if (dtype != DType::kI8 && dtype != DType::kU8 && dtype != DType::kI32) return {};
  if (out.values->constant.bytes == 0 || out.scales->dtype != DType::kF32) return {};
  for (std::size_t i = 0; i < out.values->shape.size(); ++i) {
    const auto n = static_cast<std::size_t>(out.values->shape[i].extent);
    out.elements *= n;
    if (static_cast<std::int64_t>(i) == axis) out.extent = n;
    if (static_cast<std::int64_t>(i) > axis) out.after *= n;
  }
  if (!one_or_list(*out.scales, out.extent)) return {};
  if (out.zeros && (out.zeros->dtype != dtype || !one_or_list(*out.zeros, out.extent))) return {};
  return out;
}

// The numbers themselves.
ValueRef expanded(Op& op, const ConstantBytes& x) {
  const std::shared_ptr<void> memory = aligned_memory(x.elements * sizeof(float));
  if (!memory) return {};
  auto* wide = static_cast<float*>(memory.get());
  for (std::size_t i = 0; i < x.elements; ++i)
    wide[i] =
        static_cast<float>(static_cast<double>(whole_at(*x.values, i)) - x.zero(i)) * x.scale(i);
  return op.graph().constant(DType::kF32, Shape(x.values->shape),
                             {memory, memory.get(), x.elements * sizeof(float)});
}

// What to take from the values of each step so that signed bytes hold them: the zero point, or
// where that does not do, the number next to it.
std::vector<std::int32_t> centres(const ConstantBytes& x) {
  std::vector<std::int32_t> low(x.extent, std::numeric_limits<std::int32_t>::max());
  std::vector<std::int32_t> high(x.extent, std::numeric_limits<std::int32_t>::min()), out(x.extent);
  for (std::size_t i = 0; i < x.elements; ++i) {
    const std::int32_t value = whole_at(*x.values, i);
    low[x.step(i)] = std::min(low[x.step(i)], value);
    high[x.step(i)] = std::max(high[x.step(i)], value);
    out[x.step(i)] = x.zero(i);
  }
  for (std::size_t s = 0; s < out.size(); ++s)
    out[s] = std::clamp(out[s], high[s] - 127, low[s] + 128);
  return out;
}

// The values less their centres, and the scales, as a Dequantize.
ValueRef centred_bytes(Op& op, const ConstantBytes& x, const std::vector<std::int32_t>& centre,
                       ValueRef scale, std::int64_t axis, std::int64_t zero = 0) {
  const std::shared_ptr<void> memory = aligned_memory(x.elements);
  if (!memory) return {};
  auto* bytes = static_cast<std::int8_t*>(memory.get());
  for (std::size_t i = 0; i < x.elements; ++i)
    bytes[i] = static_cast<std::int8_t>(whole_at(*x.values, i) - centre[x.step(i)]);
  const ValueRef held =
      op.graph().constant(DType::kI8, Shape(x.values->shape), {memory, memory.get(), x.elements});
  AttrList attrs = {{"axis", axis}};
  if (zero != 0) attrs.emplace_back("zero", zero);
  return op.node(OpKind::kDequantize, {held, as_list(op, scale)}, std::move(attrs));
}

std::optional<ByteWeights> byte_weights(Op& op, const QuantizedValues& w, std::int64_t axis,
                                        bool may_shift) {
  const std::optional<ConstantBytes> x = constant_bytes(op, w, axis);
  if (!x || x->values->shape.size() < 2 || x->values->dtype == DType::kI32) return std::nullopt;
  const std::vector<std::int32_t> centre = centres(*x);
  std::vector<float> shifts(x->extent);
  bool shifted = false;
  for (std::size_t s = 0; s < x->extent; ++s) {
    const std::int32_t shift = centre[s] - x->zero(s * x->after);
    shifts[s] = static_cast<float>(shift) * x->scale(s * x->after);
    shifted = shifted || shift != 0;
  }
  if (shifted && !may_shift) return std::nullopt;
  ByteWeights out;
  const auto count = static_cast<std::int64_t>(x->extent);
  out.scaled = centred_bytes(op, *x, centre, w.scale, axis);
  if (shifted) out.shifts = op.graph().constant(DType::kF32, {count}, shifts.data());
  return out.scaled.valid() ? std::optional(out) : std::nullopt;
}

// As bytes where they fit without a zero point, else as numbers; invalid: not all is constant.
ValueRef constant_numbers(Op& op, const QuantizedValues& x, std::int64_t axis) {
  if (op.failed() || !op.graph().constant_info(x.values)) return {};
  if (const auto bytes = byte_weights(op, x, axis, false)) return bytes->scaled;
  const std::optional<ConstantBytes> known = constant_bytes(op, x, axis);
  return known ? expanded(op, *known) : ValueRef{};
}

ValueRef dequantized_nodes(Op& op, ValueRef x, ValueRef scale, ValueRef zero) {
  ValueRef y = op.cast(x, DType::kF32);
  if (zero.valid()) y = op.binary(Binary::kSub, y, op.cast(zero, DType::kF32));
  return op.binary(Binary::kMul, y, scale);
}

bool is_byte(Element type) { return type == Element::kInt8 || type == Element::kUInt8; }

std::string numbered(const char* what, std::size_t i) {
  return std::string(what) + " (input " + std::to_string(i) + ")";
}
std::string name_of(Element type) { return element_name(static_cast<int>(type)); }

// Scale and zero point for values of `type`.
void check_numbers(Op& op, Element type, std::size_t scale, std::size_t zero) {
  if (!op.has(scale)) return op.invalid(numbered("scale", scale) + " is absent");
  if (!is_real(op.element(scale)))
    return op.invalid(numbered("scale", scale) + ": wanted real numbers, got " +
                      name_of(op.element(scale)));
  if (op.has(zero) && op.element(zero) != type)
    op.invalid(numbered("zero point", zero) + ": wanted " + name_of(type) + " as the values, got " +
               name_of(op.element(zero)));
}

}  // namespace

QuantizedValues quantized_values(Op& op, const QuantizedInput& x) {
  return {op.value(x.values), op.value(x.scale), op.value_or_none(x.zero)};
}

void check_quantized(Op& op, const QuantizedInput& x) {
  if (!op.has(x.values)) return op.invalid(numbered("values", x.values) + " are absent");
  if (!is_byte(op.element(x.values)))
    return op.invalid(numbered("values", x.values) + ": wanted int8 or uint8, got " +
                      name_of(op.element(x.values)));
  check_numbers(op, op.element(x.values), x.scale, x.zero);
}

Element quantized_type(const Op& op, std::size_t zero) {
  return op.has(zero) ? op.element(zero) : Element::kUInt8;
}

void check_quantized_output(Op& op, std::size_t scale, std::size_t zero) {
  const Element type = quantized_type(op, zero);
  if (!is_byte(type))
    return op.invalid(numbered("zero point", zero) + ": wanted int8 or uint8, got " +
                      name_of(type));
  check_numbers(op, type, scale, zero);
}

bool all_zero(const Known* known) {
  return known && std::all_of(known->values.begin(), known->values.end(),
                              [](const Number& n) { return n.whole.number() == 0 && n.real == 0; });
}

bool has_pair_form(Op& op, Element type, std::size_t scale, std::size_t zero) {
  return has_own_form(op, type, {0, scale, zero}, 0) &&
         (op.rank(op.value(scale)) == 0 || op.extent(op.value(scale), 0).number() == 1);
}

std::optional<ByteWeights> byte_weights(Op& op, const QuantizedValues& w, std::int64_t axis) {
  return byte_weights(op, w, axis, true);
}

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

ValueRef quantized_real(Op& op, ValueRef x, ValueRef scale, ValueRef zero, Element type) {
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

ValueRef quantized(Op& op, ValueRef x, const QuantizedInput& y, Element type, std::int64_t axis,
                   std::int64_t block) {
  if (op.failed()) return {};
  const ValueRef scale = op.value(y.scale);
  if (!op.failed() && has_own_form(op, type, y, block)) {
    const std::int64_t low = type == Element::kUInt8 ? 0 : -128;
    return op.node(OpKind::kQuantize, {x, as_list(op, scale)},
                   {{"axis", axis}, {"zero", *single_zero(op, y.zero)}, {"low", low}});
  }
  const ValueRef s = beside(op, scale, x, axis, block);
  const bool symmetric = !op.has(y.zero) || all_zero(op.known(y.zero));
  const ValueRef zero = symmetric ? ValueRef{} : beside(op, op.value(y.zero), x, axis, block);
  const ValueRef real = quantized_real(op, x, s, zero, type);
  return op.failed() ? ValueRef{} : op.cast(real, *storage_of(type));
}

ValueRef dequantized(Op& op, const QuantizedInput& at, std::int64_t axis, std::int64_t block) {
  const ValueRef x = op.value(at.values), scale = op.value(at.scale);
  if (op.failed()) return {};
  const bool symmetric = !op.has(at.zero) || all_zero(op.known(at.zero));
  const bool constant = op.graph().constant_info(x) != nullptr;
  // Signed bytes without a zero point: the engine's own form, which keeps weights as bytes.
  if (op.dtype(x) == DType::kI8 && symmetric && block == 0 && op.rank(scale) <= 1 &&
      (!constant || op.rank(x) > 0))
    return op.node(OpKind::kDequantize, {x, as_list(op, scale)}, {{"axis", axis}});
  if (constant && block == 0 && op.dtype(scale) == DType::kF32) {
    const bool one = op.rank(scale) == 0 || op.extent(scale, 0).number() == 1;
    if (op.rank(x) >= 4 && (axis == 0 || one)) return filters(op, quantized_values(op, at));
    if (const ValueRef y = constant_numbers(op, quantized_values(op, at), axis); y.valid())
      return y;
  }
  if (has_own_form(op, op.element(at.values), at, block))
    return op.node(OpKind::kDequantize, {x, as_list(op, scale)},
                   {{"axis", axis}, {"zero", *single_zero(op, at.zero)}});
  const ValueRef s = beside(op, scale, x, axis, block);
  return dequantized_nodes(op, x, s,
                           symmetric ? ValueRef{} : beside(op, op.value(at.zero), x, axis, block));
}

ValueRef dequantized(Op& op, const QuantizedValues& x, std::int64_t axis) {
  if (const ValueRef y = constant_numbers(op, x, axis); y.valid() || op.failed()) return y;
  return dequantized_nodes(op, x.values, beside(op, x.scale, x.values, axis),
                           x.zero.valid() ? beside(op, x.zero, x.values, axis) : ValueRef{});
}

ValueRef filters(Op& op, const QuantizedValues& w) {
  if (const auto bytes = byte_weights(op, w, 0, false)) return bytes->scaled;
  const std::optional<ConstantBytes> x = constant_bytes(op, w, 0);
  if (!x || !x->zeros || x->num_zeros() != 1 || x->values->dtype == DType::kI32)
    return dequantized(op, w, 0);
  const std::int32_t middle = x->values->dtype == DType::kU8 ? 128 : 0;
  return centred_bytes(op, *x, std::vector<std::int32_t>(x->extent, middle), w.scale, 0,
                       x->zero(0) - middle);
}

}  // namespace antiphon::onnx
