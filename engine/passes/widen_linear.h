// One linear made of several that read the same x: their constant weights, one below the other.
#pragma once

#include <vector>

#include "engine/ir/graph.h"

namespace antiphon::passes {

// True when the linears have constant weights of one type and width, the same x, and no residual or
// activation, so that they can be one.
bool can_widen(const ir::Graph& graph, const std::vector<const ir::Node*>& linears);
// The wide linear: inputs and outputs are set, its value is added, the node is not.
ir::Node widened(ir::Graph& graph, const std::vector<const ir::Node*>& linears,
                 const std::string& name);

}  // namespace antiphon::passes
