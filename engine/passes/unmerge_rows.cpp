// A linear between two reshapes, of which the first merged leading axes, keeps these axes: what
// stands on either side is then next to it, where other passes find it.
#include <vector>

#include "engine/ir/dims.h"
#include "engine/ir/op_enums.h"
#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

using ir::Node;
using ir::OpKind;

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

// The leading axes that the linear's rows were, and will be again: those of what was merged, or
// those that a reader splits them into. Empty: none.
Shape leading_axes(const ir::Graph& graph, const Uses& uses, const Node& merge, ir::ValueId y) {
  const Shape& x = info_of(graph, merge.inputs[0]).shape;
  const Shape& merged = info_of(graph, merge.outputs[0]).shape;
  if (x.size() < 3 || !is_static(x) || merged.size() != 2 || !is_static(merged)) return {};
  if (x.back() == merged[1]) return {x.begin(), x.end() - 1};
  const Node& reader = graph.nodes[static_cast<std::size_t>(uses.readers(y).front())];
  const Shape& split = info_of(graph, reader.outputs[0]).shape;
  if (split.size() < 3 || split.back() != info_of(graph, y).shape.back()) return {};
  return {split.begin(), split.end() - 1};
}

std::vector<std::int64_t> numbers(const Shape& shape) {
  std::vector<std::int64_t> out;
  for (const Dim& dim : shape) out.push_back(dim.extent);
  return out;
}

// x in this shape, by a reshape before the node at `index` where it has another.
ir::ValueId in_shape(ir::Graph& graph, int index, ir::ValueId x, const Shape& shape) {
  if (ir::same_shape(info_of(graph, x).shape, shape)) return x;
  Node reshape;
  reshape.op = OpKind::kReshape;
  reshape.name = unique_node_name(graph, "rows");
  reshape.inputs = {x};
  reshape.attrs.set("dims", numbers(shape));
  const ir::ValueId out = add_like(graph, x, reshape.name);
  graph.values[static_cast<std::size_t>(out)].shape = shape;
  reshape.outputs = {out};
  graph.nodes.insert(graph.nodes.begin() + index, std::move(reshape));
  return out;
}

// Where the extents are open: every reader splits the rows as they were before.
bool try_open(ir::Graph& graph, const Uses& uses, int index) {
  const Node& linear = node_at(graph, index);
  const Node* merge = made_by(graph, uses, linear.inputs[0], OpKind::kReshape);
  const ir::ValueId y = linear.outputs[0], x = merge->inputs[0];
  Shape shape = info_of(graph, x).shape;
  if (shape.size() < 3 || shape.back() != info_of(graph, linear.inputs[0]).shape.back() ||
      uses.num_results(y) != 0 || uses.readers(y).empty())
    return false;
  shape.back() = info_of(graph, y).shape.back();
  for (const int reader : uses.readers(y)) {
    const Node& node = node_at(graph, reader);
    if ((node.op != OpKind::kReshape && node.op != ir::kOpReshapeTo) || node.inputs[0] != y ||
        !ir::same_shape(info_of(graph, node.outputs[0]).shape, shape))
      return false;
  }
  graph.values[static_cast<std::size_t>(y)].shape = std::move(shape);
  node_at(graph, index).inputs[0] = x;
  return true;  // the readers hand on what they get
}

bool try_node(ir::Graph& graph, const Uses& uses, int index) {
  const Node& linear = node_at(graph, index);
  if (linear.op != OpKind::kLinear || input_at(linear, kResidual) != ir::kNoValue) return false;
  const Node* merge = made_by(graph, uses, linear.inputs[0], OpKind::kReshape);
  const ir::ValueId y = linear.outputs[0];
  if (!merge) return false;
  if (!is_only_reshaped(graph, uses, y)) return try_open(graph, uses, index);
  Shape shape = leading_axes(graph, uses, *merge, y);
  if (shape.empty()) return try_open(graph, uses, index);
  for (const int reader : uses.readers(y)) {  // where 0 and -1 spoke of other axes
    Node& reshape = node_at(graph, reader);
    reshape.attrs.set("dims", numbers(info_of(graph, reshape.outputs[0]).shape));
  }
  shape.push_back(info_of(graph, merge->outputs[0]).shape[1]);
  const Dim outputs = info_of(graph, y).shape.back();
  const ir::ValueId before = merge->inputs[0];
  const ir::ValueId x = in_shape(graph, index, before, shape);
  node_at(graph, x == before ? index : index + 1).inputs[0] = x;
  shape.back() = outputs;
  graph.values[static_cast<std::size_t>(y)].shape = std::move(shape);
  return true;
}

}  // namespace

Result<bool> unmerge_rows(ir::Graph& graph) { return rewrite_all(graph, try_node); }

}  // namespace antiphon::passes
