// Shape rules of the operators that work element by element.
#include <algorithm>
#include <cmath>

#include "engine/ir/enum_names.h"
#include "engine/ir/op_enums.h"
#include "engine/ir/schema_rules.h"

namespace antiphon::ir {
namespace {

std::vector<ValueType> one(DType dtype, Shape shape) {
  std::vector<ValueType> out;
  out.push_back({dtype, std::move(shape)});
  return out;
}

Status want_all_present(In in) {
  for (const ValueType* type : in)
    if (!type) return invalid_argument("an input is absent");
  return {};
}

}  // namespace

Types identity_rule(const Node&, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_all_present(in));
  return one(in[0]->dtype, in[0]->shape);
}

Types unary_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_all_present(in));
  const std::int64_t op = node.attrs.i("op", -1);
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "op", op, 0, kNumUnary - 1));
  if (static_cast<Unary>(op) == Unary::kNot) {
    ANTIPHON_RETURN_IF_ERROR(want_dtype(*in[0], "x", DType::kBool));
  } else if ((in[0]->dtype != DType::kI32 && in[0]->dtype != DType::kI64) ||
             (op != static_cast<int>(Unary::kNeg) && op != static_cast<int>(Unary::kAbs))) {
    ANTIPHON_RETURN_IF_ERROR(want_dtype(*in[0], "x", DType::kF32));
  }
  return one(in[0]->dtype, in[0]->shape);
}

Types binary_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_all_present(in));
  const std::int64_t op = node.attrs.i("op", -1);
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "op", op, 0, kNumBinary - 1));
  ANTIPHON_RETURN_IF_ERROR(want_dtype(*in[1], "b", in[0]->dtype));
  ANTIPHON_ASSIGN_OR_RETURN(Shape shape, broadcast(in[0]->shape, in[1]->shape));
  DType dtype = in[0]->dtype;
  switch (static_cast<Binary>(op)) {
    case Binary::kAnd:
    case Binary::kOr: ANTIPHON_RETURN_IF_ERROR(want_dtype(*in[0], "a", DType::kBool)); break;
    case Binary::kEqual:
    case Binary::kLess:
    case Binary::kGreater: dtype = DType::kBool; break;
    default:
      if (dtype == DType::kF16 || dtype == DType::kBool)
        return invalid_argument("a: wanted f32 or whole numbers, got " +
                                std::string(dtype_name(dtype)));
  }
  return one(dtype, std::move(shape));
}

Types clamp_rule(const Node&, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_all_present(in));
  ANTIPHON_RETURN_IF_ERROR(want_dtype(*in[0], "x", DType::kF32));
  return one(in[0]->dtype, in[0]->shape);
}

Types where_rule(const Node&, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_all_present(in));
  if (in[0]->dtype != DType::kBool && in[0]->dtype != DType::kF32)
    return invalid_argument("condition: wanted bool or f32, got " +
                            std::string(dtype_name(in[0]->dtype)));
  ANTIPHON_RETURN_IF_ERROR(want_dtype(*in[2], "b", in[1]->dtype));
  ANTIPHON_ASSIGN_OR_RETURN(Shape branches, broadcast(in[1]->shape, in[2]->shape));
  ANTIPHON_ASSIGN_OR_RETURN(Shape shape, broadcast(in[0]->shape, branches));
  return one(in[1]->dtype, std::move(shape));
}

namespace {

using Kind = PointwiseStep::Kind;

// Registers of numbers and of bytes, as the steps make them.
class Registers {
 public:
  explicit Registers(In in) {
    for (const ValueType* type : in) is_bytes_.push_back(type->dtype == DType::kU8);
  }
  bool has(std::int16_t r) const { return r >= 0 && r < count(); }
  bool is_bytes(std::int16_t r) const { return is_bytes_[static_cast<std::size_t>(r)]; }
  std::int64_t count() const { return static_cast<std::int64_t>(is_bytes_.size()); }

  // False: the step reads what is not written before it, or of the other kind.
  bool take(const PointwiseStep& step, std::int64_t num_inputs) {
    const auto real = [&](std::int16_t r) { return has(r) && !is_bytes(r); };
    bool good = false;
    switch (step.kind) {
      case Kind::kUnary: good = real(step.a) && step.op < kNumUnary; break;
      case Kind::kBinary: good = real(step.a) && real(step.b) && step.op < kNumBinary; break;
      case Kind::kClamp: good = real(step.a); break;
      case Kind::kWhere: good = real(step.a) && real(step.b) && real(step.c); break;
      case Kind::kScalar: good = true; break;
      case Kind::kFromBytes:
        good = has(step.a) && step.a < num_inputs && is_bytes(step.a) && good_numbers(step);
        break;
      case Kind::kToBytes: good = real(step.a) && good_numbers(step); break;
    }
    is_bytes_.push_back(step.kind == Kind::kToBytes);
    return good;
  }

 private:
  static bool good_numbers(const PointwiseStep& step) {
    return std::isnormal(step.low) && step.low > 0 && step.high >= 0 && step.high <= 255 &&
           step.high == std::floor(step.high);
  }
  std::vector<bool> is_bytes_;
};

}  // namespace

