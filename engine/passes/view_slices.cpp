// Slices that are a part of their input's memory as it lies: no step is run for them.
#include <algorithm>

#include "engine/ir/op_enums.h"
#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

using ir::Node;
using ir::OpKind;
using ir::ValueId;

// A view keeps its whole input alive: parts smaller than this share of it are copied, unless the
// input is read as late by another.
constexpr std::int64_t kLeastShare = 4;

bool hands_on(const Node& node) {
  return node.op == OpKind::kReshape || node.op == ir::kOpReshapeTo || node.op == OpKind::kIdentity;
}

// The last node that reads the value, through those that hand it on.
int last_reader(const ir::Graph& graph, const Uses& uses, ValueId id) {
  int last = -1;
  for (const int reader : uses.readers(id)) {
    last = std::max(last, reader);
    const Node& node = graph.nodes[static_cast<std::size_t>(reader)];
    if (hands_on(node)) last = std::max(last, last_reader(graph, uses, node.outputs[0]));
  }
  return last;
}

bool try_node(ir::Graph& graph, const Uses& uses, int index) {
  Node& node = node_at(graph, index);
  if (node.op != OpKind::kSlice || node.attrs.i("view") != 0) return false;
  const ValueId from = node.inputs[0], to = node.outputs[0];
  const Shape &x = info_of(graph, from).shape, &y = info_of(graph, to).shape;
  const std::int64_t given = node.attrs.i("axis");
  const auto axis =
      static_cast<std::size_t>(given < 0 ? given + static_cast<std::int64_t>(x.size()) : given);
  if (info_of(graph, from).kind != ir::ValueKind::kTemp || uses.num_results(from) != 0)
    return false;
  if (!x[axis].is_static() || !y[axis].is_static() || node.attrs.i("begin") < 0) return false;
  for (std::size_t i = 0; i < axis; ++i)
    if (x[i] != Dim(1)) return false;
  // A result lies where its own lifetime puts it.
  const auto is_result = [&](ValueId id) { return uses.num_results(id) != 0; };
  const auto bad_reader = [&](int reader) {
    return hands_on(graph.nodes[static_cast<std::size_t>(reader)]);
  };
  if (is_result(to) || std::any_of(uses.readers(to).begin(), uses.readers(to).end(), bad_reader))
    return false;
  if (y[axis].extent * kLeastShare < x[axis].extent) {
    int others = -1;
    for (const int reader : uses.readers(from))
      if (reader != index) others = std::max(others, reader);
    if (others < last_reader(graph, uses, to)) return false;
  }
  node.attrs.set("view", std::int64_t{1});
  return true;
}

}  // namespace

Result<bool> view_slices(ir::Graph& graph) { return rewrite_all(graph, try_node); }

}  // namespace antiphon::passes
