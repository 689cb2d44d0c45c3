// Point-wise nodes between Dequantize and Quantize read and write the bytes themselves.
#include <algorithm>
#include <vector>

#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

using ir::Node;
using ir::OpKind;
using ir::PointwiseProgram;
using ir::PointwiseStep;
using ir::ValueId;

// The single operation as a program; false: it is no point-wise node of numbers.
bool as_program(const Node& node, PointwiseProgram& program) {
  if (node.op == OpKind::kPointwise) {
    program = node.pointwise;
    return true;
  }
  PointwiseStep step;
  step.a = 0;
  switch (node.op) {
    case OpKind::kUnary: step.kind = PointwiseStep::Kind::kUnary; break;
    case OpKind::kBinary: step.kind = PointwiseStep::Kind::kBinary; break;
    case OpKind::kClamp: step.kind = PointwiseStep::Kind::kClamp; break;
    default: return false;
  }
  if (node.op == OpKind::kClamp) {
    step.low = static_cast<float>(node.attrs.f("low"));
    step.high = static_cast<float>(node.attrs.f("high"));
  } else {
    step.op = static_cast<std::uint8_t>(node.attrs.i("op"));
  }
  if (node.op == OpKind::kBinary) step.b = 1;
  program.steps = {step};
  program.results = {static_cast<std::int16_t>(node.inputs.size())};
  return true;
}

// The step that a Quantize or Dequantize of u8 by one scale is; false: it is none.
bool as_step(const ir::Graph& graph, const Node* node, PointwiseStep& step) {
  if (!node || !scalar_constant(graph, node->inputs[1], step.low) || !(step.low > 0)) return false;
  const bool back = node->op == OpKind::kDequantize;
  const ValueId bytes = back ? node->inputs[0] : node->outputs[0];
  if (info_of(graph, bytes).dtype != DType::kU8 || is_constant(graph, bytes)) return false;
  step.kind = back ? PointwiseStep::Kind::kFromBytes : PointwiseStep::Kind::kToBytes;
  step.high = static_cast<float>(node->attrs.i("zero"));
  return true;
}

// A program that may still grow at both ends.
class Widened {
 public:
  Widened(ir::Graph& graph, const Uses& uses, const Node& node)
      : graph_(graph), uses_(uses), node_(ir::clone(node)) {}

  bool take_inputs() {
    bool any = false;
    for (std::size_t i = 0; i < node_.inputs.size(); ++i) {
      PointwiseStep step;
      const Node* expand = made_by(graph_, uses_, node_.inputs[i], OpKind::kDequantize);
      if (!as_step(graph_, expand, step)) continue;
      step.a = static_cast<std::int16_t>(i);
      set_input(node_, i, expand->inputs[0]);
      read_instead(static_cast<std::int16_t>(i), step);
      any = true;
    }
    return any;
  }

  bool take_outputs(std::vector<bool>& dead) {
    bool any = false;
    for (std::size_t r = 0; r < node_.outputs.size(); ++r) {
      if (!uses_.single(node_.outputs[r])) continue;
      const int reader = uses_.readers(node_.outputs[r]).front();
      const Node& quantize = node_at(graph_, reader);
      PointwiseStep step;
      if (quantize.op != OpKind::kQuantize || !as_step(graph_, &quantize, step)) continue;
      step.a = node_.pointwise.results[r];
      node_.pointwise.steps.push_back(step);
      node_.pointwise.results[r] =
          static_cast<std::int16_t>(node_.inputs.size() + node_.pointwise.steps.size() - 1);
      node_.outputs[r] = quantize.outputs[0];
      dead[static_cast<std::size_t>(reader)] = true;
      any = true;
    }
    return any;
  }

  Node& node() { return node_; }

 private:
  // The step goes before all others; what read register `input` reads its result.
  void read_instead(std::int16_t input, const PointwiseStep& step) {
    const auto made = static_cast<std::int16_t>(node_.inputs.size());
    const auto move = [&](std::int16_t& r) {
      if (r == input)
        r = made;
      else if (r >= made)
        ++r;
    };
    for (PointwiseStep& s : node_.pointwise.steps) {
      if (s.kind == PointwiseStep::Kind::kScalar) continue;
      if (s.kind != PointwiseStep::Kind::kFromBytes) move(s.a);
      move(s.b);
      move(s.c);
    }
    for (std::int16_t& r : node_.pointwise.results) move(r);
    node_.pointwise.steps.insert(node_.pointwise.steps.begin(), step);
  }

  ir::Graph& graph_;
  const Uses& uses_;
  Node node_;
};

bool try_node(ir::Graph& graph, const Uses& uses, int index) {
  PointwiseProgram program;
  const Node& node = node_at(graph, index);
  if (!as_program(node, program)) return false;
  for (const ValueId id : node.inputs)
    if (info_of(graph, id).dtype != DType::kF32 && info_of(graph, id).dtype != DType::kU8)
      return false;
  for (const ValueId id : node.outputs)
    if (info_of(graph, id).dtype != DType::kF32) return false;
  Widened wide(graph, uses, node);
  wide.node().op = OpKind::kPointwise;
  wide.node().attrs = {};
  wide.node().pointwise = program;
  std::vector<bool> dead(graph.nodes.size(), false);
  const bool inputs = wide.take_inputs();
  if (!wide.take_outputs(dead) && !inputs) return false;
  node_at(graph, index) = std::move(wide.node());
  remove_nodes(graph, dead);
  return true;
}

}  // namespace

Result<bool> fuse_bytes(ir::Graph& graph) { return rewrite_all(graph, try_node); }

}  // namespace antiphon::passes