namespace {

// What the node reads of an input: all of it, or part_width columns from parts[i] on.
Result<Shape> read_shape(const Node& node, In in, std::size_t i,
                         const std::vector<std::int64_t>& parts) {
  Shape shape = in[i]->shape;
  if (parts.empty() || parts[i] < 0) return shape;
  const std::int64_t width = node.attrs.i("part_width");
  if (shape.empty() || !shape.back().is_static() || width < 2 ||
      width > shape.back().extent - parts[i])
    return invalid_argument("part_width: wanted 2 to what lies behind part " + std::to_string(i));
  shape.back() = Dim(width);
  return shape;
}

}  // namespace

Types pointwise_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_all_present(in));
  const std::vector<std::int64_t> parts = node.attrs.ints("parts");
  if (!parts.empty() && parts.size() != in.size())
    return invalid_argument("parts: wanted one an input");
  ANTIPHON_ASSIGN_OR_RETURN(Shape shape, read_shape(node, in, 0, parts));
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (in[i]->dtype != DType::kU8)
      ANTIPHON_RETURN_IF_ERROR(want_dtype(*in[i], "an input", DType::kF32));
    ANTIPHON_ASSIGN_OR_RETURN(const Shape part, read_shape(node, in, i, parts));
    ANTIPHON_ASSIGN_OR_RETURN(shape, broadcast(shape, part));
  }
  if (!parts.empty() && (shape.empty() || shape.back() != Dim(node.attrs.i("part_width"))))
    return invalid_argument("part_width: wanted the last extent of " + shape_text(shape));
  Registers registers(in);
  const auto& steps = node.pointwise.steps;
  for (std::size_t i = 0; i < steps.size(); ++i)
    if (!registers.take(steps[i], static_cast<std::int64_t>(in.size())))
      return invalid_argument("pointwise: step " + std::to_string(i) +
                              " reads a register that is not written before it, or has no such op");
  std::vector<ValueType> out;
  for (const std::int16_t r : node.pointwise.results) {
    const bool input_bytes =
        registers.has(r) && registers.is_bytes(r) && r < static_cast<std::int64_t>(in.size());
    if (!registers.has(r) || input_bytes)
      return invalid_argument("pointwise: result register " + std::to_string(r) + " of " +
                              std::to_string(registers.count()));
    out.push_back({registers.is_bytes(r) ? DType::kU8 : DType::kF32, shape});
  }
  return out;
}

Types cast_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_all_present(in));
  const std::int64_t dtype = node.attrs.i("dtype", -1);
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "dtype", dtype, 0, static_cast<int>(DType::kBool)));
  return one(static_cast<DType>(dtype), in[0]->shape);
}

Types softmax_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_all_present(in));
  ANTIPHON_RETURN_IF_ERROR(want_dtype(*in[0], "x", DType::kF32));
  ANTIPHON_RETURN_IF_ERROR(axis_of(node, in[0]->shape.size()).status());
  return one(in[0]->dtype, in[0]->shape);
}

Types layer_norm_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "x"));
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 1, "gamma"));
  const bool rms = node.attrs.i("rms") != 0;
  if (!rms) ANTIPHON_RETURN_IF_ERROR(want_present(in, 2, "beta"));
  if (rms && at(in, 2)) return invalid_argument("beta: given to a norm by the root of squares");
  ANTIPHON_RETURN_IF_ERROR(want_dtype(*in[0], "x", DType::kF32));
  ANTIPHON_RETURN_IF_ERROR(want_min_rank(*in[0], "x", 1));
  if (!(node.attrs.f("epsilon", 1e-5) >= 0)) return invalid_argument("epsilon: wanted 0 or more");
  const char* names[] = {"x", "gamma", "beta", "residual"};
  for (std::size_t i = 1; i <= (rms ? 1u : 2u); ++i) {
    ANTIPHON_RETURN_IF_ERROR(want_dtype(*in[i], names[i], DType::kF32));
    ANTIPHON_RETURN_IF_ERROR(want_shape(*in[i], names[i], {in[0]->shape.back()}));
  }
  if (const ValueType* residual = at(in, 3)) {
    ANTIPHON_RETURN_IF_ERROR(want_dtype(*residual, "residual", DType::kF32));
    ANTIPHON_RETURN_IF_ERROR(want_shape(*residual, "residual", in[0]->shape));
  }
  return one(in[0]->dtype, in[0]->shape);
}

Types reduce_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_all_present(in));
  const DType dtype = in[0]->dtype;
  if (dtype != DType::kF32 && dtype != DType::kI32 && dtype != DType::kI64)
    return invalid_argument("x: wanted f32, i32 or i64, got " + std::string(dtype_name(dtype)));
  const std::int64_t op = node.attrs.i("op", -1);
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "op", op, 0, kNumAllReduce - 1));
  ANTIPHON_ASSIGN_OR_RETURN(const std::size_t axis, axis_of(node, in[0]->shape.size()));
  Shape shape = in[0]->shape;
  const auto reduce = static_cast<Reduce>(op);
  const bool index = reduce == Reduce::kArgMax || reduce == kReduceArgMin;
  const bool needs_one = index || reduce == Reduce::kMax || reduce == kReduceMin;
  if (needs_one && shape[axis] == Dim(0)) return invalid_argument("x: the axis is empty");
  if (node.attrs.i("keep_dim") != 0)
    shape[axis] = Dim(1);
  else
    shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
  return one(index ? DType::kI32 : dtype, std::move(shape));
}

}  // namespace antiphon::ir
