// GELU as exporters write it, x * 0.5 * (1 + erf(x / sqrt(2))) with its factors in any order,
// becomes one node.
#include <cmath>

#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

using ir::Node;
using ir::OpKind;
using ir::ValueId;

constexpr double kTolerance = 1e-5;

bool is_binary(const Node* node, Binary op) {
  return node && node->attrs.i("op") == static_cast<std::int64_t>(op);
}
const Node* binary(const ir::Graph& graph, const Uses& uses, ValueId id, Binary op) {
  const Node* node = made_by(graph, uses, id, OpKind::kBinary);
  return is_binary(node, op) ? node : nullptr;
}

// The factors of a product whose parts nothing else reads.
struct Product {
  double constant = 1;
  std::vector<ValueId> factors;
};
void collect(const ir::Graph& graph, const Uses& uses, ValueId id, bool root, Product& product) {
  float value = 0;
  if (scalar_constant(graph, id, value)) {
    product.constant *= double{value};
    return;
  }
  const Node* node = made_by(graph, uses, id, OpKind::kBinary);
  if ((root || uses.single(id)) && product.factors.size() < 4) {
    if (is_binary(node, Binary::kMul)) {
      collect(graph, uses, node->inputs[0], false, product);
      collect(graph, uses, node->inputs[1], false, product);
      return;
    }
    if (is_binary(node, Binary::kDiv) && scalar_constant(graph, node->inputs[1], value)) {
      product.constant /= double{value};
      collect(graph, uses, node->inputs[0], false, product);
      return;
    }
  }
  product.factors.push_back(id);
}

// 1 + erf(x / sqrt(2)): x; else kNoValue.
ValueId erf_argument(const ir::Graph& graph, const Uses& uses, ValueId id) {
  const Node* sum = binary(graph, uses, id, Binary::kAdd);
  if (!sum) return ir::kNoValue;
  for (const std::size_t side : {0u, 1u}) {
    float one = 0;
    const Node* erf = made_by(graph, uses, sum->inputs[side], OpKind::kUnary);
    if (!erf || erf->attrs.i("op") != static_cast<std::int64_t>(Unary::kErf) ||
        !scalar_constant(graph, sum->inputs[1 - side], one) || one != 1)
      continue;
    Product inside;
    collect(graph, uses, erf->inputs[0], true, inside);
    if (inside.factors.size() == 1 && std::abs(inside.constant - std::sqrt(0.5)) < kTolerance)
      return inside.factors[0];
  }
  return ir::kNoValue;
}

bool try_node(ir::Graph& graph, const Uses& uses, int index) {
  const Node& node = node_at(graph, index);
  if (node.op != OpKind::kBinary || !is_binary(&node, Binary::kMul)) return false;
  Product product;
  collect(graph, uses, node.outputs[0], true, product);
  if (product.factors.size() != 2 || std::abs(product.constant - 0.5) > kTolerance) return false;
  for (const std::size_t side : {0u, 1u}) {
    const ValueId x = product.factors[side];
    if (erf_argument(graph, uses, product.factors[1 - side]) != x) continue;
    Node gelu;
    gelu.op = OpKind::kUnary;
    gelu.name = node.name;
    gelu.inputs = {x};
    gelu.outputs = node.outputs;
    gelu.attrs.set("op", static_cast<std::int64_t>(Unary::kGelu));
    node_at(graph, index) = std::move(gelu);
    return true;
  }
  return false;
}

}  // namespace

// The matched nodes stay until eliminate_dead.
Result<bool> fuse_gelu(ir::Graph& graph) { return rewrite_all(graph, try_node); }

}  // namespace antiphon::passes
