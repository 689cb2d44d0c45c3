// Parts of a linear's or convolution's result, each added to something: one addition to the whole,
// which then goes into the layer. What a WaveGlow block does with its residual and its skip sum.
#include <algorithm>
#include <optional>
#include <utility>

#include "engine/ir/dims.h"
#include "engine/ir/op_enums.h"
#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

using ir::kNoValue;
using ir::Node;
using ir::OpKind;
using ir::ValueId;

struct Part {
  int slice = 0, add = 0;  // nodes
  ValueId other = kNoValue;
  std::int64_t begin = 0, end = 0;
};

bool is_add(const Node& node) {
  return node.op == OpKind::kBinary && node.attrs.i("op") == static_cast<int>(Binary::kAdd);
}

// A layer whose epilogue still has room for an addition.
bool takes_addition(const ir::Graph& graph, const Node& node) {
  if (node.op != OpKind::kLinear && node.op != OpKind::kConv) return false;
  return input_at(node, kResidual) == kNoValue && !node.attrs.has("act2") &&
         info_of(graph, node.outputs[0]).dtype == DType::kF32;
}

// The axis that all slices of the value cut; nothing where another node reads it.
std::optional<std::size_t> sliced_axis(const ir::Graph& graph, const Uses& uses, ValueId whole) {
  std::optional<std::size_t> axis;
  if (uses.num_results(whole) != 0 || uses.readers(whole).size() < 2) return std::nullopt;
  for (const int reader : uses.readers(whole)) {
    const Node& node = graph.nodes[static_cast<std::size_t>(reader)];
    const std::int64_t given = node.attrs.i("axis");
    if (node.op != OpKind::kSlice || given < 0 || node.attrs.i("begin") < 0) return std::nullopt;
    if (axis && *axis != static_cast<std::size_t>(given)) return std::nullopt;
    axis = static_cast<std::size_t>(given);
  }
  return axis;
}

// The slice as a part, if it is read by an addition alone, to something made before node `dense`.
std::optional<Part> part_of(const ir::Graph& graph, const Uses& uses, int slice, std::size_t axis,
                            int dense) {
  const Node& node = graph.nodes[static_cast<std::size_t>(slice)];
  const ValueId cut = node.outputs[0];
  if (!uses.single(cut) || !info_of(graph, cut).shape[axis].is_static()) return std::nullopt;
  Part part{slice, uses.readers(cut)[0], kNoValue, node.attrs.i("begin"), 0};
  part.end = part.begin + info_of(graph, cut).shape[axis].extent;
  const Node& add = graph.nodes[static_cast<std::size_t>(part.add)];
  if (!is_add(add)) return std::nullopt;
  part.other = add.inputs[add.inputs[0] == cut ? 1 : 0];
  if (uses.maker(part.other) >= dense ||
      !ir::same_shape(info_of(graph, part.other).shape, info_of(graph, cut).shape))
    return std::nullopt;
  return part;
}

// The parts in order where they make up the whole axis; else none.
std::vector<Part> parts_of(const ir::Graph& graph, const Uses& uses, int dense, std::size_t axis) {
  const ValueId whole = graph.nodes[static_cast<std::size_t>(dense)].outputs[0];
  const Dim& extent = info_of(graph, whole).shape[axis];
  std::vector<Part> parts;
  for (const int reader : uses.readers(whole)) {
    const auto part = part_of(graph, uses, reader, axis, dense);
    if (!part) return {};
    parts.push_back(*part);
  }
  std::ranges::sort(parts, {}, &Part::begin);
  std::int64_t at = 0;
  for (const Part& part : parts) {
    if (part.begin != at) return {};
    at = part.end;
  }
  return extent == Dim(at) ? parts : std::vector<Part>{};
}

// The value that all the others are the same parts of; kNoValue: there is none.
ValueId common_whole(const ir::Graph& graph, const Uses& uses, const std::vector<Part>& parts,
                     std::size_t axis, const Shape& shape) {
  ValueId whole = kNoValue;
  for (const Part& part : parts) {
    const Node* slice = made_by(graph, uses, part.other, OpKind::kSlice);
    if (!slice || slice->attrs.i("axis") != static_cast<std::int64_t>(axis) ||
        slice->attrs.i("begin") != part.begin || (whole != kNoValue && slice->inputs[0] != whole))
      return kNoValue;
    whole = slice->inputs[0];
  }
  return ir::same_shape(info_of(graph, whole).shape, shape) ? whole : kNoValue;
}

Node concat_of(ir::Graph& graph, const std::vector<Part>& parts, std::size_t axis, ValueId like) {
  Node node;
  node.op = OpKind::kConcat;
  node.name = unique_node_name(graph, "stack");
  for (const Part& part : parts) node.inputs.push_back(part.other);
  node.outputs = {add_like(graph, like, node.name)};
  node.attrs.set("axis", static_cast<std::int64_t>(axis));
  return node;
}

bool try_node(ir::Graph& graph, const Uses& uses, int dense) {
  if (!takes_addition(graph, node_at(graph, dense))) return false;
  const ValueId whole = node_at(graph, dense).outputs[0];
  const auto axis = sliced_axis(graph, uses, whole);
  if (!axis) return false;
  const std::vector<Part> parts = parts_of(graph, uses, dense, *axis);
  if (parts.empty()) return false;
  const Shape shape = info_of(graph, whole).shape;
  ValueId other = common_whole(graph, uses, parts, *axis, shape);
  std::optional<Node> concat;
  if (other == kNoValue) {
    concat = concat_of(graph, parts, *axis, whole);
    other = concat->outputs[0];
  }
  Node sum;
  sum.op = OpKind::kBinary;
  sum.name = unique_node_name(graph, "stacked");
  sum.inputs = {whole, other};
  sum.outputs = {add_like(graph, whole, sum.name)};
  sum.attrs.set("op", static_cast<std::int64_t>(Binary::kAdd));
  std::vector<bool> dead(graph.nodes.size(), false);
  for (const Part& part : parts) {
    node_at(graph, part.slice).inputs[0] = sum.outputs[0];
    node_at(graph, part.slice).outputs = node_at(graph, part.add).outputs;
    dead[static_cast<std::size_t>(part.add)] = true;
  }
  remove_nodes(graph, dead);  // all behind the layer
  graph.nodes.insert(graph.nodes.begin() + dense + 1, std::move(sum));
  if (concat) graph.nodes.insert(graph.nodes.begin() + dense, std::move(*concat));
  return true;
}

}  // namespace

Result<bool> stack_adds(ir::Graph& graph) { return rewrite_all(graph, try_node); }

}  // namespace antiphon::passes
