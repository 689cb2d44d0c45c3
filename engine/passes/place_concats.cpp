// Concatenation by placement: the convolutions and pools whose results are joined along their
// channels write them straight into the joined tensor.
#include <algorithm>
#include <array>

#include "engine/ir/op_enums.h"
#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

using ir::kNoValue;
using ir::Node;
using ir::ValueId;

// The input that is the base; 0: the operator cannot place its result.
std::size_t base_input(ir::OpKind op) {
  if (op == ir::kOpConvLast) return 5;
  if (op == ir::kOpConvTransposeLast) return 3;
  return op == ir::kOpPoolLast ? 1 : 0;
}

bool joins_channels(const ir::Graph& graph, const Node& node) {
  if (node.op != ir::OpKind::kConcat) return false;
  const Shape& shape = info_of(graph, node.outputs[0]).shape;
  const DType dtype = info_of(graph, node.outputs[0]).dtype;
  if ((shape.size() != 4 && shape.size() != 5) || !shape.back().is_static() ||
      (dtype != DType::kF32 && dtype != DType::kU8))
    return false;
  const std::int64_t axis = node.attrs.i("axis");
  return (axis == static_cast<std::int64_t>(shape.size()) - 1 || axis == -1) &&
         std::all_of(node.inputs.begin(), node.inputs.end(),
                     [&](ValueId id) { return info_of(graph, id).shape.back().is_static(); });
}

struct Part {
  ValueId value;
  std::int64_t begin;
  int maker;  // -1: it must be copied
};

std::vector<Part> parts_of(const ir::Graph& graph, const Uses& uses, const Node& concat) {
  std::vector<Part> parts;
  std::int64_t begin = 0;
  for (const ValueId id : concat.inputs) {
    int maker = uses.maker(id);
    if (maker >= 0) {
      const Node& node = graph.nodes[static_cast<std::size_t>(maker)];
      if (base_input(node.op) == 0 || !uses.single(id) || node.attrs.has("y_width")) maker = -1;
    }
    parts.push_back({id, begin, maker});
    begin += info_of(graph, id).shape.back().extent;
  }
  return parts;
}

// A concat that only another concat of the same axis reads becomes part of it.
bool flatten(ir::Graph& graph, const Uses& uses, int index) {
  Node& node = node_at(graph, index);
  if (!joins_channels(graph, node)) return false;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const ValueId id = node.inputs[i];
    const int maker = uses.maker(id);
    if (maker < 0 || !uses.single(id) || !joins_channels(graph, node_at(graph, maker))) continue;
    const std::vector<ValueId> inner = node_at(graph, maker).inputs;
    const auto at = node.inputs.erase(node.inputs.begin() + static_cast<std::ptrdiff_t>(i));
    node.inputs.insert(at, inner.begin(), inner.end());
    remove_node(graph, maker);
    return true;
  }
  return false;
}

bool place(ir::Graph& graph, const Uses& uses, int index) {
  if (!joins_channels(graph, node_at(graph, index))) return false;
  const Node concat = ir::clone(node_at(graph, index));
  std::vector<Part> parts = parts_of(graph, uses, concat);
  if (std::none_of(parts.begin(), parts.end(), [](const Part& p) { return p.maker >= 0; }))
    return false;
  const std::int64_t width = info_of(graph, concat.outputs[0]).shape.back().extent;
  // In the order of the makers; what must be copied comes last, where the concat stands.
  std::stable_sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) {
    return static_cast<unsigned>(a.maker) < static_cast<unsigned>(b.maker);
  });
  ValueId base = kNoValue;
  std::vector<Node> copies;
  for (const Part& part : parts) {
    const bool last = &part == &parts.back();
    const ValueId y =
        last ? concat.outputs[0] : add_like(graph, concat.outputs[0], concat.name + "/part");
    Node copy;
    copy.op = ir::kOpPlace;
    copy.name = concat.name + "/place" + std::to_string(copies.size());
    copy.inputs = {part.value};
    Node& node = part.maker >= 0 ? node_at(graph, part.maker) : copy;
    node.attrs.set("y_begin", part.begin);
    node.attrs.set("y_width", width);
    if (base != kNoValue) set_input(node, part.maker >= 0 ? base_input(node.op) : 1, base);
    node.outputs = {y};
    base = y;
    if (part.maker < 0) copies.push_back(std::move(copy));
  }
  const auto at = graph.nodes.erase(graph.nodes.begin() + index);
  graph.nodes.insert(at, std::make_move_iterator(copies.begin()),
                     std::make_move_iterator(copies.end()));
  return true;
}

}  // namespace

Result<bool> place_concats(ir::Graph& graph) {
  const bool flat = rewrite_all(graph, flatten);
  return rewrite_all(graph, place) || flat;
}

}  // namespace antiphon::passes
