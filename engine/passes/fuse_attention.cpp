// Attention spelled out, as Network::attention or an exporter writes it, becomes one node.
#include <cmath>

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
using Ints = std::vector<std::int64_t>;

const Node* made_by_reshape(const ir::Graph& graph, const Uses& uses, ValueId id) {
  const Node* reshape = made_by(graph, uses, id, OpKind::kReshape);
  return reshape ? reshape : made_by(graph, uses, id, ir::kOpReshapeTo);
}

// a * c or a / c: a, and `scale` times the factor; else the value itself.
ValueId unscaled(const ir::Graph& graph, const Uses& uses, ValueId id, double& scale) {
  const Node* node = made_by(graph, uses, id, OpKind::kBinary);
  if (!node) return id;
  const std::int64_t op = node->attrs.i("op");
  float factor = 0;
  if (op == static_cast<int>(Binary::kDiv) && scalar_constant(graph, node->inputs[1], factor)) {
    scale /= double{factor};
    return node->inputs[0];
  }
  if (op != static_cast<int>(Binary::kMul)) return id;
  for (const std::size_t side : {1u, 0u})
    if (scalar_constant(graph, node->inputs[side], factor)) {
      scale *= double{factor};
      return node->inputs[1 - side];
    }
  return id;
}

// What all of an attention's operands share.
struct Heads {
  std::int64_t count = 0, width = 0;
};

// x [B, T, heads * d] behind transpose(reshape(x, [B, T, heads, d]), order); else kNoValue.
ValueId by_head(const ir::Graph& graph, const Uses& uses, ValueId id, const Ints& order,
                Heads& heads) {
  const Node* transpose = made_by(graph, uses, id, OpKind::kTranspose);
  if (!transpose || transpose->attrs.ints("order") != order) return kNoValue;
  const Node* reshape = made_by_reshape(graph, uses, transpose->inputs[0]);
  if (!reshape) return kNoValue;
  const Shape &x = info_of(graph, reshape->inputs[0]).shape,
              &y = info_of(graph, reshape->outputs[0]).shape;
  if (x.size() != 3 || y.size() != 4 || !y[2].is_static() || !y[3].is_static() ||
      !ir::same_extent(x[0], y[0]) || !ir::same_extent(x[1], y[1]) ||
      x[2] != Dim(y[2].extent * y[3].extent))
    return kNoValue;
  if (heads.count != 0 && (heads.count != y[2].extent || heads.width != y[3].extent))
    return kNoValue;
  heads = {y[2].extent, y[3].extent};
  return reshape->inputs[0];
}

bool is_last_axis(const ir::Graph& graph, const Node& node) {
  const std::int64_t axis = node.attrs.i("axis", -1);
  return axis == -1 ||
         axis + 1 == static_cast<std::int64_t>(info_of(graph, node.inputs[0]).shape.size());
}

struct Match {
  ValueId q = kNoValue, k = kNoValue, v = kNoValue, mask = kNoValue;
  Heads heads;
  bool masked_rows = false;
};

// A mask that does not tell heads apart: [B, 1, 1, keys] or [B, 1, queries, keys].
bool is_mask(const ir::Graph& graph, ValueId id, ValueId scores) {
  const Shape &mask = info_of(graph, id).shape, &all = info_of(graph, scores).shape;
  return mask.size() == 4 && all.size() == 4 && info_of(graph, id).dtype == DType::kF32 &&
         ir::same_extent(mask[0], all[0]) && mask[1] == Dim(1) &&
         (mask[2] == Dim(1) || ir::same_extent(mask[2], all[2])) &&
         ir::same_extent(mask[3], all[3]);
}

// The scores: matmul(q, k') times 1 / sqrt(d), wherever that is multiplied, with the mask added or
// not.
bool match_scores(const ir::Graph& graph, const Uses& uses, ValueId scores, Match& match) {
  if (const Node* sum = made_by(graph, uses, scores, OpKind::kBinary);
      sum && sum->attrs.i("op") == static_cast<int>(Binary::kAdd)) {
    const std::size_t side = is_mask(graph, sum->inputs[1], scores) ? 1 : 0;
    if (!is_mask(graph, sum->inputs[side], scores)) return false;
    match.mask = sum->inputs[side];
    scores = sum->inputs[1 - side];
  }
  double scale = 1;
  const Node* product = made_by(graph, uses, unscaled(graph, uses, scores, scale), OpKind::kMatMul);
  if (!product || product->attrs.i("transpose_a") != 0) return false;
  scale *= product->attrs.f("alpha", 1);
  const bool transposed = product->attrs.i("transpose_b") != 0;
  match.q = by_head(graph, uses, unscaled(graph, uses, product->inputs[0], scale), {0, 2, 1, 3},
                    match.heads);
  match.k = by_head(graph, uses, unscaled(graph, uses, product->inputs[1], scale),
                    transposed ? Ints{0, 2, 1, 3} : Ints{0, 2, 3, 1}, match.heads);
  if (match.q == kNoValue || match.k == kNoValue) return false;
  const double wanted = 1 / std::sqrt(static_cast<double>(match.heads.width));
  return std::abs(scale - wanted) <= 1e-6 * wanted;
}

