// An operator that the schema table does not know: its facts come with the node.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/ir/schema.h"

namespace antiphon::ir {

// Immutable, shared by every node that uses it. Any thread.
struct CustomOp {
  virtual ~CustomOp() = default;
  std::string name;  // "com.example::Snake"; plan files find it again by this
  int min_inputs = 0, max_inputs = 0, num_outputs = 1;
  // As Schema::infer. Called for symbolic and for static extents.
  virtual Result<std::vector<ValueType>> infer(const Node& node,
                                               std::span<const ValueType* const> inputs) const = 0;
};

}  // namespace antiphon::ir
