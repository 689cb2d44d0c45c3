// Norms spelled out, x / sqrt(mean(x * x) + epsilon) * gamma with its factors in any order, become
// one layer; where x is z - mean(z), a layer norm of z, which takes the beta behind it too.
#include <vector>

#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

using ir::kNoValue;
using ir::Node;
using ir::OpKind;
using ir::ValueId;

constexpr std::size_t kBeta = 2;

const Node* binary(const ir::Graph& graph, const Uses& uses, ValueId id, Binary op) {
  const Node* node = made_by(graph, uses, id, OpKind::kBinary);
  return node && node->attrs.i("op") == static_cast<std::int64_t>(op) ? node : nullptr;
}
const Node* unary(const ir::Graph& graph, const Uses& uses, ValueId id, Unary op) {
  const Node* node = made_by(graph, uses, id, OpKind::kUnary);
  return node && node->attrs.i("op") == static_cast<std::int64_t>(op) ? node : nullptr;
}

// mean(x) over the last axis, which stays: x; else kNoValue.
ValueId mean_of(const ir::Graph& graph, const Uses& uses, ValueId id) {
  const Node* mean = made_by(graph, uses, id, OpKind::kReduce);
  if (!mean || mean->attrs.i("op") != static_cast<std::int64_t>(Reduce::kMean) ||
      mean->attrs.i("keep_dim") == 0)
    return kNoValue;
  const auto rank = static_cast<std::int64_t>(info_of(graph, mean->inputs[0]).shape.size());
  const std::int64_t axis = mean->attrs.i("axis", -1);
  return axis == -1 || axis == rank - 1 ? mean->inputs[0] : kNoValue;
}

// mean(x * x) + epsilon: x; else kNoValue.
ValueId squares_of(const ir::Graph& graph, const Uses& uses, ValueId id, float& epsilon) {
  const Node* sum = binary(graph, uses, id, Binary::kAdd);
  if (!sum) return kNoValue;
  for (const std::size_t side : {0u, 1u}) {
    if (!scalar_constant(graph, sum->inputs[1 - side], epsilon) || !(epsilon >= 0)) continue;
    const Node* square = binary(graph, uses, mean_of(graph, uses, sum->inputs[side]), Binary::kMul);
    if (square && square->inputs[0] == square->inputs[1]) return square->inputs[0];
  }
  return kNoValue;
}

// 1 / sqrt(mean(x * x) + epsilon), or its root alone where `inverse` is false: x; else kNoValue.
ValueId root_of(const ir::Graph& graph, const Uses& uses, ValueId id, bool inverse,
                float& epsilon) {
  if (!inverse) {
    const Node* root = unary(graph, uses, id, Unary::kSqrt);
    return root ? squares_of(graph, uses, root->inputs[0], epsilon) : kNoValue;
  }
  if (const Node* root = unary(graph, uses, id, Unary::kRsqrt))
    return squares_of(graph, uses, root->inputs[0], epsilon);
  if (const Node* node = unary(graph, uses, id, Unary::kReciprocal))
    return root_of(graph, uses, node->inputs[0], false, epsilon);
  const Node* ratio = binary(graph, uses, id, Binary::kDiv);
  float one = 0;
  if (!ratio || !scalar_constant(graph, ratio->inputs[0], one) || one != 1) return kNoValue;
  return root_of(graph, uses, ratio->inputs[1], false, epsilon);
}

// The factors of a product, and what it is divided by.
struct Product {
  std::vector<ValueId> factors, divisors;
};
void collect(const ir::Graph& graph, const Uses& uses, ValueId id, bool root, Product& product) {
  if ((root || uses.single(id)) && product.factors.size() < 4) {
    if (const Node* node = binary(graph, uses, id, Binary::kMul)) {
      for (const ValueId input : node->inputs) collect(graph, uses, input, false, product);
      return;
    }
    float value = 0;
    const Node* node = binary(graph, uses, id, Binary::kDiv);
    if (node && !scalar_constant(graph, node->inputs[0], value)) {
      product.divisors.push_back(node->inputs[1]);
      collect(graph, uses, node->inputs[0], false, product);
      return;
    }
  }
  product.factors.push_back(id);
}

// One number for each column, with no other axis than it: the value as [columns]; else kNoValue.
ValueId by_column(ir::Graph& graph, ValueId id, const Dim& columns) {
  const ir::ValueInfo& info = info_of(graph, id);
  if (info.dtype != DType::kF32 || info.shape.empty() || !columns.is_static() ||
      info.shape.back() != columns)
    return kNoValue;
  if (info.shape.size() == 1) return id;
  if (!is_constant(graph, id) || constant_view(graph, id).num_elements() != columns.extent)
    return kNoValue;
  ir::ValueInfo flat = info;
  flat.shape = {columns};
  return graph.add_value(std::move(flat));  // shares the memory
}

