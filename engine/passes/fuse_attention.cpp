// The operations that Network::attention writes become one attention node.
#include <cmath>

#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

using ir::kNoValue;
using ir::Node;
using ir::OpKind;
using ir::ValueId;
using Ints = std::vector<std::int64_t>;

// transpose(reshape(x, {0, 0, heads, d}), {0, 2, 1, 3}): x, else kNoValue.
ValueId by_head(const ir::Graph& graph, const Uses& uses, ValueId id, Ints& heads_and_d) {
  const Node* transpose = made_by(graph, uses, id, OpKind::kTranspose);
  if (!transpose || transpose->attrs.ints("order") != Ints{0, 2, 1, 3}) return kNoValue;
  const Node* reshape = made_by(graph, uses, transpose->inputs[0], OpKind::kReshape);
  if (!reshape) return kNoValue;
  const Ints dims = reshape->attrs.ints("dims");
  if (dims.size() != 4 || dims[0] != 0 || dims[1] != 0 ||
      info_of(graph, reshape->inputs[0]).shape.size() != 3)
    return kNoValue;
  const Ints found = {dims[2], dims[3]};
  if (!heads_and_d.empty() && heads_and_d != found) return kNoValue;
  heads_and_d = found;
  return reshape->inputs[0];
}

// reshape(mask [B, T], {0, 1, 1, -1}): mask.
ValueId mask_of(const ir::Graph& graph, const Uses& uses, ValueId id) {
  const Node* reshape = made_by(graph, uses, id, OpKind::kReshape);
  if (!reshape || reshape->attrs.ints("dims") != Ints{0, 1, 1, -1}) return kNoValue;
  return info_of(graph, reshape->inputs[0]).shape.size() == 2 ? reshape->inputs[0] : kNoValue;
}

bool is_last_axis(const ir::Graph& graph, const Node& node) {
  const std::int64_t axis = node.attrs.i("axis", -1);
  return axis == -1 ||
         axis + 1 == static_cast<std::int64_t>(info_of(graph, node.inputs[0]).shape.size());
}

struct Match {
  ValueId q = kNoValue, k = kNoValue, v = kNoValue, mask = kNoValue;
  std::int64_t heads = 0;
};

// The scores: matmul(q, k') / sqrt(d), with the mask added or not.
bool match_scores(const ir::Graph& graph, const Uses& uses, ValueId scores, Ints& heads_and_d,
                  Match& match) {
  if (const Node* sum = made_by(graph, uses, scores, OpKind::kBinary)) {
    if (sum->attrs.i("op") != static_cast<int>(Binary::kAdd)) return false;
    match.mask = mask_of(graph, uses, sum->inputs[1]);
    if (match.mask == kNoValue) return false;
    scores = sum->inputs[0];
  }
  const Node* product = made_by(graph, uses, scores, OpKind::kMatMul);
  if (!product || product->attrs.i("transpose_b") == 0 || product->attrs.i("transpose_a") != 0)
    return false;
  match.q = by_head(graph, uses, product->inputs[0], heads_and_d);
  match.k = by_head(graph, uses, product->inputs[1], heads_and_d);
  if (match.q == kNoValue || match.k == kNoValue) return false;
  const double scale = 1 / std::sqrt(static_cast<double>(heads_and_d[1]));
  return std::abs(product->attrs.f("alpha", 1) - scale) <= 1e-6 * scale;
}

bool try_node(ir::Graph& graph, const Uses& uses, int index) {
  const Node& last = node_at(graph, index);
  if (last.op != OpKind::kReshape) return false;
  const Node* transpose = made_by(graph, uses, last.inputs[0], OpKind::kTranspose);
  if (!transpose || transpose->attrs.ints("order") != Ints{0, 2, 1, 3}) return false;
  const Node* mixed = made_by(graph, uses, transpose->inputs[0], OpKind::kMatMul);
  if (!mixed || mixed->attrs.i("transpose_a") != 0 || mixed->attrs.i("transpose_b") != 0 ||
      mixed->attrs.f("alpha", 1) != 1)
    return false;
  const Node* softmax = made_by(graph, uses, mixed->inputs[0], OpKind::kSoftmax);
  if (!softmax || !is_last_axis(graph, *softmax)) return false;
  Ints heads_and_d;
  Match match;
  if (!match_scores(graph, uses, softmax->inputs[0], heads_and_d, match)) return false;
  match.v = by_head(graph, uses, mixed->inputs[1], heads_and_d);
  const Ints dims = last.attrs.ints("dims");
  if (match.v == kNoValue || dims.size() != 3 || dims[0] != 0 || dims[1] != 0) return false;
  Node node;
  node.op = OpKind::kAttention;
  node.name = unique_node_name(graph, "attention");
  node.inputs = {match.q, match.k, match.v};
  if (match.mask != kNoValue) node.inputs.push_back(match.mask);
  node.outputs = last.outputs;
  node.attrs.set("heads", heads_and_d[0]);
  node_at(graph, index) = std::move(node);
  return true;
}

}  // namespace

// The matched nodes stay until eliminate_dead, where nothing else reads them.
Result<bool> fuse_attention(ir::Graph& graph) { return rewrite_all(graph, try_node); }

}  // namespace antiphon::passes
