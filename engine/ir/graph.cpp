// The graph's plain helpers: attributes, copies, constants.
#include "engine/ir/graph.h"

#include <cstring>
#include <utility>

#include "engine/ir/schema.h"

namespace antiphon::ir {

std::int64_t Attrs::i(std::string_view name, std::int64_t fallback) const {
  const auto found = map_.find(std::string(name));
  if (found == map_.end()) return fallback;
  const auto* value = std::get_if<std::int64_t>(&found->second);
  return value ? *value : fallback;
}

double Attrs::f(std::string_view name, double fallback) const {
  const auto found = map_.find(std::string(name));
  if (found == map_.end()) return fallback;
  if (const auto* value = std::get_if<double>(&found->second)) return *value;
  if (const auto* value = std::get_if<std::int64_t>(&found->second))
    return static_cast<double>(*value);
  return fallback;
}

std::string Attrs::s(std::string_view name, std::string_view fallback) const {
  const auto found = map_.find(std::string(name));
  if (found == map_.end()) return std::string(fallback);
  const auto* value = std::get_if<std::string>(&found->second);
  return value ? *value : std::string(fallback);
}

std::vector<std::int64_t> Attrs::ints(std::string_view name) const {
  const auto found = map_.find(std::string(name));
  if (found == map_.end()) return {};
  const auto* value = std::get_if<std::vector<std::int64_t>>(&found->second);
  return value ? *value : std::vector<std::int64_t>{};
}

ValueId Graph::add_value(ValueInfo info) {
  values.push_back(std::move(info));
  return static_cast<ValueId>(values.size()) - 1;
}

Node clone(const Node& node) {
  Node out;
  out.op = node.op;
  out.name = node.name;
  out.inputs = node.inputs;
  out.outputs = node.outputs;
  out.attrs = node.attrs;
  out.pointwise = node.pointwise;
  out.custom = node.custom;
  if (node.body) out.body = std::make_unique<Graph>(node.body->clone());
  return out;
}

Graph Graph::clone() const {
  Graph out;
  out.name = name;
  out.values = values;
  out.inputs = inputs;
  out.states = states;
  out.outputs = outputs;
  out.nodes.reserve(nodes.size());
  for (const Node& node : nodes) out.nodes.push_back(ir::clone(node));
  return out;
}

bool is_constant(const Graph& graph, ValueId id) {
  return id >= 0 && static_cast<std::size_t>(id) < graph.values.size() &&
         graph.values[static_cast<std::size_t>(id)].kind == ValueKind::kConstant;
}

TensorView constant_view(const Graph& graph, ValueId id) {
  const ValueInfo& info = graph.values[static_cast<std::size_t>(id)];
  TensorView view;
  view.dtype = info.dtype;
  for (const Dim& dim : info.shape) view.dims.push_back(dim.extent);
  view.data = info.constant.data;
  return view;
}

ValueId add_constant(Graph& graph, std::string name, DType dtype, std::vector<std::int64_t> dims,
                     const void* data) {
  ValueInfo info;
  info.name = std::move(name);
  info.kind = ValueKind::kConstant;
  info.dtype = dtype;
  std::size_t count = dtype_bytes(dtype);
  for (const std::int64_t d : dims) {
    info.shape.emplace_back(d);
    count *= static_cast<std::size_t>(d);
  }
  // 64-byte aligned, so that kernels may read constants where they lie.
  const std::size_t room = (count + 63) / 64 * 64 + 64;
  std::shared_ptr<void> memory(::operator new (room, std::align_val_t{64}),
                               [](void* p) { ::operator delete (p, std::align_val_t{64}); });
  if (count != 0) std::memcpy(memory.get(), data, count);
  info.constant.data = memory.get();
  info.constant.bytes = count;
  info.constant.owner = std::move(memory);
  return graph.add_value(std::move(info));
}

std::string_view op_name(OpKind op) { return schema(op).name; }

}  // namespace antiphon::ir
