// A gate, activation(x w) * (x v): both products become one wide linear, and what is made of them
// reads slices of it, which read_parts leaves out. The activation is any chain of point-wise nodes.
#include <algorithm>
#include <utility>
#include <vector>

#include "engine/ir/dims.h"
#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"
#include "engine/passes/widen_linear.h"

namespace antiphon::passes {
namespace {

using ir::Node;
using ir::OpKind;
using ir::ValueId;

constexpr int kMostSteps = 32;  // of an activation: GELU by a tanh takes fifteen

bool is_step(OpKind op) {
  return op == OpKind::kUnary || op == OpKind::kBinary || op == OpKind::kClamp;
}

// The linear that the value is an activation of: point-wise nodes of one shape, whose other
// operands are numbers, lead to it alone. -1: none.
int activated(const ir::Graph& graph, const Uses& uses, ValueId id, int& steps) {
  const int maker = uses.maker(id);
  if (maker < 0 || ++steps > kMostSteps) return -1;
  const Node& node = graph.nodes[static_cast<std::size_t>(maker)];
  if (node.op == OpKind::kLinear) return maker;
  if (!is_step(node.op)) return -1;
  int found = -1;
  float value = 0;
  for (const ValueId input : node.inputs) {
    if (scalar_constant(graph, input, value)) continue;
    const int linear = activated(graph, uses, input, steps);
    if (linear < 0 || (found >= 0 && found != linear)) return -1;
    found = linear;
  }
  return found;
}

// Only point-wise nodes read the value.
bool feeds_steps(const ir::Graph& graph, const Uses& uses, ValueId id) {
  for (const int reader : uses.readers(id))
    if (!is_step(graph.nodes[static_cast<std::size_t>(reader)].op)) return false;
  return uses.num_results(id) == 0;
}

Node slice_of(const ir::Graph& graph, ValueId wide, ValueId part, std::int64_t begin) {
  Node slice;
  slice.op = OpKind::kSlice;
  slice.name = unique_node_name(graph, "slice");
  slice.inputs = {wide};
  slice.outputs = {part};
  const Shape& shape = info_of(graph, part).shape;
  slice.attrs.set("axis", static_cast<std::int64_t>(shape.size()) - 1);
  slice.attrs.set("begin", begin);
  slice.attrs.set("end", begin + shape.back().extent);
  return slice;
}

bool try_node(ir::Graph& graph, const Uses& uses, int index) {
  const Node& node = node_at(graph, index);
  if (node.op != OpKind::kBinary || node.attrs.i("op") != static_cast<int>(Binary::kMul))
    return false;
  int steps_a = 0, steps_b = 0;
  const int a = activated(graph, uses, node.inputs[0], steps_a);
  const int b = activated(graph, uses, node.inputs[1], steps_b);
  if (a < 0 || b < 0 || a == b) return false;
  const int first = std::min(a, b), second = std::max(a, b);
  const std::vector<const Node*> linears = {&node_at(graph, first), &node_at(graph, second)};
  const ValueId parts[] = {linears[0]->outputs[0], linears[1]->outputs[0]};
  const Shape& shape = info_of(graph, parts[0]).shape;
  if (!ir::same_shape(shape, info_of(graph, parts[1]).shape) || !shape.back().is_static() ||
      shape.back().extent < kLeastPart || !feeds_steps(graph, uses, parts[0]) ||
      !feeds_steps(graph, uses, parts[1]) || !can_widen(graph, linears))
    return false;
  const std::int64_t width = shape.back().extent;
  Node wide = widened(graph, linears, unique_node_name(graph, "gate"));
  const ValueId y = wide.outputs[0];
  node_at(graph, first) = slice_of(graph, y, parts[0], 0);
  node_at(graph, second) = slice_of(graph, y, parts[1], width);
  graph.nodes.insert(graph.nodes.begin() + first, std::move(wide));
  return true;
}

}  // namespace

Result<bool> fuse_gates(ir::Graph& graph) { return rewrite_all(graph, try_node); }

}  // namespace antiphon::passes
