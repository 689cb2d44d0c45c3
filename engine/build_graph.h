// The way from a graph to a plan, which all kinds of networks share. Not for other layers.
#pragma once

#include <memory>

#include "engine/engine.h"
#include "engine/ir/graph.h"

namespace antiphon {

Result<std::shared_ptr<const Plan>> build_graph(ir::Graph graph, const BuildOptions& options);

}  // namespace antiphon
