// Bias, activation, residual and second activation that follow a linear or conv: act2(act(xw +
// bias) + residual).
#include <array>

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

bool is_conv(OpKind op) { return op == OpKind::kConv || op == ir::kOpConvNd; }

bool is_activation(std::int64_t op) {
  constexpr std::array<Unary, 7> kActivations = {Unary::kRelu,     Unary::kGelu,  Unary::kTanh,
                                                 Unary::kSigmoid,  Unary::kRelu6, Unary::kSilu,
                                                 Unary::kHardSwish};
  for (const Unary unary : kActivations)
    if (op == static_cast<std::int64_t>(unary)) return true;
  return false;
}

// The linear or conv that makes the value for this reader alone; -1: none.
int producer(const ir::Graph& graph, const Uses& uses, ValueId id) {
  const int maker = uses.maker(id);
  if (maker < 0 || !uses.single(id)) return -1;
  if (info_of(graph, id).dtype != DType::kF32) return -1;
  const OpKind op = graph.nodes[static_cast<std::size_t>(maker)].op;
  return op == OpKind::kLinear || is_conv(op) ? maker : -1;
}

// A constant with one number for each output channel, shaped to broadcast along them.
bool is_bias(const ir::Graph& graph, const Node& node, ValueId id) {
  if (!is_constant(graph, id) || info_of(graph, id).dtype != DType::kF32) return false;
  const Shape& shape = info_of(graph, id).shape;
  const Shape& out = info_of(graph, node.outputs[0]).shape;
  const std::size_t channels = is_conv(node.op) ? 1 : out.size() - 1;
  const std::size_t behind = out.size() - 1 - channels;  // axes after the channels
  if (shape.size() > out.size() || shape.size() <= behind) return false;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const bool is_channels = shape.size() - 1 - i == behind;
    if (shape[i] != (is_channels ? out[channels] : Dim(1))) return false;
  }
  return true;
}

// The constant as [channels].
ValueId flat_bias(ir::Graph& graph, ValueId id) {
  const ir::ValueInfo info = info_of(graph, id);
  if (info.shape.size() == 1) return id;
  ir::ValueInfo flat = info;
  flat.shape = {Dim(static_cast<std::int64_t>(info.constant.bytes / sizeof(float)))};
  return graph.add_value(std::move(flat));  // shares the memory
}

// The fused node takes the place of its reader, where all its inputs are made.
bool merge(ir::Graph& graph, int dense, int reader) {
  node_at(graph, dense).outputs = node_at(graph, reader).outputs;
  std::swap(node_at(graph, dense), node_at(graph, reader));
  remove_node(graph, dense);
  return true;
}

bool try_activation(ir::Graph& graph, const Uses& uses, int index) {
  const Node& node = node_at(graph, index);
  const std::int64_t op = node.attrs.i("op", -1);
  if (!is_activation(op)) return false;
  const int dense = producer(graph, uses, node.inputs[0]);
  if (dense < 0) return false;
  Node& target = node_at(graph, dense);
  const bool has_residual = input_at(target, kResidual) != kNoValue;
  const char* field = has_residual ? "act2" : "act";
  if (target.attrs.has("act2") || target.attrs.has(field)) return false;
  target.attrs.set(field, op);
  return merge(graph, dense, index);
}

bool try_add(ir::Graph& graph, const Uses& uses, int index) {
  const Node& node = node_at(graph, index);
  if (node.attrs.i("op") != static_cast<int>(Binary::kAdd)) return false;
  const Shape out = info_of(graph, node.outputs[0]).shape;
  for (std::size_t side = 0; side < 2; ++side) {
    const int dense = producer(graph, uses, node.inputs[side]);
    const ValueId other = node.inputs[1 - side];
    if (dense < 0 || other == node.inputs[side]) continue;
    Node& target = node_at(graph, dense);
    if (input_at(target, kResidual) != kNoValue || target.attrs.has("act2")) continue;
    if (input_at(target, kBias) == kNoValue && !target.attrs.has("act") &&
        is_bias(graph, target, other)) {
      const ValueId bias = flat_bias(graph, other);
      set_input(node_at(graph, dense), kBias, bias);
      return merge(graph, dense, index);
    }
    if (!ir::same_shape(info_of(graph, target.outputs[0]).shape, out) ||
        !ir::same_shape(info_of(graph, other).shape, out))
      continue;
    set_input(target, kResidual, other);
    return merge(graph, dense, index);
  }
  return false;
}

// The bias alone: what reads linears by their kind finds them whole.
bool try_bias(ir::Graph& graph, const Uses& uses, int index) {
  const Node& node = node_at(graph, index);
  if (node.op != OpKind::kBinary || node.attrs.i("op") != static_cast<int>(Binary::kAdd))
    return false;
  for (std::size_t side = 0; side < 2; ++side) {
    const int dense = producer(graph, uses, node.inputs[side]);
    if (dense < 0) continue;
    const Node& target = node_at(graph, dense);
    const ValueId other = node.inputs[1 - side];
    if (target.op != OpKind::kLinear || input_at(target, kBias) != kNoValue ||
        input_at(target, kResidual) != kNoValue || target.attrs.has("act") ||
        !is_bias(graph, target, other))
      continue;
    const ValueId bias = flat_bias(graph, other);
    set_input(node_at(graph, dense), kBias, bias);
    return merge(graph, dense, index);
  }
  return false;
}

bool try_node(ir::Graph& graph, const Uses& uses, int index) {
  const OpKind op = node_at(graph, index).op;
  if (op == OpKind::kUnary) return try_activation(graph, uses, index);
  return op == OpKind::kBinary && try_add(graph, uses, index);
}

}  // namespace

Result<bool> fuse_bias(ir::Graph& graph) { return rewrite_all(graph, try_bias); }

Result<bool> fuse_epilogue(ir::Graph& graph) { return rewrite_all(graph, try_node); }

}  // namespace antiphon::passes
