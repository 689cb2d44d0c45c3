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
  // Signed bytes, one scale for each row of the weights or for all.
  if (info_of(graph, expand->inputs[0]).dtype != DType::kI8 || expand->attrs.i("zero") != 0)
    return false;
  const ir::ValueId bytes = expand->inputs[0], scale = expand->inputs[1];
  const Dim rows = info_of(graph, bytes).shape[0], scales = info_of(graph, scale).shape[0];
  if (scales != Dim(1) && (scales != rows || expand->attrs.i("axis") != 0)) return false;
  set_input(node, 1, bytes);
  set_input(node, 2, row_scales(graph, scale, rows.extent));
  return true;
}

}  // namespace

Result<bool> fold_dequantize(ir::Graph& graph) { return rewrite_all(graph, try_node); }

}  // namespace antiphon::passes
