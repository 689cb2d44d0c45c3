// The one table of operator facts: arity, types, attributes, shape rule. Read by verifier,
// importer, passes and runtime.
#pragma once

#include <span>
#include <vector>

#include "engine/base/status.h"
#include "engine/ir/graph.h"

namespace antiphon::ir {

// What a shape rule sees and gives back: types and shapes, static or symbolic.
struct ValueType {
  DType dtype = DType::kF32;
  Shape shape;
};

struct Schema {
  OpKind op;
  const char* name;
  int min_inputs, max_inputs;  // -1: any number
  int min_outputs, max_outputs;
  std::vector<const char*> attrs;  // allowed names
  // inputs: absent ones are null, or left off at the end. Errors name what was wanted and got, not
  // the node.
  Result<std::vector<ValueType>> (*infer)(const Node& node,
                                          std::span<const ValueType* const> inputs);
};

const Schema& schema(OpKind op);

// Types and shapes of the node's outputs, checked. With all-static inputs the result is all static:
// the runtime calls this once for each new combination of extents.
Result<std::vector<ValueType>> infer_outputs(const Node& node,
                                             std::span<const ValueType* const> inputs);

// Checks the whole graph: arity, attributes, topological order, types and shapes equal to what the
// rules infer (a recorded extent may be unknown or its own), states updated once, bodies closed.
// The error names graph, node and field.
Status verify(const Graph& graph);

}  // namespace antiphon::ir
