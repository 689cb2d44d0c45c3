// Masks of attention: what is one in a sum with scores, and all of them as one operand.
#include "engine/passes/attention_masks.h"

#include <algorithm>
#include <string>
#include <utility>

#include "engine/ir/dims.h"
#include "engine/ir/op_enums.h"

namespace antiphon::passes {

using ir::kNoValue;
using ir::Node;
using ir::OpKind;
using ir::ValueId;

namespace {

// The mask itself where it lies as [B, keys]; else kNoValue.
ValueId mask_by_key(const ir::Graph& graph, const Uses& uses, ValueId mask, const Dim& batch) {
  const Shape& shape = info_of(graph, mask).shape;
  const Node* reshape = made_by_reshape(graph, uses, mask);
  if (!reshape || shape.size() != 4) return kNoValue;
  const Shape& from = info_of(graph, reshape->inputs[0]).shape;
  return from.size() == 2 && shape[1] == Dim(1) && shape[2] == Dim(1) &&
                 ir::same_extent(from[0], shape[0]) && ir::same_extent(from[0], batch) &&
                 ir::same_extent(from[1], shape[3])
             ? reshape->inputs[0]
             : kNoValue;
}

// Where the extent of the batch can be read: an input of the graph, so that masks which several
// attentions share stay the same node; else q.
std::pair<ValueId, std::size_t> batch_of(const ir::Graph& graph, const ByHead& q) {
  for (const ValueId id : graph.inputs) {
    const Shape& shape = info_of(graph, id).shape;
    for (std::size_t axis = 0; axis < shape.size(); ++axis)
      if (ir::same_extent(shape[axis], q.batch)) return {id, axis};
  }
  return {q.value, 0};
}

ValueId insert(ir::Graph& graph, int& index, Node node, const char* name, Shape shape) {
  node.name = unique_node_name(graph, name);
  ir::ValueInfo info;
  info.name = node.name;
  info.dtype = DType::kF32;
  info.shape = std::move(shape);
  node.outputs = {graph.add_value(std::move(info))};
  const ValueId out = node.outputs[0];
  graph.nodes.insert(graph.nodes.begin() + index++, std::move(node));
  return out;
}

// The mask with four axes, by a reshape before the node at `index` where it has fewer.
ValueId lifted_mask(ir::Graph& graph, int& index, const Mask& mask, const ByHead& q) {
  const Shape from = info_of(graph, mask.value).shape;
  if (from.size() == 4) return mask.value;
  Shape shape(4 - from.size(), Dim(1));
  std::string extents;
  Node node;
  node.op = ir::kOpReshapeTo;
  node.inputs = {mask.value, mask.value};
  if (mask.merged) {
    const auto [like, axis] = batch_of(graph, q);
    node.inputs[1] = like;
    shape = {q.batch, Dim(q.heads)};
    extents = "1:" + std::to_string(axis) + "," + std::to_string(q.heads);
  } else {
    for (std::size_t i = from.size(); i < 4; ++i) extents += i + 1 < 4 ? "1," : "1";
  }
  for (std::size_t i = mask.merged ? 1 : 0; i < from.size(); ++i) {
    shape.push_back(from[i]);
    extents += ",0:" + std::to_string(i);
  }
  node.attrs.set("extents", extents);
  return insert(graph, index, std::move(node), "mask", std::move(shape));
}

}  // namespace

bool is_mask(const ir::Graph& graph, ValueId id, ValueId scores) {
  const Shape &mask = info_of(graph, id).shape, &all = info_of(graph, scores).shape;
  if (info_of(graph, id).dtype != DType::kF32 || info_of(graph, scores).dtype != DType::kF32 ||
      all.size() < 3 || mask.size() > all.size())
    return false;
  for (std::size_t i = 0; i < mask.size(); ++i) {
    const Dim &here = mask[mask.size() - 1 - i], &there = all[all.size() - 1 - i];
    const bool open = i < 2 && (ir::is_unknown(here) || ir::is_unknown(there) ||
                                (!here.is_static() && !there.is_static()));
    if (here != Dim(1) && !open && !ir::same_extent(here, there)) return false;
  }
  return true;
}

bool masks_agree(const ir::Graph& graph, ValueId a, ValueId b) {
  const auto last = [&](ValueId id) {
    const Shape& shape = info_of(graph, id).shape;
    return Shape(shape.end() - static_cast<std::ptrdiff_t>(std::min<std::size_t>(shape.size(), 2)),
                 shape.end());
  };
  return ir::broadcast(last(a), last(b)).ok();
}

ValueId mask_operand(ir::Graph& graph, const Uses& uses, int& index, const std::vector<Mask>& masks,
                     const ByHead& q) {
  if (masks.empty()) return kNoValue;
  if (masks.size() == 1)
    if (const ValueId mask = mask_by_key(graph, uses, masks[0].value, q.batch); mask != kNoValue)
      return mask;
  ValueId sum = kNoValue;
  for (const Mask& mask : masks) {
    const ValueId next = lifted_mask(graph, index, mask, q);
    if (sum == kNoValue) {
      sum = next;
      continue;
    }
    auto shape = ir::broadcast(info_of(graph, sum).shape, info_of(graph, next).shape);
    Node node;
    node.op = OpKind::kBinary;
    node.inputs = {sum, next};
    node.attrs.set("op", static_cast<std::int64_t>(Binary::kAdd));
    sum = insert(graph, index, std::move(node), "masks", shape.ok() ? *std::move(shape) : Shape{});
  }
  return sum;
}

}  // namespace antiphon::passes
