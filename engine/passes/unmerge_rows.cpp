// A linear between two reshapes, of which the first merged the leading axes of x, reads x itself:
// what stands on either side is then next to it, where other passes find it.
#include <vector>

#include "engine/ir/dims.h"
#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

using ir::Node;
using ir::OpKind;

constexpr std::size_t kResidual = 4;

// Numbers, none of them 0, which says something else in a reshape.
bool is_static(const Shape& shape) {
  for (const Dim& dim : shape)
    if (!dim.is_static() || dim.extent == 0) return false;
  return true;
}

// Only reshapes to extents that are numbers read the value.
bool is_only_reshaped(const ir::Graph& graph, const Uses& uses, ir::ValueId id) {
  if (uses.num_results(id) != 0) return false;
  for (const int reader : uses.readers(id)) {
    const Node& node = graph.nodes[static_cast<std::size_t>(reader)];
    if (node.op != OpKind::kReshape || !is_static(info_of(graph, node.outputs[0]).shape))
      return false;
  }
  return !uses.readers(id).empty();
}

bool try_node(ir::Graph& graph, const Uses& uses, int index) {
  Node& linear = node_at(graph, index);
  if (linear.op != OpKind::kLinear || input_at(linear, kResidual) != ir::kNoValue) return false;
  const Node* merge = made_by(graph, uses, linear.inputs[0], OpKind::kReshape);
  if (!merge) return false;
  const ir::ValueId x = merge->inputs[0], y = linear.outputs[0];
  Shape shape = info_of(graph, x).shape;
  const Shape& merged = info_of(graph, merge->outputs[0]).shape;
  if (shape.size() < 3 || !is_static(shape) || merged.size() != 2 || merged[1] != shape.back() ||
      !is_only_reshaped(graph, uses, y))
    return false;
  shape.back() = info_of(graph, y).shape.back();
  linear.inputs[0] = x;
  graph.values[static_cast<std::size_t>(y)].shape = std::move(shape);
  for (const int reader : uses.readers(y)) {
    Node& reshape = node_at(graph, reader);
    std::vector<std::int64_t> dims;
    for (const Dim& dim : info_of(graph, reshape.outputs[0]).shape) dims.push_back(dim.extent);
    reshape.attrs.set("dims", dims);
  }
  return true;
}

}  // namespace

Result<bool> unmerge_rows(ir::Graph& graph) { return rewrite_all(graph, try_node); }

}  // namespace antiphon::passes
