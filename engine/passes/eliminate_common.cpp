// Merges nodes, and constants, that are the same.
#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

bool same_constant(const ir::ValueInfo& a, const ir::ValueInfo& b) {
  if (a.shape != b.shape) return false;
  return a.constant.data == b.constant.data ||
         std::memcmp(a.constant.data, b.constant.data, a.constant.bytes) == 0;
}

// Equal constants have equal ones: type, bytes, and a few of them spread over the whole.
std::string fingerprint(const ir::ValueInfo& info) {
  constexpr std::size_t kSamples = 16, kWidth = 8;
  const std::size_t bytes = info.constant.bytes;
  const auto* data = static_cast<const char*>(info.constant.data);
  std::string print = std::to_string(static_cast<int>(info.dtype)) + ":" + std::to_string(bytes);
  for (std::size_t i = 0; i < kSamples && bytes >= kWidth; ++i)
    print.append(data + (bytes - kWidth) / (kSamples - 1) * i, kWidth);
  return print;
}

bool merge_constants(ir::Graph& graph) {
  bool changed = false;
  const Uses uses(graph);
  std::map<std::string, std::vector<ir::ValueId>> kept;
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    const auto id = static_cast<ir::ValueId>(i);
    if (!is_constant(graph, id) || uses.unused(id)) continue;
    std::vector<ir::ValueId>& alike = kept[fingerprint(info_of(graph, id))];
    const auto same = std::find_if(alike.begin(), alike.end(), [&](ir::ValueId other) {
      return same_constant(info_of(graph, other), info_of(graph, id));
    });
    if (same == alike.end()) {
      alike.push_back(id);
      continue;
    }
    replace_uses(graph, id, *same);
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
