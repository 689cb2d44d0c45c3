// x * sigmoid(x), as exporters write SiLU (Swish), and a clamp to [0, 6] become one unary each,
// which a layer before them can take.
#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

using ir::Node;
using ir::OpKind;
using ir::ValueId;

bool make_unary(ir::Graph& graph, int index, Unary unary, ValueId x) {
  Node node;
  node.op = OpKind::kUnary;
  node.name = node_at(graph, index).name;
  node.inputs = {x};
  node.outputs = node_at(graph, index).outputs;
  node.attrs.set("op", static_cast<std::int64_t>(unary));
  node_at(graph, index) = std::move(node);
  return true;
}

bool is_sigmoid_of(const ir::Graph& graph, const Uses& uses, ValueId id, ValueId x) {
  const Node* node = made_by(graph, uses, id, OpKind::kUnary);
  return node && node->attrs.i("op") == static_cast<std::int64_t>(Unary::kSigmoid) &&
         node->inputs[0] == x;
}

bool try_node(ir::Graph& graph, const Uses& uses, int index) {
  const Node& node = node_at(graph, index);
  if (info_of(graph, node.outputs[0]).dtype != DType::kF32) return false;
  if (node.op == OpKind::kClamp && node.attrs.f("low") == 0 && node.attrs.f("high") == 6)
    return make_unary(graph, index, Unary::kRelu6, node.inputs[0]);
  if (node.op != OpKind::kBinary || node.attrs.i("op") != static_cast<int>(Binary::kMul))
    return false;
  for (const std::size_t side : {0u, 1u})
    if (const ValueId x = node.inputs[side]; is_sigmoid_of(graph, uses, node.inputs[1 - side], x))
      return make_unary(graph, index, Unary::kSilu, x);
  return false;
}

}  // namespace

// The matched nodes stay until eliminate_dead.
Result<bool> fuse_silu(ir::Graph& graph) { return rewrite_all(graph, try_node); }

}  // namespace antiphon::passes
