// The q, k and v products of one x become one product, which attention reads packed.
#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"
#include "engine/passes/widen_linear.h"

namespace antiphon::passes {
namespace {

bool try_node(ir::Graph& graph, const Uses& uses, int index) {
  const ir::Node& attention = node_at(graph, index);
  if (attention.op != ir::OpKind::kAttention || attention.attrs.i("packed") != 0) return false;
  std::vector<const ir::Node*> linears;
  for (std::size_t i = 0; i < 3; ++i) {
    const ir::Node* linear = made_by(graph, uses, attention.inputs[i], ir::OpKind::kLinear);
    if (!linear || !uses.single(attention.inputs[i])) return false;
    linears.push_back(linear);
  }
  if (!can_widen(graph, linears)) return false;
  ir::Node wide = widened(graph, linears, unique_node_name(graph, "qkv"));
  ir::Node& packed = node_at(graph, index);
  const ir::ValueId mask = input_at(packed, 3);
  packed.inputs = {wide.outputs[0]};
  if (mask != ir::kNoValue) set_input(packed, 3, mask);
  packed.attrs.set("packed", std::int64_t{1});
  graph.nodes.insert(graph.nodes.begin() + index, std::move(wide));
  return true;
}

}  // namespace

// The three products stay until eliminate_dead.
Result<bool> fuse_qkv(ir::Graph& graph) { return rewrite_all(graph, try_node); }

}  // namespace antiphon::passes
