// A part on its way into the graph: types of its edges, constants, and the fallback that runs it.
#include <algorithm>

#include "engine/import/importer.h"
#include "engine/import/parts.h"
#include "engine/ir/dims.h"
#include "engine/plugins.h"

namespace antiphon::onnx {
namespace {

using onnx_wire::GraphProto;
using onnx_wire::ModelProto;
using onnx_wire::NodeProto;
using onnx_wire::ValueInfoProto;

// A node that gives `to` the type that the part's nodes, or the network, want it in.
NodeProto cast_node(const std::string& from, const std::string& to, Element type) {
  NodeProto out;
  out.set_op_type("Cast");
  out.add_input(from);
  out.add_output(to);
  auto& attr = *out.add_attribute();
  attr.set_name("to");
  attr.set_type(2);  // a whole number
  attr.set_i(static_cast<std::int64_t>(type));
  return out;
}

void set_type(ValueInfoProto& info, Element type, const Shape& shape) {
  auto& tensor = *info.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(static_cast<std::int32_t>(type));
  tensor.mutable_shape();
  for (const Dim& dim : shape) {
    auto& out = *tensor.mutable_shape()->add_dim();
    if (dim.is_static())
      out.set_dim_value(dim.extent);
    else if (!dim.symbol.empty())
      out.set_dim_param(ir::dim_text(dim));
  }
}

// The part's inputs, constants among them, as the network holds them.
class Edges {
 public:
  Edges(Op& op, GraphProto& graph) : op_(op), graph_(graph) {
    given_.Swap(graph.mutable_input());
    for (int i = 0; i < given_.size() && !op.failed(); ++i)
      add(given_.Get(i).name(), static_cast<std::size_t>(i));
    // Casts come before the nodes that read them.
    auto* nodes = graph.mutable_node();
    const int count = nodes->size();
    for (const NodeProto& cast : casts_) *nodes->Add() = cast;
    std::rotate(nodes->pointer_begin(), nodes->pointer_begin() + count, nodes->pointer_end());
  }
  const std::vector<ValueRef>& values() const { return values_; }

 private:
  void add(const std::string& name, std::size_t i) {
    const ValueRef value = op_.value(i);
    if (op_.failed()) return;
    const ir::ValueInfo& info = op_.graph().info(value);
    const Element held = element_of(info.dtype);
    const bool same = held == op_.element(i);
    const std::string outside = same ? name : name + "/held";
    if (!same) casts_.push_back(cast_node(outside, name, op_.element(i)));
    if (info.kind == ir::ValueKind::kConstant) {
      auto& tensor = *graph_.add_initializer();
      tensor.set_name(outside);
      tensor.set_data_type(static_cast<std::int32_t>(held));
      for (const Dim& dim : info.shape) tensor.add_dims(dim.extent);
      tensor.set_raw_data(info.constant.data, info.constant.bytes);
      return;
    }
    auto& input = *graph_.add_input();
    input.set_name(outside);
    set_type(input, held, info.shape);
    values_.push_back(value);
  }

  Op& op_;
  GraphProto& graph_;
  google::protobuf::RepeatedPtrField<ValueInfoProto> given_;
  std::vector<NodeProto> casts_;
  std::vector<ValueRef> values_;
};

// Of what the model says of the outputs' extents the numbers count: its names for the others need
// not be the network's.
void drop_symbols(GraphProto& graph) {
  for (auto& info : *graph.mutable_output()) {
    if (!info.type().has_tensor_type() || !info.type().tensor_type().has_shape()) continue;
    for (auto& dim : *info.mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim())
      if (dim.has_dim_param()) dim.clear_dim_param();
  }
}

// Casts outputs that the network holds in another type than the part's nodes make. False: there are
// none.
bool hold_outputs(Op& op, GraphProto& graph, const std::vector<std::int32_t>& elements) {
  bool changed = false;
  for (int i = 0; i < graph.output_size(); ++i) {
    const auto type = static_cast<Element>(elements[static_cast<std::size_t>(i)]);
    const auto dtype = storage_of(type);
    const std::string name = graph.output(i).name();
    if (!dtype) {
      op.unsupported("output '" + name + "' is of type " +
                     element_name(elements[static_cast<std::size_t>(i)]) +
                     ", which cannot leave the part that the fallback runs");
      return false;
    }
    if (element_of(*dtype) == type) continue;
    *graph.add_node() = cast_node(name, name + "/held", element_of(*dtype));
    graph.mutable_output(i)->set_name(name + "/held");
    graph.mutable_output(i)->clear_type();
    changed = true;
  }
  return changed;
}

}  // namespace

void lower_part(Op& op, const NodeProto& node) {
  ModelProto model;
  const auto* attr = op.attr("model");
  if (!attr || !model.ParseFromString(attr->s()) || !model.has_graph() ||
      model.graph().input_size() != node.input_size() ||
      model.graph().output_size() != node.output_size())
    return op.invalid("model: is not a part");
  GraphProto& graph = *model.mutable_graph();
  const Edges edges(op, graph);
  if (op.failed()) return;
  drop_symbols(graph);
  const PluginSet& fallback = *op.importer().options().plugins;
  auto part = fallback.part(model.SerializeAsString());
  if (!part.ok()) return op.unsupported(part.status().message());
  const std::vector<std::int32_t> elements = part->elements;
  if (hold_outputs(op, graph, elements)) {
    part = fallback.part(model.SerializeAsString());
    if (!part.ok()) return op.unsupported(part.status().message());
  }
  if (op.failed()) return;
  const std::string bytes = model.SerializeAsString();
  std::vector<ValueRef> inputs = {
      op.graph().constant(DType::kU8, {static_cast<std::int64_t>(bytes.size())}, bytes.data())};
  inputs.insert(inputs.end(), edges.values().begin(), edges.values().end());
  const std::vector<ValueRef> out = op.graph().custom(part->op, inputs, {});
  if (op.failed()) return;
  for (std::size_t i = 0; i < op.num_outputs(); ++i)
    op.set(i, out[i], static_cast<Element>(elements[i]));
}

}  // namespace antiphon::onnx
