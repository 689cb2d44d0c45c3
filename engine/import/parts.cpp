// Grouping of nodes and the model in which each group is one node.
#include "engine/import/parts.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <queue>
#include <vector>

namespace antiphon::onnx {

using onnx_wire::GraphProto;
using onnx_wire::ModelProto;
using onnx_wire::NodeProto;

namespace {

constexpr int kMaxDepth = 16;

void add_names(const NodeProto& node, std::set<std::string>& names, int depth) {
  for (const std::string& name : node.input())
    if (!name.empty()) names.insert(name);
  if (depth > kMaxDepth) return;
  const auto inside = [&](const GraphProto& graph) {
    for (const NodeProto& inner : graph.node()) add_names(inner, names, depth + 1);
    for (const auto& output : graph.output()) names.insert(output.name());
  };
  for (const auto& attr : node.attribute()) {
    if (attr.has_g()) inside(attr.g());
    for (const GraphProto& graph : attr.graphs()) inside(graph);
  }
}

// The nodes of a graph, gathered in groups: at first each is its own.
class Groups {
 public:
  explicit Groups(const GraphProto& graph) : group_(static_cast<std::size_t>(graph.node_size())) {
    std::iota(group_.begin(), group_.end(), 0);
    std::map<std::string, int> made_by;
    for (int n = 0; n < graph.node_size(); ++n)
      for (const std::string& output : graph.node(n).output())
        if (!output.empty()) made_by[output] = n;
    for (int n = 0; n < graph.node_size(); ++n)
      for (const std::string& name : names_read(graph.node(n)))
        if (const auto from = made_by.find(name); from != made_by.end() && from->second != n)
          edges_.emplace_back(from->second, n);
  }

  // Joins neighbours in `apart`, where no cycle comes of it.
  void join(const std::set<int>& apart) {
    for (const auto& [from, to] : edges_) {
      if (!apart.contains(from) || !apart.contains(to)) continue;
      const int a = of(from), b = of(to);
      if (a == b) continue;
      const std::vector<int> before = group_;
      std::replace(group_.begin(), group_.end(), std::max(a, b), std::min(a, b));
      if (order().size() != count()) group_ = before;
    }
  }

  int of(int node) const { return group_[static_cast<std::size_t>(node)]; }

  // Groups so that each stands behind those that it reads; fewer than there are: there is a cycle.
  // Among those that could be next, the one of the earliest node is.
  std::vector<int> order() const {
    std::map<int, int> waits;
    for (const int group : group_) waits.try_emplace(group, 0);
    std::map<int, std::vector<int>> next;
    for (const auto& [from, to] : edges_) {
      if (of(from) == of(to)) continue;
      ++waits[of(to)];
      next[of(from)].push_back(of(to));
    }
    std::priority_queue<int, std::vector<int>, std::greater<>> ready;
    for (const auto& [group, count] : waits)
      if (count == 0) ready.push(group);
    std::vector<int> out;
    while (!ready.empty()) {
      out.push_back(ready.top());
      ready.pop();
      for (const int group : next[out.back()])
        if (--waits[group] == 0) ready.push(group);
    }
    return out;
  }

  std::size_t count() const { return std::set<int>(group_.begin(), group_.end()).size(); }

 private:
  std::vector<int> group_;  // by node: the least node of its group
  std::vector<std::pair<int, int>> edges_;
};

using Infos = std::map<std::string, const onnx_wire::ValueInfoProto*>;

// What the model says of its values.
Infos infos_of(const GraphProto& graph) {
  Infos out;
  for (const auto& info : graph.value_info()) out[info.name()] = &info;
  for (const auto& info : graph.output()) out[info.name()] = &info;
  return out;
}

// The part that holds these nodes, in their order, as a node of the model around.
NodeProto part_of(const ModelProto& model, const std::vector<int>& members,
                  const std::set<std::string>& outer, const std::set<std::string>& read_outside,
                  const Infos& infos) {
  ModelProto part;
  part.set_ir_version(model.ir_version());
  *part.mutable_opset_import() = model.opset_import();
  *part.mutable_functions() = model.functions();
  GraphProto& graph = *part.mutable_graph();
  graph.set_name("part");
  std::set<std::string> made, reads;
  for (const int n : members) {
    const NodeProto& node = model.graph().node(n);
    *graph.add_node() = node;
    for (const std::string& name : names_read(node)) reads.insert(name);
    made.insert(node.output().begin(), node.output().end());
  }
  NodeProto out;
  out.set_domain(kPartDomain);
  out.set_op_type(kPartOperator);
  const NodeProto& first = model.graph().node(members.front());
  out.set_name((first.name().empty() ? first.op_type() : first.name()) +
               (members.size() == 1 ? "" : " +" + std::to_string(members.size() - 1)));
  for (const std::string& name : reads) {
    if (made.contains(name) || !outer.contains(name)) continue;
    graph.add_input()->set_name(name);
    out.add_input(name);
  }
  for (const std::string& name : made) {
    if (name.empty() || !read_outside.contains(name)) continue;
    auto& output = *graph.add_output();
    const auto known = infos.find(name);
    if (known != infos.end()) output = *known->second;
    output.set_name(name);
    out.add_output(name);
  }
  auto& attr = *out.add_attribute();
  attr.set_name("model");
  attr.set_type(3);  // a string
  attr.set_s(part.SerializeAsString());
  return out;
}

// Names that stand for values outside of any sub-graph.
std::set<std::string> outer_names(const GraphProto& graph) {
  std::set<std::string> out;
  for (const auto& input : graph.input()) out.insert(input.name());
  for (const auto& tensor : graph.initializer()) out.insert(tensor.name());
  for (const NodeProto& node : graph.node()) out.insert(node.output().begin(), node.output().end());
  return out;
}

}  // namespace

std::set<std::string> names_read(const NodeProto& node) {
  std::set<std::string> out;
  add_names(node, out, 0);
  return out;
}

Result<ModelProto> with_parts(const ModelProto& model, const std::set<int>& apart) {
  const GraphProto& graph = model.graph();
  Groups groups(graph);
  groups.join(apart);
  const std::vector<int> order = groups.order();
  if (order.size() != groups.count()) return invalid_argument("the graph has a cycle");
  std::map<int, std::vector<int>> members;
  for (int n = 0; n < graph.node_size(); ++n) members[groups.of(n)].push_back(n);
  const std::set<std::string> outer = outer_names(graph);
  const Infos infos = infos_of(graph);

  ModelProto out = model;
  out.mutable_graph()->clear_node();
  for (const int group : order) {
    if (!apart.contains(members[group].front())) {
      *out.mutable_graph()->add_node() = graph.node(members[group].front());
      continue;
    }
    std::set<std::string> read_outside;
    for (const auto& output : graph.output()) read_outside.insert(output.name());
    for (int n = 0; n < graph.node_size(); ++n)
      if (groups.of(n) != group) read_outside.merge(names_read(graph.node(n)));
    *out.mutable_graph()->add_node() = part_of(model, members[group], outer, read_outside, infos);
  }
  return out;
}

}  // namespace antiphon::onnx
