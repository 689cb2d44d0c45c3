// Removes nodes that nothing reads, invariants that a loop body does not read, and the bytes of
// constants that are left over.
#include <utility>

#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

// Drops unread invariant inputs of a loop, outside and inside.
bool trim_invariants(ir::Node& loop) {
  const Uses uses(*loop.body);
  const auto first =
      static_cast<std::size_t>(loop.attrs.i("num_carried") + loop.attrs.i("num_scanned"));
  bool changed = false;
  for (std::size_t i = loop.inputs.size(); i-- > first;) {
    if (!uses.unused(loop.body->inputs[i])) continue;
    // The value stays behind as an orphan, not an input.
    loop.body->values[static_cast<std::size_t>(loop.body->inputs[i])].kind = ir::ValueKind::kTemp;
    loop.body->inputs.erase(loop.body->inputs.begin() + static_cast<std::ptrdiff_t>(i));
    loop.inputs.erase(loop.inputs.begin() + static_cast<std::ptrdiff_t>(i));
    changed = true;
  }
  return changed;
}

// Plans keep no bytes that nothing reads.
void release_constants(ir::Graph& graph) {
  const Uses uses(graph);
  for (std::size_t v = 0; v < graph.values.size(); ++v) {
    ir::ValueInfo& info = graph.values[v];
    if (info.kind != ir::ValueKind::kConstant || !uses.unused(static_cast<ir::ValueId>(v)))
      continue;
    info.kind = ir::ValueKind::kTemp;
    info.constant = {};
  }
}

}  // namespace

Result<bool> eliminate_dead(ir::Graph& graph) {
  bool changed = false;
  for (ir::Node& node : graph.nodes)
    if (node.body) changed = trim_invariants(node) || changed;
  for (bool again = true; again;) {
    const Uses uses(graph);
    std::vector<bool> dead(graph.nodes.size(), true);
    again = false;
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      for (const ir::ValueId id : graph.nodes[n].outputs)
        if (!uses.unused(id)) dead[n] = false;
      again = again || dead[n];
    }
    if (again) remove_nodes(graph, dead);
    changed = changed || again;
  }
  release_constants(graph);
  return changed;
}

}  // namespace antiphon::passes
