// Bookkeeping of a Network: names, handles, captured values, checked nodes.
#include "engine/network/impl.h"

#include <utility>

#include "engine/ir/dims.h"

namespace antiphon {

using ir::kNoValue;
using ir::ValueId;

Network::Impl::Impl(std::string name) {
  graph.name = std::move(name);
  Scope outermost;
  outermost.graph = &graph;
  scopes.push_back(std::move(outermost));
}

void Network::Impl::fail(std::string_view operation, const Status& error) {
  if (failed()) return;
  status = error.with_context(operation).with_context("network '" + graph.name + "'");
}

std::string Network::Impl::unique_name(std::string_view base) {
  const auto [it, added] = counters.try_emplace(std::string(base), 0);
  return std::string(base) + "_" + std::to_string(it->second++);
}

Value Network::Impl::handle_of(ValueId id) {
  handles.push_back({scope().serial, id});
  return Value{static_cast<std::int32_t>(handles.size()) - 1};
}

const ir::ValueInfo* Network::Impl::info_of(Value value) const {
  if (!value.valid() || static_cast<std::size_t>(value.id) >= handles.size()) return nullptr;
  const Handle& handle = handles[static_cast<std::size_t>(value.id)];
  for (const Scope& s : scopes)
    if (s.serial == handle.scope) return &s.graph->values[static_cast<std::size_t>(handle.id)];
  return nullptr;
}

int Network::Impl::axis_of(Value value, int axis, std::string_view operation) {
  if (failed()) return -1;
  const ir::ValueInfo* info = info_of(value);
  if (!info) {
    fail(operation, invalid_argument("the input is not a value of this network"));
    return -1;
  }
  const int rank = static_cast<int>(info->shape.size());
  if (axis < -rank || axis >= rank) {
    fail(operation, invalid_argument("axis " + std::to_string(axis) + " of " + info->name + " " +
                                     ir::shape_text(info->shape)));
    return -1;
  }
  return axis < 0 ? axis + rank : axis;
}

ValueId Network::Impl::local_id(Value value, std::size_t depth) {
  const Handle handle = handles[static_cast<std::size_t>(value.id)];
  if (scopes[depth].serial == handle.scope) return handle.id;
  if (depth == 0) return kNoValue;
  const ValueId outer = local_id(value, depth - 1);
  return outer == kNoValue ? kNoValue : capture(depth, outer);
}

// Constants, and a Dequantize of one, are held by the body itself; all else is an invariant input.
ValueId Network::Impl::capture(std::size_t depth, ValueId outer) {
  const ir::Graph& around = *scopes[depth - 1].graph;
  ir::Graph& body = *scopes[depth].graph;
  auto& captured = scopes[depth].captured;
  if (const auto found = captured.find(outer); found != captured.end()) return found->second;
  ir::ValueInfo info = around.values[static_cast<std::size_t>(outer)];
  ValueId id = kNoValue;
  if (info.kind == ir::ValueKind::kConstant) {
    id = body.add_value(std::move(info));
  } else {
    const ir::Node* maker = nullptr;
    for (const ir::Node& node : around.nodes)
      if (node.op == ir::OpKind::kDequantize && node.outputs[0] == outer) maker = &node;
    info.kind = ir::ValueKind::kTemp;
    info.next = kNoValue;
    if (maker && is_constant(around, maker->inputs[0]) && is_constant(around, maker->inputs[1])) {
      ir::Node copy = clone(*maker);
      for (ValueId& input : copy.inputs) input = capture(depth, input);
      id = body.add_value(std::move(info));
      copy.outputs = {id};
      body.nodes.push_back(std::move(copy));
    } else {
      info.kind = ir::ValueKind::kInput;
      id = body.add_value(std::move(info));
      body.inputs.push_back(id);
      scopes[depth].loop.inputs.push_back(outer);
    }
  }
  captured[outer] = id;
  return id;
}

std::vector<Value> Network::Impl::add_node(ir::Node node, std::string_view base,
                                           const std::vector<Value>& inputs) {
  if (failed()) return {};
  node.name = unique_name(base);
  if (node.body) node.body->name = node.name;
  std::vector<const ir::ValueType*> pointers;
  std::vector<ir::ValueType> types(inputs.size());
  ir::Graph& target = *scope().graph;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    pointers.push_back(nullptr);
    node.inputs.push_back(kNoValue);
    if (!inputs[i].valid()) continue;
    const bool ours = static_cast<std::size_t>(inputs[i].id) < handles.size();
    const ValueId id = ours ? local_id(inputs[i]) : kNoValue;
    if (id == kNoValue) {
      fail(node.name, invalid_argument("input " + std::to_string(i) +
                                       " is a value of a closed loop body or of another network"));
      return {};
    }
    const ir::ValueInfo& info = target.values[static_cast<std::size_t>(id)];
    types[i] = {info.dtype, info.shape};
    pointers[i] = &types[i];
    node.inputs[i] = id;
  }
  while (!node.inputs.empty() && node.inputs.back() == kNoValue) {
    node.inputs.pop_back();
    pointers.pop_back();
  }
  auto made = ir::infer_outputs(node, pointers);
  if (!made.ok()) {
    fail(node.name, made.status());
    return {};
  }
  std::vector<Value> out;
  for (std::size_t i = 0; i < made->size(); ++i) {
    ir::ValueInfo info;
    info.name = made->size() == 1 ? node.name : node.name + "." + std::to_string(i);
    info.dtype = (*made)[i].dtype;
    info.shape = std::move((*made)[i].shape);
    node.outputs[i] = target.add_value(std::move(info));
    out.push_back(handle_of(node.outputs[i]));
  }
  target.nodes.push_back(std::move(node));
  return out;
}

Value Network::Impl::add(ir::OpKind op, std::string_view base, const std::vector<Value>& inputs,
                         ir::Attrs attrs) {
  ir::Node node;
  node.op = op;
  node.attrs = std::move(attrs);
  node.outputs = {kNoValue};
  const std::vector<Value> out = add_node(std::move(node), base, inputs);
  return out.empty() ? Value{} : out[0];
}

Value Network::Impl::constant(std::string name, DType dtype, std::vector<std::int64_t> dims,
                              const void* data) {
  if (failed()) return {};
  return handle_of(add_constant(*scope().graph, std::move(name), dtype, std::move(dims), data));
}

}  // namespace antiphon
