// Point-wise programs read columns of a wider value where they lie: the slice is not run.
#include <algorithm>
#include <cstddef>

#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

using ir::Node;
using ir::OpKind;
using ir::ValueId;

// The slice of columns that makes the value for programs alone.
const Node* columns(const ir::Graph& graph, const Uses& uses, ValueId id) {
  const Node* slice = made_by(graph, uses, id, OpKind::kSlice);
  if (!slice || slice->attrs.i("view") != 0 || uses.num_results(id) != 0) return nullptr;
  const Shape &x = info_of(graph, slice->inputs[0]).shape, &y = info_of(graph, id).shape;
  const std::int64_t axis = slice->attrs.i("axis");
  if (axis != -1 && axis + 1 != static_cast<std::int64_t>(x.size())) return nullptr;
  if (!x.back().is_static() || !y.back().is_static() || y.back().extent < kLeastPart ||
      slice->attrs.i("begin") < 0)
    return nullptr;
  const auto is_program = [&](int reader) {
    return graph.nodes[static_cast<std::size_t>(reader)].op == OpKind::kPointwise;
  };
  const std::vector<int>& readers = uses.readers(id);
  return std::all_of(readers.begin(), readers.end(), is_program) ? slice : nullptr;
}

bool try_node(ir::Graph& graph, const Uses& uses, int index) {
  Node& node = node_at(graph, index);
  if (node.op != OpKind::kPointwise) return false;
  const Shape& out = info_of(graph, node.outputs[0]).shape;
  if (out.empty() || !out.back().is_static()) return false;
  std::vector<std::int64_t> parts = node.attrs.ints("parts");
  parts.resize(node.inputs.size(), -1);
  bool changed = false;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const Node* slice = parts[i] < 0 ? columns(graph, uses, node.inputs[i]) : nullptr;
    if (!slice || info_of(graph, node.inputs[i]).shape.back() != out.back()) continue;
    parts[i] = slice->attrs.i("begin");
    node.inputs[i] = slice->inputs[0];
    changed = true;
  }
  if (!changed) return false;
  node.attrs.set("parts", std::move(parts));
  node.attrs.set("part_width", out.back().extent);
  return true;
}

}  // namespace

// The slices stay until eliminate_dead.
Result<bool> read_parts(ir::Graph& graph) { return rewrite_all(graph, try_node); }

}  // namespace antiphon::passes
