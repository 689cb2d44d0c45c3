// Periods are distances between linears that share their weights; nodes are then compared a period
// apart.
#include "engine/passes/find_repeats.h"

#include <algorithm>
#include <map>
#include <set>

namespace antiphon::passes {
namespace {

using ir::OpKind;

constexpr int kMostUses = 4;  // of the same weights within one period

// How inputs become bytes does not matter: in loops the weights alone are int8.
bool same_attrs(const ir::Attrs& a, const ir::Attrs& b) {
  if (a == b) return true;
  ir::Attrs x = a, y = b;
  for (ir::Attrs* attrs : {&x, &y}) {
    const auto all = attrs->all();
    for (const auto& [name, value] : all)
      if (name.starts_with("x_")) attrs->erase(name);
  }
  return x == y;
}

// The same attributes but for which step is taken.
bool same_step(const ir::Graph& graph, const ir::Node& a, const ir::Node& b) {
  if (!is_step(graph, a) || !is_step(graph, b)) return false;
  return a.attrs.i("axis") == b.attrs.i("axis");
}

bool alike(const ir::Graph& graph, const ir::Node& a, const ir::Node& b) {
  if (a.op != b.op || a.body || b.body || a.custom || b.custom) return false;
  if (a.inputs.size() != b.inputs.size() || a.outputs.size() != b.outputs.size()) return false;
  if (!same_attrs(a.attrs, b.attrs) && !same_step(graph, a, b)) return false;
  if (!(a.pointwise == b.pointwise)) return false;
  for (std::size_t i = 0; i < a.inputs.size(); ++i) {
    const ir::ValueId x = a.inputs[i], y = b.inputs[i];
    if ((x == ir::kNoValue) != (y == ir::kNoValue)) return false;
    if (x == ir::kNoValue) continue;
    // A constant may be what a carried value was at first; weights may not change.
    if (i > 0 && ir::is_constant(graph, x) && ir::is_constant(graph, y) && x != y) return false;
    if (info_of(graph, x).dtype != info_of(graph, y).dtype) return false;
    if (info_of(graph, x).shape != info_of(graph, y).shape) return false;
  }
  for (std::size_t i = 0; i < a.outputs.size(); ++i) {
    const ir::ValueId x = a.outputs[i], y = b.outputs[i];
    if ((x == ir::kNoValue) != (y == ir::kNoValue)) return false;
    if (x == ir::kNoValue) continue;
    if (info_of(graph, x).dtype != info_of(graph, y).dtype) return false;
    if (info_of(graph, x).shape != info_of(graph, y).shape) return false;
  }
  return true;
}

std::set<int> candidate_periods(const ir::Graph& graph) {
  std::map<ir::ValueId, std::vector<int>> users;  // of each weight matrix
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const ir::Node& node = graph.nodes[n];
    if (node.op == OpKind::kLinear && ir::is_constant(graph, node.inputs[1]))
      users[node.inputs[1]].push_back(static_cast<int>(n));
  }
  std::set<int> periods;
  for (const auto& [weights, nodes] : users)
    for (std::size_t i = 0; i < nodes.size(); ++i)
      for (std::size_t gap = 1; gap <= kMostUses && i + gap < nodes.size(); ++gap)
        periods.insert(nodes[i + gap] - nodes[i]);
  return periods;
}

bool has_linear(const ir::Graph& graph, const Repeat& repeat) {
  for (int p = 0; p < repeat.period; ++p) {
    const ir::Node& node = graph.nodes[static_cast<std::size_t>(repeat.begin + p)];
    if (node.op == OpKind::kLinear && ir::is_constant(graph, node.inputs[1])) return true;
  }
  return false;
}

// The longest run of one period.
Repeat longest(const ir::Graph& graph, int period) {
  const int count = static_cast<int>(graph.nodes.size());
  Repeat best{0, period, 0, 0, {}, 0};
  for (int n = 0; n + period < count;) {
    int length = 0;
    while (n + length + period < count &&
           alike(graph, graph.nodes[static_cast<std::size_t>(n + length)],
                 graph.nodes[static_cast<std::size_t>(n + length + period)]))
      ++length;
    const Repeat found{n, period, (length + period) / period, length % period, {}, 0};
    if (found.count > best.count && has_linear(graph, found)) best = found;
    n += length + 1;
  }
  return best;
}

}  // namespace

void find_tail(const ir::Graph& graph, Repeat& repeat) {
  const int end = repeat.begin + repeat.count * repeat.period;
  repeat.tail.assign(static_cast<std::size_t>(repeat.period), -1);
  repeat.num_tail = 0;
  for (int p = 0; p < repeat.period; ++p) {
    const int next = end + repeat.num_tail;
    if (next >= static_cast<int>(graph.nodes.size())) return;
    if (!alike(graph, graph.nodes[static_cast<std::size_t>(end - repeat.period + p)],
               graph.nodes[static_cast<std::size_t>(next)]))
      continue;
    repeat.tail[static_cast<std::size_t>(p)] = next;
    ++repeat.num_tail;
  }
}

bool is_step(const ir::Graph& graph, const ir::Node& node) {
  if (node.op != OpKind::kSlice || node.attrs.i("begin") < 0) return false;
  const Shape& shape = info_of(graph, node.outputs[0]).shape;
  const std::int64_t axis = node.attrs.i("axis");
  return axis >= 0 && static_cast<std::size_t>(axis) < shape.size() &&
         shape[static_cast<std::size_t>(axis)] == Dim(1);
}

std::vector<Repeat> find_repeats(const ir::Graph& graph, int least_count) {
  std::vector<Repeat> found;
  for (const int period : candidate_periods(graph)) {
    const Repeat repeat = longest(graph, period);
    if (repeat.count >= least_count) found.push_back(repeat);
  }
  std::stable_sort(found.begin(), found.end(), [](const Repeat& a, const Repeat& b) {
    return a.num_nodes() > b.num_nodes();  // of equals the shorter period
  });
  return found;
}

}  // namespace antiphon::passes
