// Linears that read one small x become one wide linear; slices of it take their places. In a loop,
// what its last step need not make stays apart from what it must.
#include <utility>
#include <vector>

#include "engine/ir/last_step.h"
#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"
#include "engine/passes/widen_linear.h"

namespace antiphon::passes {
namespace {

// made: by value, in a loop's last step; empty: no loop.
bool try_node(ir::Graph& graph, const Uses& uses, const std::vector<bool>& made, int index) {
  const ir::Node& first = node_at(graph, index);
  if (first.op != ir::OpKind::kLinear) return false;
  const auto made_late = [&](const ir::Node& node) {
    return made.empty() || made[static_cast<std::size_t>(node.outputs[0])];
  };
  // [B, K]: weights are what is read, and a slice costs next to nothing. Longer x are left alone.
  if (info_of(graph, first.inputs[0]).shape.size() > 2) return false;
  std::vector<int> members = {index};
  std::vector<const ir::Node*> linears = {&first};
  if (!can_widen(graph, linears)) return false;
  for (const int reader : uses.readers(first.inputs[0])) {
    const ir::Node& other = node_at(graph, reader);
    if (reader <= index || other.op != ir::OpKind::kLinear || other.inputs[0] != first.inputs[0] ||
        made_late(other) != made_late(first))
      continue;
    linears.push_back(&other);
    if (can_widen(graph, linears) && members.back() != reader)
      members.push_back(reader);
    else
      linears.pop_back();
  }
  if (linears.size() < 2) return false;
  ir::Node wide = widened(graph, linears, unique_node_name(graph, "siblings"));
  const ir::ValueId y = wide.outputs[0];
  const auto axis = static_cast<std::int64_t>(info_of(graph, y).shape.size()) - 1;
  std::int64_t begin = 0;
  for (const int member : members) {
    ir::Node slice;
    slice.op = ir::OpKind::kSlice;
    slice.name = unique_node_name(graph, "slice");
    slice.inputs = {y};
    slice.outputs = node_at(graph, member).outputs;
    const std::int64_t end = begin + info_of(graph, slice.outputs[0]).shape.back().extent;
    slice.attrs.set("axis", axis);
    slice.attrs.set("begin", std::exchange(begin, end));
    slice.attrs.set("end", end);
    node_at(graph, member) = std::move(slice);
  }
  graph.nodes.insert(graph.nodes.begin() + index, std::move(wide));
  return true;
}

bool fuse_all(ir::Graph& graph, const ir::Node* loop) {
  bool changed = false;
  for (bool again = true; again;) {
    again = false;
    const Uses uses(graph);
    const std::vector<bool> made = loop ? ir::made_in_last_step(*loop) : std::vector<bool>{};
    for (int n = 0; n < static_cast<int>(graph.nodes.size()) && !again; ++n)
      again = try_node(graph, uses, made, n);
    changed = changed || again;
  }
  for (const ir::Node& node : graph.nodes)
    if (node.body) changed = fuse_all(*node.body, &node) || changed;
  return changed;
}

}  // namespace

Result<bool> fuse_siblings(ir::Graph& graph) { return fuse_all(graph, nullptr); }

}  // namespace antiphon::passes
