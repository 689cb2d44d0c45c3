// Concrete extents of every value of a graph for one combination of its symbols.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/base/status.h"
#include "engine/ir/graph.h"
#include "engine/kernels/kernel.h"

namespace antiphon::plan {

using Extents = std::map<std::string, std::int64_t>;

// The symbols of the graph's inputs and states, sorted.
std::vector<std::string> symbols_of(const ir::Graph& graph);

// A tensor for every value, data null but for constants (borrowed from the graph). Values that no
// node produces and nothing uses have rank -1.
// kInvalidArgument: a symbol without an extent, or a shape rule that fails; names the node.
Result<std::vector<Tensor>> resolve(const ir::Graph& graph, const Extents& extents);

// Text of a shape with types, for keys and messages: "f32[1,80,12]".
std::string describe(const Tensor& tensor);

}  // namespace antiphon::plan
