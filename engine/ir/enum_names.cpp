// Names of the operations that attributes hold as numbers.
#include "engine/ir/enum_names.h"

#include <array>
#include <cstddef>

namespace antiphon::ir {
namespace {

constexpr std::array<std::string_view, kNumUnary> kUnaryNames = {
    "neg",  "abs", "exp", "log", "sqrt",  "rsqrt", "reciprocal", "tanh", "sigmoid",   "relu",
    "gelu", "erf", "sin", "cos", "floor", "not",   "relu6",      "silu", "hard_swish"};
constexpr std::array<std::string_view, kNumBinary> kBinaryNames = {
    "add", "sub", "mul", "div", "max", "min", "pow", "equal", "less", "greater", "and", "or"};
constexpr std::array<std::string_view, kNumReduce> kReduceNames = {"sum", "mean", "max", "argmax"};

template <std::size_t N>
std::string_view pick(const std::array<std::string_view, N>& names, std::int64_t op) {
  if (op < 0 || op >= static_cast<std::int64_t>(N)) return "?";
  return names[static_cast<std::size_t>(op)];
}

}  // namespace

std::string_view unary_name(std::int64_t op) { return pick(kUnaryNames, op); }
std::string_view binary_name(std::int64_t op) { return pick(kBinaryNames, op); }
std::string_view reduce_name(std::int64_t op) { return pick(kReduceNames, op); }

std::string enum_attr_name(OpKind op, std::string_view attr, std::int64_t value) {
  if (attr == "act" || attr == "act2") return std::string(unary_name(value));
  if (attr == "dtype")
    return std::string(value < 0 || value > 255 ? "?" : dtype_name(static_cast<DType>(value)));
  if (attr != "op") return {};
  if (op == OpKind::kUnary) return std::string(unary_name(value));
  if (op == OpKind::kBinary) return std::string(binary_name(value));
  if (op == OpKind::kReduce) return std::string(reduce_name(value));
  return {};
}

}  // namespace antiphon::ir
