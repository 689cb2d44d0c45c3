// transpose(transpose(x)) and reshape(reshape(x)) become one, or none.
#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

bool try_node(ir::Graph& graph, const Uses& uses, int index) {
  ir::Node& node = node_at(graph, index);
  if (node.op != ir::OpKind::kTranspose && node.op != ir::OpKind::kReshape) return false;
  const ir::Node* inner = made_by(graph, uses, node.inputs[0], node.op);
  if (!inner) return false;
  if (node.op == ir::OpKind::kTranspose) {
    const std::vector<std::int64_t> first = inner->attrs.ints("order");
    std::vector<std::int64_t> order = node.attrs.ints("order");
    for (std::int64_t& axis : order) axis = first[static_cast<std::size_t>(axis)];
    node.attrs.set("order", std::move(order));
  } else {
    // A kept axis (0) of the outer one must be one that the inner one keeps too.
    const std::vector<std::int64_t> outer = node.attrs.ints("dims"),
                                    first = inner->attrs.ints("dims");
    for (std::size_t i = 0; i < outer.size(); ++i)
      if (outer[i] == 0 && first[i] != 0) return false;
  }
  node.inputs[0] = inner->inputs[0];
  return true;
}

}  // namespace

Result<bool> cancel_transposes(ir::Graph& graph) { return rewrite_all(graph, try_node); }

}  // namespace antiphon::passes
