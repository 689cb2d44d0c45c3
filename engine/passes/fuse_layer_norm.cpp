// layer_norm(a + b) reads a and b itself.
#include "engine/ir/dims.h"
#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

bool try_node(ir::Graph& graph, const Uses& uses, int index) {
  ir::Node& node = node_at(graph, index);
  if (node.op != ir::OpKind::kLayerNorm || input_at(node, 3) != ir::kNoValue) return false;
  const ir::Node* sum = made_by(graph, uses, node.inputs[0], ir::OpKind::kBinary);
  if (!sum || sum->attrs.i("op") != static_cast<int>(Binary::kAdd) || !uses.single(node.inputs[0]))
    return false;
  const Shape& shape = info_of(graph, sum->outputs[0]).shape;
  for (const ir::ValueId id : sum->inputs)
    if (!ir::same_shape(info_of(graph, id).shape, shape)) return false;
  const ir::ValueId a = sum->inputs[0], b = sum->inputs[1];
  node.inputs[0] = a;
  set_input(node, 3, b);
  remove_node(graph, uses.maker(sum->outputs[0]));
  return true;
}

}  // namespace

Result<bool> fuse_layer_norm(ir::Graph& graph) { return rewrite_all(graph, try_node); }

}  // namespace antiphon::passes
