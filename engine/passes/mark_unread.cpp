// A loop's final carried values that nobody reads: what only they are made of, its last step leaves
// out.
#include <cstdint>
#include <vector>

#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {

Result<bool> mark_unread(ir::Graph& graph) {
  const Uses uses(graph);
  bool changed = false;
  for (ir::Node& node : graph.nodes) {
    if (node.op != ir::OpKind::kLoop) continue;
    std::vector<std::int64_t> unread;
    for (std::int64_t i = 0; i < node.attrs.i("num_carried"); ++i)
      if (uses.unused(node.outputs[static_cast<std::size_t>(i)])) unread.push_back(i);
    if (unread == node.attrs.ints("unread")) continue;
    node.attrs.set("unread", std::move(unread));
    changed = true;
  }
  return changed;
}

}  // namespace antiphon::passes
