// Linears that read one small x become one wide linear; slices of it take their places.
#include <utility>

#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"
#include "engine/passes/widen_linear.h"

namespace antiphon::passes {
namespace {

bool try_node(ir::Graph& graph, const Uses& uses, int index) {
  const ir::Node& first = node_at(graph, index);
  if (first.op != ir::OpKind::kLinear) return false;
  // [B, K]: weights are what is read, and a slice costs next to nothing. Longer x are left alone.
  if (info_of(graph, first.inputs[0]).shape.size() > 2) return false;
  std::vector<int> members = {index};
  std::vector<const ir::Node*> linears = {&first};
  if (!can_widen(graph, linears)) return false;
  for (const int reader : uses.readers(first.inputs[0])) {
    const ir::Node& other = node_at(graph, reader);
    if (reader <= index || other.op != ir::OpKind::kLinear || other.inputs[0] != first.inputs[0])
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

}  // namespace

Result<bool> fuse_siblings(ir::Graph& graph) { return rewrite_all(graph, try_node); }

}  // namespace antiphon::passes
