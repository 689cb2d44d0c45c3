// Constants, changes of type, and operators that hand on what they get.
#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/import/onnx.pb.h"
#include "engine/import/op.h"
#include "engine/import/ops.h"

namespace antiphon::onnx {
namespace {

// A scalar or list from an attribute.
Item list_item(Element type, std::vector<Number> values, bool scalar) {
  Known known{type, {}, std::move(values)};
  if (!scalar) known.dims = {static_cast<std::int64_t>(known.values.size())};
  return Item::of(std::move(known));
}

ValueRef bits(const Op& op, ir::MathBinary kind, ValueRef x, double mask) {
  return op.node(ir::kOpMathBinary, {x, op.number(op.dtype(x), mask)},
                 {{"op", static_cast<std::int64_t>(kind)}});
}

// Whole numbers cut to the bits of `type`, where the type that holds them has more.
ValueRef wrapped(const Op& op, ValueRef x, Element type) {
  const int width = element_bits(type);
  const bool held_wider = width < 8 * static_cast<int>(dtype_bytes(op.dtype(x)));
  if (type == Element::kBool || !held_wider) return x;
  const double range = std::ldexp(1.0, width);
  const ValueRef low = bits(op, ir::MathBinary::kBitAnd, x, range - 1);
  const bool is_signed =
      type == Element::kInt16 || type == Element::kInt4 || type == Element::kInt2;
  if (!is_signed) return low;
  // (low ^ half) - half
  return op.binary(Binary::kSub, bits(op, ir::MathBinary::kBitXor, low, range / 2), range / 2);
}

void cast_to(Op& op, Element to) {
  const std::optional<DType> dtype = storage_of(to);
  if (!dtype)
    return op.unsupported("a cast to " + element_name(static_cast<int>(to)) + " is not supported");
  const Element from = op.element(0);
  // Reals beyond a few bits wrap as larger whole numbers do, where a cast to bytes would saturate.
  const bool few_bits = is_real(from) && !is_real(to) && element_bits(to) < 8;
  ValueRef y = op.cast(op.value(0), few_bits ? DType::kI32 : *dtype);
  const auto format = small_float_of(to);
  if (format && from != to)
    y = op.node(ir::kOpMath, {y},
                {{"op", static_cast<std::int64_t>(ir::Math::kRoundFloat)},
                 {"format", static_cast<std::int64_t>(*format)},
                 {"saturate", std::int64_t{element_bits(to) == 8 ? op.attr_i("saturate", 1) : 0}}});
  if (!is_real(to) && from != to && from != Element::kBool) y = wrapped(op, y, to);
  op.set(0, op.cast(y, *dtype), to);
}

}  // namespace

void lower_constant(Op& op) {
  if (const auto* tensor = op.attr("value")) {
    const auto made = op.constant(tensor->t());
    return made ? op.set(0, Item::of(made)) : void();
  }
  std::vector<Number> values;
  if (op.has_attr("value_float") || op.has_attr("value_floats")) {
    const bool scalar = op.has_attr("value_float");
    const auto list =
        scalar ? std::vector<double>{op.attr_f("value_float", 0)} : op.attr_floats("value_floats");
    for (const double v : list) values.push_back({0, v});
    return op.set(0, list_item(Element::kFloat, std::move(values), scalar));
  }
  if (op.has_attr("value_int") || op.has_attr("value_ints")) {
    const bool scalar = op.has_attr("value_int");
    const auto list = scalar ? Dims{op.attr_i("value_int", 0)} : op.attr_ints("value_ints");
    for (const std::int64_t v : list) values.push_back({v, 0});
    return op.set(0, list_item(Element::kInt64, std::move(values), scalar));
  }
  op.unsupported("a constant of strings or a sparse one is not supported");
}

void lower_cast(Op& op) { cast_to(op, static_cast<Element>(op.attr_i("to", 0))); }

void lower_cast_like(Op& op) { cast_to(op, op.element(1)); }

void lower_identity(Op& op) {
  if (op.has(0)) op.set(0, op.item(0));
}

// At inference nothing is dropped.
void lower_dropout(Op& op) {
  const Known* training = op.known(2);
  if (op.has(2) && (!training || !training->all_numbers()))
    return op.unsupported("training_mode (input 2) is computed at run time");
  const bool trains = training && training->values[0].whole.number() != 0;
  const Known* ratio = op.known(1);
  const bool drops = !op.has(1) || !ratio || ratio->as_real(0) != 0;
  if (trains && drops) return op.unsupported("training mode is not supported");
  op.set(0, op.item(0));
  if (!op.wants_output(1)) return;
  const ValueRef yes = op.number(DType::kBool, 1);
  op.set(1, op.expand(yes, op.extents(op.value(0))), Element::kBool);
}

void lower_clip(Op& op) {
  const ValueRef x = op.value(0);
  if (op.opset() < 11) {
    const double low = op.attr_f("min", -std::numeric_limits<double>::infinity());
    return op.set(op.clamp(x, low, op.attr_f("max", std::numeric_limits<double>::infinity())));
  }
  ValueRef y = x;
  const Known *low = op.known(1), *high = op.known(2);
  const bool both = op.dtype(x) == DType::kF32 && (low || !op.has(1)) && (high || !op.has(2));
  if (both) {
    const double infinity = std::numeric_limits<double>::infinity();
    const double bottom = low ? low->as_real(0) : -infinity;
    return op.set(op.clamp(x, bottom, std::max(bottom, high ? high->as_real(0) : infinity)));
  }
  if (op.has(1)) y = op.binary(Binary::kMax, y, op.value(1));
  if (op.has(2)) y = op.binary(Binary::kMin, y, op.value(2));
  op.set(y);
}

}  // namespace antiphon::onnx
