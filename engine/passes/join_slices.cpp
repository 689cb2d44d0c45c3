// A concat of parts that follow each other in one value reads them as one slice: what an exporter
// stacks step by step.
#include <optional>
#include <utility>

#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

using ir::Node;
using ir::OpKind;
using ir::ValueId;

std::size_t u(std::int64_t i) { return static_cast<std::size_t>(i); }

std::int64_t count_before(const Shape& shape, std::size_t axis) {
  std::int64_t count = 1;
  for (std::size_t i = 0; i < axis; ++i) count *= shape[i].extent;
  return count;
}

bool is_static(const Shape& shape) {
  for (const Dim& dim : shape)
    if (!dim.is_static()) return false;
  return true;
}

// [begin, end) of axis 0 of x, perhaps reshaped.
struct Part {
  ValueId x = ir::kNoValue;
  std::int64_t begin = 0, end = 0;
};

std::optional<Part> part_of(const ir::Graph& graph, const Uses& uses, ValueId id) {
  const Node* slice = made_by(graph, uses, id, OpKind::kSlice);
  if (!slice) {
    const Node* reshape = made_by(graph, uses, id, OpKind::kReshape);
    if (!reshape) return std::nullopt;
    slice = made_by(graph, uses, reshape->inputs[0], OpKind::kSlice);
  }
  if (!slice || slice->attrs.i("axis") != 0) return std::nullopt;
  const Shape& whole = info_of(graph, slice->inputs[0]).shape;
  const std::int64_t begin = slice->attrs.i("begin");
  const std::int64_t count = info_of(graph, slice->outputs[0]).shape[0].extent;
  if (begin < 0 || !is_static(whole) || !is_static(info_of(graph, id).shape)) return std::nullopt;
  return Part{slice->inputs[0], begin, begin + count};
}

ValueId add_before(ir::Graph& graph, int& index, Node node, Shape shape, const char* name) {
  node.name = unique_node_name(graph, name);
  const ValueId id = add_like(graph, node.inputs[0], node.name);
  graph.values[u(id)].shape = std::move(shape);
  node.outputs = {id};
  graph.nodes.insert(graph.nodes.begin() + index++, std::move(node));
  return id;
}

ValueId reshaped(ir::Graph& graph, int& index, ValueId x, const Shape& shape) {
  Node node;
  node.op = OpKind::kReshape;
  node.inputs = {x};
  std::vector<std::int64_t> dims;
  for (const Dim& dim : shape) dims.push_back(dim.extent);
  node.attrs.set("dims", dims);
  return add_before(graph, index, std::move(node), shape, "join_reshape");
}

// The parts of `joined`, each of the shape `part`, along `axis`.
ValueId join(ir::Graph& graph, int& index, const Part& joined, std::int64_t num_parts,
             const Shape& part, std::size_t axis) {
  Node slice;
  slice.op = OpKind::kSlice;
  slice.inputs = {joined.x};
  slice.attrs.set("axis", std::int64_t{0});
  slice.attrs.set("begin", joined.begin);
  slice.attrs.set("end", joined.end);
  Shape shape = info_of(graph, joined.x).shape;
  shape[0] = Dim(joined.end - joined.begin);
  ValueId y = add_before(graph, index, std::move(slice), shape, "join_slice");
  Shape result = part;
  result[axis] = Dim(num_parts * part[axis].extent);
  const std::int64_t before = count_before(part, axis);
  if (before != 1) {
    const std::int64_t after = count_before(part, part.size()) / before;
    y = reshaped(graph, index, y, {Dim(num_parts), Dim(before), Dim(after)});
    Node transpose;
    transpose.op = OpKind::kTranspose;
    transpose.inputs = {y};
    transpose.attrs.set("order", std::vector<std::int64_t>{1, 0, 2});
    y = add_before(graph, index, std::move(transpose), {Dim(before), Dim(num_parts), Dim(after)},
                   "join_transpose");
  }
  return reshaped(graph, index, y, result);
}

bool try_node(ir::Graph& graph, const Uses& uses, int index) {
  if (node_at(graph, index).op != OpKind::kConcat) return false;
  const std::vector<ValueId> inputs = node_at(graph, index).inputs;
  const std::int64_t given = node_at(graph, index).attrs.i("axis");
  const Shape& first = info_of(graph, inputs[0]).shape;
  const std::size_t axis = u(given < 0 ? given + static_cast<std::int64_t>(first.size()) : given);
  for (std::size_t i = 0; i + 1 < inputs.size(); ++i) {
    std::optional<Part> joined = part_of(graph, uses, inputs[i]);
    if (!joined || info_of(graph, inputs[i]).shape[axis].extent == 0) continue;
    const Shape part = info_of(graph, inputs[i]).shape;
    const std::int64_t steps = joined->end - joined->begin;
    std::size_t end = i + 1;
    for (; end < inputs.size(); ++end) {
      const std::optional<Part> next = part_of(graph, uses, inputs[end]);
      if (!next || next->x != joined->x || next->begin != joined->end ||
          next->end - next->begin != steps || info_of(graph, inputs[end]).shape != part)
        break;
      joined->end = next->end;
    }
    if (end == i + 1) continue;
    int at = index;
    const ValueId all = join(graph, at, *joined, static_cast<std::int64_t>(end - i), part, axis);
    std::vector<ValueId>& parts = node_at(graph, at).inputs;
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(i),
                parts.begin() + static_cast<std::ptrdiff_t>(end));
    parts.insert(parts.begin() + static_cast<std::ptrdiff_t>(i), all);
    return true;
  }
  return false;
}

}  // namespace

Result<bool> join_slices(ir::Graph& graph) { return rewrite_all(graph, try_node); }

}  // namespace antiphon::passes
