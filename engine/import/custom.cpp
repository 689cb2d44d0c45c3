// Operators of plug-ins: the node goes into the graph as it is.
#include "engine/import/custom.h"

#include "engine/import/importer.h"
#include "engine/import/onnx.pb.h"
#include "engine/ir/custom_op.h"

namespace antiphon::onnx {
namespace {

using onnx_wire::AttributeProto;

// AttributeProto.AttributeType
constexpr int kFloat = 1, kInt = 2, kString = 3, kInts = 7;

// False: of a kind that the plug-in interface does not carry.
bool take_attr(const AttributeProto& attr, ir::Attrs& out) {
  switch (attr.type()) {
    case kFloat: out.set(attr.name(), static_cast<double>(attr.f())); return true;
    case kInt: out.set(attr.name(), static_cast<std::int64_t>(attr.i())); return true;
    case kString: out.set(attr.name(), attr.s()); return true;
    case kInts:
      out.set(attr.name(), std::vector<std::int64_t>(attr.ints().begin(), attr.ints().end()));
      return true;
    default: return false;
  }
}

}  // namespace

void lower_custom(Op& op, const onnx_wire::NodeProto& node,
                  const std::shared_ptr<const ir::CustomOp>& custom) {
  ir::Attrs attrs;
  for (const AttributeProto& attr : node.attribute()) {
    const AttributeProto* given = op.attr(attr.name().c_str());
    if (given && !take_attr(*given, attrs))
      return op.unsupported("attribute " + attr.name() +
                            ": a plug-in takes integers, floats, strings and integer lists");
  }
  if (static_cast<int>(op.num_outputs()) > custom->num_outputs)
    return op.invalid("outputs: " + custom->name + " has " + std::to_string(custom->num_outputs) +
                      ", got " + std::to_string(op.num_outputs()));
  std::vector<ValueRef> inputs;
  for (std::size_t i = 0; i < op.num_inputs(); ++i) inputs.push_back(op.value_or_none(i));
  const std::vector<ValueRef> out = op.graph().custom(custom, inputs, std::move(attrs));
  if (op.failed()) return;
  for (std::size_t i = 0; i < op.num_outputs(); ++i)
    if (op.wants_output(i)) op.set(i, out[i], element_of(op.graph().info(out[i]).dtype));
}

}  // namespace antiphon::onnx