struct Match {
  ValueId x = kNoValue, gamma = kNoValue;
  float epsilon = 0;
};

// x * gamma among the factors, beside the root in `scale`, the last of them or a divisor.
Match match_norm(ir::Graph& graph, const Uses& uses, const Product& product) {
  const bool divided = !product.divisors.empty();
  const std::vector<ValueId>& factors = product.factors;
  if (product.divisors.size() > 1 || factors.size() != (divided ? 2u : 3u)) return {};
  for (std::size_t s = 0; s < (divided ? 1 : factors.size()); ++s) {
    Match match;
    match.x =
        root_of(graph, uses, divided ? product.divisors[0] : factors[s], !divided, match.epsilon);
    if (match.x == kNoValue) continue;
    const Dim& columns = info_of(graph, match.x).shape.back();
    ValueId other = kNoValue;
    bool has_x = false;
    for (std::size_t i = 0; i < factors.size(); ++i) {
      if (!divided && i == s) continue;
      if (factors[i] == match.x && !has_x)
        has_x = true;
      else
        other = factors[i];
    }
    if (has_x && other != kNoValue) match.gamma = by_column(graph, other, columns);
    if (match.gamma != kNoValue) return match;
  }
  return {};
}

// z of x = z - mean(z); else kNoValue.
ValueId centred(const ir::Graph& graph, const Uses& uses, ValueId x) {
  const Node* difference = binary(graph, uses, x, Binary::kSub);
  return difference && mean_of(graph, uses, difference->inputs[1]) == difference->inputs[0]
             ? difference->inputs[0]
             : kNoValue;
}

bool try_product(ir::Graph& graph, const Uses& uses, int index) {
  Product product;
  collect(graph, uses, node_at(graph, index).outputs[0], true, product);
  const Match match = match_norm(graph, uses, product);
  if (match.gamma == kNoValue) return false;
  Node& node = node_at(graph, index);
  if (info_of(graph, match.x).shape != info_of(graph, node.outputs[0]).shape) return false;
  node.op = OpKind::kLayerNorm;
  node.attrs = {};
  node.attrs.set("epsilon", static_cast<double>(match.epsilon));
  const ValueId z = centred(graph, uses, match.x);
  if (z == kNoValue) {
    node.inputs = {match.x, match.gamma};
    node.attrs.set("rms", std::int64_t{1});
    return true;
  }
  const std::int64_t columns = info_of(graph, z).shape.back().extent;
  const std::vector<float> zeros(static_cast<std::size_t>(columns), 0.0f);
  const ValueId beta =
      add_constant(graph, node.name + ".beta", DType::kF32, {columns}, zeros.data());
  node_at(graph, index).inputs = {z, match.gamma, beta};
  return true;
}

// A beta of zeros, as above, is what is added behind it.
bool try_sum(ir::Graph& graph, const Uses& uses, int index) {
  const Node& sum = node_at(graph, index);
  for (const std::size_t side : {0u, 1u}) {
    const Node* norm = made_by(graph, uses, sum.inputs[side], OpKind::kLayerNorm);
    if (!norm || norm->attrs.i("rms") != 0 || !uses.single(sum.inputs[side])) continue;
    const ValueId old = input_at(*norm, kBeta);
    if (!is_constant(graph, old) ||
        info_of(graph, sum.outputs[0]).shape != info_of(graph, norm->outputs[0]).shape)
      continue;
    const TensorView zeros = constant_view(graph, old);
    bool all = true;
    for (std::int64_t i = 0; i < zeros.num_elements(); ++i) all = all && zeros.f32()[i] == 0;
    const int maker = uses.maker(sum.inputs[side]);
    const ValueId beta =
        all ? by_column(graph, sum.inputs[1 - side], info_of(graph, old).shape[0]) : kNoValue;
    if (beta == kNoValue) continue;
    Node whole = ir::clone(node_at(graph, maker));
    whole.inputs[kBeta] = beta;
    whole.name = node_at(graph, index).name;
    whole.outputs = node_at(graph, index).outputs;
    node_at(graph, index) = std::move(whole);
    remove_node(graph, maker);
    return true;
  }
  return false;
}

bool try_node(ir::Graph& graph, const Uses& uses, int index) {
  const Node& node = node_at(graph, index);
  if (node.op != OpKind::kBinary) return false;
  switch (static_cast<Binary>(node.attrs.i("op"))) {
    case Binary::kMul:
    case Binary::kDiv: return try_product(graph, uses, index);
    case Binary::kAdd: return try_sum(graph, uses, index);
    default: return false;
  }
}

}  // namespace

// The matched nodes stay until eliminate_dead, where nothing else reads them.
Result<bool> fuse_norm(ir::Graph& graph) { return rewrite_all(graph, try_node); }

}  // namespace antiphon::passes
