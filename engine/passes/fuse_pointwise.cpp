// Point-wise nodes of one shape that read each other become one node with a program.
//
// Nodes join the cluster of a node they read unless something outside lies on a path between the
// two (it could then run neither before nor after the fused node).
#include <algorithm>
#include <map>
#include <utility>

#include "engine/ir/dims.h"
#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

using ir::Node;
using ir::OpKind;
using ir::PointwiseStep;
using ir::ValueId;

constexpr std::size_t kMaxNodes = 48;
constexpr std::size_t kMaxInputs = 12;

bool is_pointwise(const ir::Graph& graph, const Node& node) {
  if (node.op != OpKind::kUnary && node.op != OpKind::kBinary && node.op != OpKind::kClamp &&
      node.op != OpKind::kWhere)
    return false;
  const auto number = [&](ValueId id) {
    const DType dtype = info_of(graph, id).dtype;
    return dtype == DType::kF32 || dtype == DType::kBool;
  };
  const Shape& shape = info_of(graph, node.outputs[0]).shape;
  return number(node.outputs[0]) && std::all_of(node.inputs.begin(), node.inputs.end(), number) &&
         std::none_of(shape.begin(), shape.end(), ir::is_unknown);
}

class Clusters {
 public:
  explicit Clusters(const ir::Graph& graph) : graph_(graph), uses_(graph) {
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      of_.push_back(static_cast<int>(n));
      members_.push_back({static_cast<int>(n)});
    }
  }

  const Uses& uses() const { return uses_; }
  const std::vector<std::vector<int>>& members() const { return members_; }

  void grow() {
    for (int n = 0; n < static_cast<int>(graph_.nodes.size()); ++n) {
      const Node& node = graph_.nodes[static_cast<std::size_t>(n)];
      if (!is_pointwise(graph_, node)) continue;
      for (const ValueId id : node.inputs) {
        const int maker = uses_.maker(id);
        if (maker < 0 || !is_pointwise(graph_, graph_.nodes[static_cast<std::size_t>(maker)]))
          continue;
        if (ir::same_shape(info_of(graph_, id).shape, info_of(graph_, node.outputs[0]).shape))
          try_merge(of_[static_cast<std::size_t>(maker)], of_[static_cast<std::size_t>(n)]);
      }
    }
  }

 private:
  std::vector<int>& in(int cluster) { return members_[static_cast<std::size_t>(cluster)]; }

  void try_merge(int from, int to) {
    if (from == to || in(from).size() + in(to).size() > kMaxNodes) return;
    if (num_inputs(from, to) > kMaxInputs || path_outside(from, to)) return;
    for (const int n : in(to)) of_[static_cast<std::size_t>(n)] = from;
    in(from).insert(in(from).end(), in(to).begin(), in(to).end());
    in(to).clear();
    std::sort(in(from).begin(), in(from).end());
  }

  std::size_t num_inputs(int a, int b) {
    std::vector<ValueId> inputs;
    for (const int cluster : {a, b})
      for (const int n : in(cluster))
        for (const ValueId id : graph_.nodes[static_cast<std::size_t>(n)].inputs) {
          const int maker = uses_.maker(id);
          const int home = maker < 0 ? -1 : of_[static_cast<std::size_t>(maker)];
          float ignored = 0;
          if (home != a && home != b && !scalar_constant(graph_, id, ignored)) inputs.push_back(id);
        }
    std::sort(inputs.begin(), inputs.end());
    return static_cast<std::size_t>(std::unique(inputs.begin(), inputs.end()) - inputs.begin());
  }

  bool path_outside(int from, int to) {
    std::vector<bool> seen(members_.size(), false);
    std::vector<int> open = {from};
    while (!open.empty()) {
      const int cluster = open.back();
      open.pop_back();
      for (const int n : in(cluster))
        for (const ValueId id : graph_.nodes[static_cast<std::size_t>(n)].outputs)
          for (const int reader : uses_.readers(id)) {
            const int next = of_[static_cast<std::size_t>(reader)];
            if (next == to && cluster != from) return true;
            if (next == to || next == from || seen[static_cast<std::size_t>(next)]) continue;
            seen[static_cast<std::size_t>(next)] = true;
            open.push_back(next);
          }
    }
    return false;
  }

  const ir::Graph& graph_;
  Uses uses_;
  std::vector<int> of_;                    // node -> cluster
  std::vector<std::vector<int>> members_;  // cluster -> nodes, in order
};

