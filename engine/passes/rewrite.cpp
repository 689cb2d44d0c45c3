// What passes share.
#include "engine/passes/rewrite.h"

#include <algorithm>
#include <set>
#include <utility>

#include "engine/ir/op_enums.h"

namespace antiphon::passes {

using ir::Graph;
using ir::kNoValue;
using ir::Node;
using ir::ValueId;

Uses::Uses(const Graph& graph)
    : makers_(graph.values.size(), -1),
      readers_(graph.values.size()),
      results_(graph.values.size(), 0) {
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    for (const ValueId id : graph.nodes[n].inputs)
      if (id != kNoValue) readers_[static_cast<std::size_t>(id)].push_back(static_cast<int>(n));
    for (const ValueId id : graph.nodes[n].outputs)
      if (id != kNoValue) makers_[static_cast<std::size_t>(id)] = static_cast<int>(n);
  }
  for (const ir::NamedOutput& output : graph.outputs)
    ++results_[static_cast<std::size_t>(output.value)];
  for (const ValueId id : graph.states) {
    const ValueId next = graph.values[static_cast<std::size_t>(id)].next;
    if (next != kNoValue) ++results_[static_cast<std::size_t>(next)];
  }
}

bool rewrite_all(Graph& graph, Rewrite rewrite) {
  bool changed = false;
  for (bool again = true; again;) {
    again = false;
    const Uses uses(graph);
    for (int n = 0; n < static_cast<int>(graph.nodes.size()) && !again; ++n)
      again = rewrite(graph, uses, n);
    changed = changed || again;
  }
  return changed;
}

Node& node_at(Graph& graph, int index) { return graph.nodes[static_cast<std::size_t>(index)]; }

const ir::ValueInfo& info_of(const Graph& graph, ValueId id) {
  return graph.values[static_cast<std::size_t>(id)];
}

ValueId input_at(const Node& node, std::size_t index) {
  return index < node.inputs.size() ? node.inputs[index] : kNoValue;
}

void set_input(Node& node, std::size_t index, ValueId id) {
  if (node.inputs.size() <= index) node.inputs.resize(index + 1, kNoValue);
  node.inputs[index] = id;
}

const Node* made_by(const Graph& graph, const Uses& uses, ValueId id, ir::OpKind op) {
  const int maker = uses.maker(id);
  if (maker < 0) return nullptr;
  const Node& node = graph.nodes[static_cast<std::size_t>(maker)];
  return node.op == op ? &node : nullptr;
}

void replace_uses(Graph& graph, ValueId from, ValueId to) {
  for (Node& node : graph.nodes) std::replace(node.inputs.begin(), node.inputs.end(), from, to);
  for (ir::NamedOutput& output : graph.outputs)
    if (output.value == from) output.value = to;
  for (const ValueId id : graph.states) {
    ValueId& next = graph.values[static_cast<std::size_t>(id)].next;
    if (next == from) next = to;
  }
}

void remove_node(Graph& graph, int index) { graph.nodes.erase(graph.nodes.begin() + index); }

void remove_nodes(Graph& graph, const std::vector<bool>& dead) {
  std::vector<Node> kept;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i)
    if (!dead[i]) kept.push_back(std::move(graph.nodes[i]));
  graph.nodes = std::move(kept);
}

void sort_nodes(Graph& graph) {
  const Uses uses(graph);
  const std::size_t count = graph.nodes.size();
  std::vector<int> waiting(count, 0);
  for (std::size_t n = 0; n < count; ++n)
    for (const ValueId id : graph.nodes[n].inputs)
      if (uses.maker(id) >= 0) ++waiting[n];
  std::set<int> ready;  // the smallest first: keeps the order
  for (std::size_t n = 0; n < count; ++n)
    if (waiting[n] == 0) ready.insert(static_cast<int>(n));
  std::vector<Node> sorted;
  std::vector<std::vector<ValueId>> outputs;
  for (const Node& node : graph.nodes) outputs.push_back(node.outputs);
  while (!ready.empty()) {
    const int n = *ready.begin();
    ready.erase(ready.begin());
    sorted.push_back(std::move(node_at(graph, n)));
    for (const ValueId id : outputs[static_cast<std::size_t>(n)])
      for (const int reader : uses.readers(id))
        if (--waiting[static_cast<std::size_t>(reader)] == 0) ready.insert(reader);
  }
  ANTIPHON_CHECK(sorted.size() == count);
  graph.nodes = std::move(sorted);
}

std::string unique_node_name(const Graph& graph, const std::string& base) {
  const auto taken = [&](const std::string& name) {
    return std::any_of(graph.nodes.begin(), graph.nodes.end(),
                       [&](const Node& node) { return node.name == name; });
  };
  int number = 0;
  std::string name;
  do name = base + "_" + std::to_string(number++);
  while (taken(name));
  return name;
}

ValueId add_like(Graph& graph, ValueId like, std::string name) {
  ir::ValueInfo info;
  info.name = std::move(name);
  info.dtype = info_of(graph, like).dtype;
  info.shape = info_of(graph, like).shape;
  return graph.add_value(std::move(info));
}

bool scalar_constant(const Graph& graph, ValueId id, float& value) {
  if (!is_constant(graph, id)) return false;
  const TensorView view = constant_view(graph, id);
  if (view.dtype != DType::kF32 || view.num_elements() != 1) return false;
  value = view.f32()[0];
  return true;
}

bool gives_what_it_gets(const Node& node) {
  if (node.outputs.size() != 1) return false;
  if (node.op == ir::kOpPool)
    return static_cast<ir::Pool>(node.attrs.i("op")) == ir::Pool::kMax && node.inputs.size() == 1;
  return node.op == ir::OpKind::kIdentity || node.op == ir::OpKind::kReshape ||
         node.op == ir::OpKind::kTranspose || node.op == ir::OpKind::kSlice ||
         node.op == ir::kOpReshapeTo || node.op == ir::kOpStridedSlice;
}

ir::ValueId row_scales(ir::Graph& graph, ir::ValueId scale, std::int64_t rows) {
  const TensorView view = constant_view(graph, scale);
  if (view.num_elements() == rows) return scale;
  const std::vector<float> all(static_cast<std::size_t>(rows), view.f32()[0]);
  return add_constant(graph, info_of(graph, scale).name + ".rows", DType::kF32, {rows}, all.data());
}

}  // namespace antiphon::passes
