// Network: nodes of a plug-in's operator.
#include "engine/ir/custom_op.h"
#include "engine/network/impl.h"

namespace antiphon {

std::vector<Value> Network::custom(const std::shared_ptr<const ir::CustomOp>& op,
                                   std::span<const Value> inputs, const Attributes& attributes) {
  if (!op) {
    impl_->fail("custom", not_found("the operator is null: no plug-in that was loaded has it"));
    return {};
  }
  ir::Node node;
  node.op = ir::OpKind::kCustom;
  node.custom = op;
  for (const auto& [name, value] : attributes) node.attrs.set(name, value);
  node.attrs.set("operator", op->name);
  node.outputs.assign(static_cast<std::size_t>(op->num_outputs), ir::kNoValue);
  std::string base = op->name.substr(op->name.rfind(':') + 1);
  return impl_->add_node(std::move(node), base, {inputs.begin(), inputs.end()});
}

}  // namespace antiphon
