// The shape rule of operators that come with plug-ins.
#include "engine/ir/custom_op.h"

#include "engine/ir/schema_rules.h"

namespace antiphon::ir {

Types custom_rule(const Node& node, In in) {
  const std::string name = node.attrs.s("operator");
  if (!node.custom) return not_found("operator " + name + ": no plug-in that has it is loaded");
  const CustomOp& op = *node.custom;
  const auto given = static_cast<int>(in.size());
  if (given < op.min_inputs || given > op.max_inputs)
    return invalid_argument("operator " + op.name + ": inputs: wanted " +
                            std::to_string(op.min_inputs) + " to " + std::to_string(op.max_inputs) +
                            ", got " + std::to_string(given));
  if (static_cast<int>(node.outputs.size()) != op.num_outputs)
    return invalid_argument("operator " + op.name + ": outputs: wanted " +
                            std::to_string(op.num_outputs) + ", got " +
                            std::to_string(node.outputs.size()));
  return op.infer(node, in);
}

}  // namespace antiphon::ir