// Writes the program of one cluster.
class ProgramWriter {
 public:
  ProgramWriter(const ir::Graph& graph, const Uses& uses, const std::vector<int>& members)
      : graph_(graph), uses_(uses), members_(members) {}

  // False where the cluster cannot be one node: truth values cross its edge, or shapes do not add
  // up.
  bool write(Node& out) {
    out.op = OpKind::kPointwise;
    for (const int n : members_) made_[node(n).outputs[0]] = -1;
    if (!collect_inputs(out)) return false;
    for (const int n : members_) add_step(node(n), out);
    for (const int n : members_) {
      const ValueId y = node(n).outputs[0];
      if (!read_outside(y)) continue;
      if (info_of(graph_, y).dtype != DType::kF32) return false;
      out.outputs.push_back(y);
      out.pointwise.results.push_back(made_.at(y));
    }
    return !out.outputs.empty();
  }

 private:
  const Node& node(int n) const { return graph_.nodes[static_cast<std::size_t>(n)]; }

  bool read_outside(ValueId id) const {
    if (uses_.num_results(id) != 0) return true;
    return std::any_of(uses_.readers(id).begin(), uses_.readers(id).end(), [&](int reader) {
      return !std::binary_search(members_.begin(), members_.end(), reader);
    });
  }

  bool collect_inputs(Node& out) {
    Shape shape;
    float value = 0;
    for (const int n : members_)
      for (const ValueId id : node(n).inputs) {
        if (made_.contains(id) || scalar_constant(graph_, id, value)) continue;
        if (info_of(graph_, id).dtype != DType::kF32) return false;
        made_[id] = static_cast<std::int16_t>(out.inputs.size());
        out.inputs.push_back(id);
        const auto wider = ir::broadcast(shape, info_of(graph_, id).shape);
        if (!wider.ok()) return false;
        shape = *wider;
      }
    // What the first node reads has its result's extents, known or not; a constant may have more
    // axes.
    return !out.inputs.empty() &&
           shape.size() == info_of(graph_, node(members_[0]).outputs[0]).shape.size();
  }

  std::int16_t append(const PointwiseStep& step, Node& out) {
    out.pointwise.steps.push_back(step);
    return static_cast<std::int16_t>(out.inputs.size() + out.pointwise.steps.size() - 1);
  }

  std::int16_t reg(ValueId id, Node& out) {
    if (const auto found = made_.find(id); found != made_.end()) return found->second;
    PointwiseStep step;
    scalar_constant(graph_, id, step.low);
    return made_[id] = append(step, out);
  }

  void add_step(const Node& from, Node& out) {
    PointwiseStep step;
    step.op = static_cast<std::uint8_t>(from.attrs.i("op"));
    step.a = reg(from.inputs[0], out);
    if (from.inputs.size() > 1) step.b = reg(from.inputs[1], out);
    if (from.inputs.size() > 2) step.c = reg(from.inputs[2], out);
    switch (from.op) {
      case OpKind::kUnary: step.kind = PointwiseStep::Kind::kUnary; break;
      case OpKind::kBinary: step.kind = PointwiseStep::Kind::kBinary; break;
      case OpKind::kWhere: step.kind = PointwiseStep::Kind::kWhere; break;
      default:
        step.kind = PointwiseStep::Kind::kClamp;
        step.low = static_cast<float>(from.attrs.f("low"));
        step.high = static_cast<float>(from.attrs.f("high"));
    }
    made_[from.outputs[0]] = append(step, out);
  }

  const ir::Graph& graph_;
  const Uses& uses_;
  const std::vector<int>& members_;
  std::map<ValueId, std::int16_t> made_;  // registers
};

}  // namespace

Result<bool> fuse_pointwise(ir::Graph& graph) {
  Clusters clusters(graph);
  clusters.grow();
  std::vector<bool> dead(graph.nodes.size(), false);
  std::vector<std::pair<int, Node>> fused;
  for (const std::vector<int>& members : clusters.members()) {
    if (members.size() < 2) continue;
    Node node;
    if (!ProgramWriter(graph, clusters.uses(), members).write(node)) continue;
    for (const int n : members) dead[static_cast<std::size_t>(n)] = true;
    fused.emplace_back(members.back(), std::move(node));
  }
  for (auto& [place, node] : fused) {
    node.name = unique_node_name(graph, "pointwise");
    node_at(graph, place) = std::move(node);
    dead[static_cast<std::size_t>(place)] = false;
  }
  remove_nodes(graph, dead);
  if (!fused.empty()) sort_nodes(graph);
  return !fused.empty();
}

}  // namespace antiphon::passes
