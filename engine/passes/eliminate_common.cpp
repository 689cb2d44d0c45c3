// Merges nodes, and small constants, that are the same.
#include <cstring>
#include <map>
#include <utility>

#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

constexpr std::size_t kSmallBytes =
    4096;  // larger constants are merged only when they share memory

bool same_constant(const ir::ValueInfo& a, const ir::ValueInfo& b) {
  if (a.dtype != b.dtype || a.shape != b.shape || a.constant.bytes != b.constant.bytes)
    return false;
  if (a.constant.data == b.constant.data) return true;
  return a.constant.bytes <= kSmallBytes &&
         std::memcmp(a.constant.data, b.constant.data, a.constant.bytes) == 0;
}

bool merge_constants(ir::Graph& graph) {
  bool changed = false;
  const Uses uses(graph);
  std::vector<ir::ValueId> kept;
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    const auto id = static_cast<ir::ValueId>(i);
    if (!is_constant(graph, id) || uses.unused(id)) continue;
    ir::ValueId same = ir::kNoValue;
    for (const ir::ValueId other : kept)
      if (same_constant(info_of(graph, other), info_of(graph, id))) same = other;
    if (same == ir::kNoValue) {
      kept.push_back(id);
      continue;
    }
    replace_uses(graph, id, same);
    changed = true;
  }
  return changed;
}

bool same_node(const ir::Node& a, const ir::Node& b) {
  return a.op == b.op && !a.body && !b.body && a.inputs == b.inputs && a.attrs == b.attrs &&
         a.pointwise == b.pointwise && a.outputs.size() == b.outputs.size();
}

}  // namespace

Result<bool> eliminate_common(ir::Graph& graph) {
  bool changed = merge_constants(graph);
  std::map<std::pair<ir::OpKind, ir::ValueId>, std::vector<std::size_t>>
      seen;  // by op and first input
  std::vector<bool> dead(graph.nodes.size(), false);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const ir::Node& node = graph.nodes[n];
    auto& candidates = seen[{node.op, input_at(node, 0)}];
    for (const std::size_t other : candidates) {
      if (!same_node(graph.nodes[other], node)) continue;
      for (std::size_t i = 0; i < node.outputs.size(); ++i)
        replace_uses(graph, node.outputs[i], graph.nodes[other].outputs[i]);
      dead[n] = changed = true;
      break;
    }
    if (!dead[n]) candidates.push_back(n);
  }
  remove_nodes(graph, dead);
  return changed;
}

}  // namespace antiphon::passes
