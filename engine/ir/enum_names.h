// Names of the operations that attributes hold as numbers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/ir/graph.h"

namespace antiphon::ir {

constexpr int kNumUnary = static_cast<int>(Unary::kHardSwish) + 1;
constexpr int kNumBinary = static_cast<int>(Binary::kOr) + 1;
constexpr int kNumReduce = static_cast<int>(Reduce::kArgMax) + 1;

// "?" when out of range.
std::string_view unary_name(std::int64_t op);
std::string_view binary_name(std::int64_t op);
std::string_view reduce_name(std::int64_t op);
// The name of an attribute's value ("op=tanh", "act=relu", "dtype=i8"); empty: a plain number.
std::string enum_attr_name(OpKind op, std::string_view attr, std::int64_t value);

}  // namespace antiphon::ir
