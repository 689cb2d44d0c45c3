// Bytes that are only moved, or whose maxima are taken, become numbers before that instead of
// behind it: then a Dequantize stands next to the Quantize that made its bytes, where fold_quantize
// finds it, and the moving node is one of numbers as any other.
#include <vector>

#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

using ir::Node;
using ir::OpKind;

// True: both make the same numbers of the same bytes, one scale for all of them.
bool same_numbers(const ir::Graph& graph, const Node& a, const Node& b) {
  float x = 0, y = 0;
  return b.op == OpKind::kDequantize && scalar_constant(graph, a.inputs[1], x) &&
         scalar_constant(graph, b.inputs[1], y) && x > 0 && x == y &&
         a.attrs.i("zero") == b.attrs.i("zero");
}

// All readers make the same numbers of the value.
bool becomes_numbers(const ir::Graph& graph, const Uses& uses, ir::ValueId id) {
  if (uses.readers(id).empty() || uses.num_results(id) != 0) return false;
  const Node& first = graph.nodes[static_cast<std::size_t>(uses.readers(id).front())];
  for (const int reader : uses.readers(id))
    if (!same_numbers(graph, first, graph.nodes[static_cast<std::size_t>(reader)])) return false;
  return true;
}

bool try_node(ir::Graph& graph, const Uses& uses, int index) {
  const Node& move = node_at(graph, index);
  if (!gives_what_it_gets(move) || is_constant(graph, move.inputs[0])) return false;
  const ir::ValueId from = move.inputs[0], to = move.outputs[0];
  const DType dtype = info_of(graph, from).dtype;
  if ((dtype != DType::kU8 && dtype != DType::kI8) || !becomes_numbers(graph, uses, to))
    return false;
  const Node& behind = node_at(graph, uses.readers(to).front());
  Node before;
  before.op = OpKind::kDequantize;
  before.name = unique_node_name(graph, behind.name);
  before.inputs = {from, behind.inputs[1]};
  before.attrs = behind.attrs;
  const ir::ValueId wide = add_like(graph, from, info_of(graph, from).name + ".wide");
  graph.values[static_cast<std::size_t>(wide)].dtype = DType::kF32;
  graph.values[static_cast<std::size_t>(to)].dtype = DType::kF32;
  before.outputs = {wide};
  set_input(node_at(graph, index), 0, wide);
  std::vector<bool> dead(graph.nodes.size(), false);
  for (const int reader : uses.readers(to)) {
    dead[static_cast<std::size_t>(reader)] = true;
    replace_uses(graph, node_at(graph, reader).outputs[0], to);
  }
  remove_nodes(graph, dead);  // all of them behind the move
  graph.nodes.insert(graph.nodes.begin() + index, std::move(before));
  return true;
}

}  // namespace

Result<bool> lift_dequantize(ir::Graph& graph) { return rewrite_all(graph, try_node); }

}  // namespace antiphon::passes