// softmax(scores), or zeros where that is not a number: rows all of whose keys are masked.
const Node* match_softmax(const ir::Graph& graph, const Uses& uses, ValueId weights, Match& match) {
  if (const Node* where = made_by(graph, uses, weights, OpKind::kWhere)) {
    const Node* is_nan = made_by(graph, uses, where->inputs[0], ir::kOpMath);
    float value = 1;
    if (!is_nan || is_nan->attrs.i("op") != static_cast<std::int64_t>(ir::Math::kIsNan) ||
        is_nan->inputs[0] != where->inputs[2] || !scalar_constant(graph, where->inputs[1], value) ||
        value != 0)
      return nullptr;
    match.masked_rows = true;
    weights = where->inputs[2];
  }
  const Node* softmax = made_by(graph, uses, weights, OpKind::kSoftmax);
  return softmax && is_last_axis(graph, *softmax) ? softmax : nullptr;
}

// The mask as attention reads it, [B, keys] or [B, queries, keys]; kNoValue: extents without a
// number stand in the way.
ValueId flat_mask(ir::Graph& graph, const Uses& uses, int& index, ValueId mask) {
  const ir::ValueInfo info = info_of(graph, mask);
  if (const Node* reshape = made_by_reshape(graph, uses, mask)) {
    const Shape& from = info_of(graph, reshape->inputs[0]).shape;
    if (from.size() == 2 && info.shape[2] == Dim(1) && ir::same_extent(from[0], info.shape[0]) &&
        ir::same_extent(from[1], info.shape[3]))
      return reshape->inputs[0];
  }
  const bool by_query = info.shape[2] != Dim(1);
  Ints dims = {0};
  const auto number = [](const Dim& dim) { return dim.is_static() ? dim.extent : -1; };
  if (by_query) {
    dims.push_back(number(info.shape[2]));
    // Queries and keys of one sequence: the third axis keeps the extent of that of x.
    dims.push_back(
        ir::same_extent(info.shape[2], info.shape[3]) && dims[1] < 0 ? 0 : number(info.shape[3]));
    if (dims[1] < 0 && dims[2] < 0) return kNoValue;
  } else {
    dims.push_back(-1);
  }
  ir::ValueInfo flat;
  flat.name = info.name + "/flat";
  flat.dtype = DType::kF32;
  flat.shape = info.shape;
  flat.shape.erase(flat.shape.begin() + 1);
  if (!by_query) flat.shape.erase(flat.shape.begin() + 1);
  Node node;
  node.op = OpKind::kReshape;
  node.name = unique_node_name(graph, "mask");
  node.inputs = {mask};
  node.attrs.set("dims", dims);
  const ValueId out = graph.add_value(std::move(flat));
  node.outputs = {out};
  graph.nodes.insert(graph.nodes.begin() + index, std::move(node));
  ++index;
  return out;
}

bool try_node(ir::Graph& graph, const Uses& uses, int index) {
  const Node& last = node_at(graph, index);
  if (last.op != OpKind::kReshape && last.op != ir::kOpReshapeTo) return false;
  const Node* transpose = made_by(graph, uses, last.inputs[0], OpKind::kTranspose);
  if (!transpose || transpose->attrs.ints("order") != Ints{0, 2, 1, 3}) return false;
  const Node* mixed = made_by(graph, uses, transpose->inputs[0], OpKind::kMatMul);
  if (!mixed || mixed->attrs.i("transpose_a") != 0 || mixed->attrs.i("transpose_b") != 0 ||
      mixed->attrs.f("alpha", 1) != 1)
    return false;
  Match match;
  const Node* softmax = match_softmax(graph, uses, mixed->inputs[0], match);
  if (!softmax || !match_scores(graph, uses, softmax->inputs[0], match)) return false;
  match.v = by_head(graph, uses, mixed->inputs[1], {0, 2, 1, 3}, match.heads);
  if (match.v == kNoValue) return false;
  const Shape &out = info_of(graph, last.outputs[0]).shape, &q = info_of(graph, match.q).shape;
  if (out.size() != 3 || !ir::same_extent(out[0], q[0]) || !ir::same_extent(out[1], q[1]))
    return false;
  Node node;
  node.op = OpKind::kAttention;
  node.name = unique_node_name(graph, "attention");
  node.inputs = {match.q, match.k, match.v};
  node.outputs = last.outputs;
  node.attrs.set("heads", match.heads.count);
  if (match.masked_rows) node.attrs.set("masked_rows", std::int64_t{1});
  if (match.mask != kNoValue) {
    const ValueId mask = flat_mask(graph, uses, index, match.mask);
    if (mask == kNoValue) return false;
    node.inputs.push_back(mask);
  }
  node_at(graph, index) = std::move(node);
  return true;
}

}  // namespace

// The matched nodes stay until eliminate_dead, where nothing else reads them.
Result<bool> fuse_attention(ir::Graph& graph) { return rewrite_all(graph, try_node); }

}  // namespace antiphon::passes
