// int8 weights with scales go into the nodes that take them as they are.
#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

bool try_node(ir::Graph& graph, const Uses& uses, int index) {
  ir::Node& node = node_at(graph, index);
  if (node.op != ir::OpKind::kLinear && node.op != ir::OpKind::kConv &&
      node.op != ir::OpKind::kEmbedding)
    return false;
  const ir::Node* expand = made_by(graph, uses, input_at(node, 1), ir::OpKind::kDequantize);
  if (!expand || !is_constant(graph, expand->inputs[0]) || !is_constant(graph, expand->inputs[1]))
    return false;
  // Signed bytes, one scale for each row of the weights.
  if (info_of(graph, expand->inputs[0]).dtype != DType::kI8 || expand->attrs.i("zero") != 0)
    return false;
  if (expand->attrs.i("axis") != 0 ||
      info_of(graph, expand->inputs[1]).shape[0] != info_of(graph, expand->inputs[0]).shape[0])
    return false;
  set_input(node, 1, expand->inputs[0]);
  set_input(node, 2, expand->inputs[1]);
  return true;
}

}  // namespace

Result<bool> fold_dequantize(ir::Graph& graph) { return rewrite_all(graph, try_node); }

}  // namespace antiphon::passes
