// Concrete shapes and numbers for the reference interpreter's operators.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/ir/op_enums.h"
#include "tests/support/reference_ops.h"

namespace antiphon::test {

// Dims of the outputs by the shape rule, which tests of its own pin down.
std::vector<std::vector<std::int64_t>> inferred_dims(const ir::Node& node, const Ins& in);
// The attribute `extents`, evaluated apart from the engine's evaluator.
std::vector<std::int64_t> extent_list(const ir::Node& node, const Ins& in);

}  // namespace antiphon::test
