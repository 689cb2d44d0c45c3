// Operators that work element by element on one or two numbers.
#include <cmath>
#include <limits>

#include "engine/import/op.h"
#include "engine/import/ops.h"

namespace antiphon::onnx {
namespace {

struct UnaryName {
  const char* name;
  Unary op;
};
constexpr UnaryName kUnary[] = {
    {"Neg", Unary::kNeg},   {"Abs", Unary::kAbs},         {"Exp", Unary::kExp},
    {"Log", Unary::kLog},   {"Sqrt", Unary::kSqrt},       {"Reciprocal", Unary::kReciprocal},
    {"Tanh", Unary::kTanh}, {"Sigmoid", Unary::kSigmoid}, {"Erf", Unary::kErf},
    {"Sin", Unary::kSin},   {"Cos", Unary::kCos},         {"Floor", Unary::kFloor}};

struct MathName {
  const char* name;
  ir::Math op;
};
constexpr MathName kMath[] = {
    {"Ceil", ir::Math::kCeil},        {"Round", ir::Math::kRound}, {"Sign", ir::Math::kSign},
    {"Tan", ir::Math::kTan},          {"Asin", ir::Math::kAsin},   {"Acos", ir::Math::kAcos},
    {"Atan", ir::Math::kAtan},        {"Sinh", ir::Math::kSinh},   {"Cosh", ir::Math::kCosh},
    {"Asinh", ir::Math::kAsinh},      {"Acosh", ir::Math::kAcosh}, {"Atanh", ir::Math::kAtanh},
    {"BitwiseNot", ir::Math::kBitNot}};

struct BinaryName {
  const char* name;
  Binary op;
};
constexpr BinaryName kBinary[] = {
    {"Add", Binary::kAdd}, {"Sub", Binary::kSub}, {"Mul", Binary::kMul}, {"Div", Binary::kDiv},
    {"Max", Binary::kMax}, {"Min", Binary::kMin}, {"Sum", Binary::kAdd}, {"Mean", Binary::kAdd},
    {"And", Binary::kAnd}, {"Or", Binary::kOr}};

Binary binary_of(const Op& op) {
  for (const BinaryName& entry : kBinary)
    if (op.type() == entry.name) return entry.op;
  return Binary::kAdd;
}

// b in the type of a, where ONNX lets them differ or storage does.
ValueRef like(const Op& op, ValueRef b, ValueRef a) { return op.cast(b, op.dtype(a)); }

}  // namespace

void lower_unary(Op& op) {
  ValueRef x = op.value(0);
  const DType dtype = op.dtype(x);
  Unary chosen = Unary::kNeg;
  for (const UnaryName& entry : kUnary)
    if (op.type() == entry.name) chosen = entry.op;
  // Whole numbers of 8 bits are widened, and narrowed again as they wrap.
  const bool narrow = dtype == DType::kI8 || dtype == DType::kU8;
  if (narrow) x = op.cast(x, DType::kI32);
  op.set(op.cast(op.unary(chosen, x), dtype));
}

void lower_math(Op& op) {
  const ValueRef x = op.value(0);
  for (const MathName& entry : kMath)
    if (op.type() == entry.name) return op.set(op.math(entry.op, x));
}

void lower_arithmetic(Op& op) {
  const ValueRef a = op.value(0), b = op.value(1);
  op.set(op.binary(binary_of(op), a, like(op, b, a)));
}

void lower_variadic(Op& op) {
  ValueRef total = op.value(0);
  for (std::size_t i = 1; i < op.num_inputs(); ++i)
    total = op.binary(binary_of(op), total, like(op, op.value(i), total));
  if (op.type() == "Mean")
    total = op.binary(Binary::kMul, total, 1.0 / static_cast<double>(op.num_inputs()));
  op.set(total);
}

void lower_compare(Op& op) {
  const ValueRef a = op.value(0), b = like(op, op.value(1), a);
  const std::string& type = op.type();
  ValueRef out;
  if (type == "Equal" || type == "Less" || type == "LessOrEqual") {
    out = op.binary(type == "Equal" ? Binary::kEqual : Binary::kLess, a, b);
  } else {
    out = op.binary(Binary::kGreater, a, b);
  }
  // Not the opposite of the other side: NaN is neither.
  if (type == "LessOrEqual" || type == "GreaterOrEqual")
    out = op.binary(Binary::kOr, out, op.binary(Binary::kEqual, a, b));
  op.set(0, out, Element::kBool);
}

void lower_logic(Op& op) {
  const ValueRef a = op.value(0), b = op.value(1);
  if (op.type() != "Xor") return op.set(0, op.binary(binary_of(op), a, b), Element::kBool);
  op.set(0, op.unary(Unary::kNot, op.binary(Binary::kEqual, a, b)), Element::kBool);
}

void lower_not(Op& op) { op.set(0, op.unary(Unary::kNot, op.value(0)), Element::kBool); }

// The result has the type of the base.
void lower_pow(Op& op) {
  const ValueRef base = op.value(0), exponent = op.value(1);
  const Known* known = op.known(1);
  if (known && known->values.size() == 1 && op.dtype(base) == DType::kF32) {
    // Cheaper: what exports write for squares and roots, exact, and the cubes of GELU by tanh.
    const double power = known->as_real(0);
    if (power == 2 && known->dims.size() <= 1) {
      const ValueRef square = op.binary(Binary::kMul, base, base);
      return op.set(square);
    }
    if (power == 3 && known->dims.size() <= 1)
      return op.set(op.binary(Binary::kMul, op.binary(Binary::kMul, base, base), base));
    if (power == 0.5 && known->dims.size() <= 1) return op.set(op.unary(Unary::kSqrt, base));
  }
  if (op.dtype(base) != DType::kF32 && op.dtype(exponent) == DType::kF32) {
    const ValueRef real = op.binary(Binary::kPow, op.cast(base, DType::kF32), exponent);
    return op.set(op.cast(real, op.dtype(base)));
  }
  op.set(op.binary(Binary::kPow, base, like(op, exponent, base)));
}

void lower_mod(Op& op) {
  const ValueRef a = op.value(0), b = like(op, op.value(1), a);
  const bool fmod = op.attr_i("fmod", 0) != 0;
  const auto kind = fmod ? ir::MathBinary::kFmod : ir::MathBinary::kMod;
  op.set(op.node(ir::kOpMathBinary, {a, b}, {{"op", static_cast<std::int64_t>(kind)}}));
}

void lower_bits(Op& op) {
  const ValueRef a = op.value(0), b = op.value(1);
  const std::string& type = op.type();
  ir::MathBinary kind = ir::MathBinary::kBitAnd;
  if (type == "BitwiseOr") kind = ir::MathBinary::kBitOr;
  if (type == "BitwiseXor") kind = ir::MathBinary::kBitXor;
  if (type == "BitShift")
    kind = op.attr_s("direction", "") == "LEFT" ? ir::MathBinary::kShiftLeft
                                                : ir::MathBinary::kShiftRight;
  ValueRef out = op.node(ir::kOpMathBinary, {a, b}, {{"op", static_cast<std::int64_t>(kind)}});
  // Held in a wider type: what is shifted out of the element must go.
  const auto keep = [&](std::int64_t mask) {
    out = op.node(ir::kOpMathBinary, {out, op.number(op.dtype(out), static_cast<double>(mask))},
                  {{"op", static_cast<std::int64_t>(ir::MathBinary::kBitAnd)}});
  };
  if (kind == ir::MathBinary::kShiftLeft && op.element(0) == Element::kUInt16) keep(0xffff);
  if (kind == ir::MathBinary::kShiftLeft && op.element(0) == Element::kUInt32) keep(0xffffffff);
  op.set(out);
}

void lower_where(Op& op) {
  const ValueRef condition = op.value(0), a = op.value(1), b = op.value(2);
  op.set(0, op.where(condition, a, like(op, b, a)), op.element(1));
}

void lower_is_nan(Op& op) { op.set(0, op.math(ir::Math::kIsNan, op.value(0)), Element::kBool); }

void lower_is_inf(Op& op) {
  const ValueRef x = op.value(0);
  const double infinity = std::numeric_limits<double>::infinity();
  const bool up = op.attr_i("detect_positive", 1) != 0, down = op.attr_i("detect_negative", 1) != 0;
  ValueRef out;
  if (up) out = op.binary(Binary::kEqual, x, infinity);
  if (down) {
    const ValueRef negative = op.binary(Binary::kEqual, x, -infinity);
    out = up ? op.binary(Binary::kOr, out, negative) : negative;
  }
  if (!up && !down) {
    const ValueRef above = op.binary(Binary::kGreater, x, infinity);  // never
    out = above;
  }
  op.set(0, out, Element::kBool);
}

}  // namespace antiphon::onnx
