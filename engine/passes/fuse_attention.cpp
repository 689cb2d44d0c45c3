// Attention spelled out, as Network::attention or an exporter writes it, becomes one node: with a
// mask or a bias of any extents, a past, values of another width than keys.
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
ValueId unscaled_once(const ir::Graph& graph, const Uses& uses, ValueId id, double& scale) {
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

ValueId unscaled(const ir::Graph& graph, const Uses& uses, ValueId id, double& scale) {
  for (ValueId next = id;; id = next)
    if (next = unscaled_once(graph, uses, id, scale); next == id) return id;
}

// An operand [B, heads, T, width] of a product.
struct ByHead {
  Dim batch, steps;
  std::int64_t heads = 0, width = 0;
  ValueId value = kNoValue;  // [B, T, heads * width], or as above
};

bool fits(const ByHead& a, const ByHead& b) {
  return a.value != kNoValue && b.value != kNoValue && a.heads == b.heads &&
         ir::same_extent(a.batch, b.batch);
}

// x [B, T, heads * d] behind transpose(reshape(x, [B, T, heads, d]), order).
ByHead split_by_head(const ir::Graph& graph, const Uses& uses, ValueId id, const Ints& order) {
  const Node* transpose = made_by(graph, uses, id, OpKind::kTranspose);
  if (!transpose || transpose->attrs.ints("order") != order) return {};
  const Node* reshape = made_by_reshape(graph, uses, transpose->inputs[0]);
  if (!reshape) return {};
  const Shape &x = info_of(graph, reshape->inputs[0]).shape,
              &y = info_of(graph, reshape->outputs[0]).shape;
  const Ints dims = reshape->attrs.ints("dims");
  const auto kept = [&](std::size_t axis) {  // a 0 keeps what is not known, too
    return ir::same_extent(x[axis], y[axis]) || (dims.size() == 4 && dims[axis] == 0);
  };
  if (x.size() != 3 || y.size() != 4 || !y[2].is_static() || !y[3].is_static() || !kept(0) ||
      !kept(1) || x[2] != Dim(y[2].extent * y[3].extent))
    return {};
  return {x[0], x[1], y[2].extent, y[3].extent, reshape->inputs[0]};
}

// What the value is made of, with the scales that are multiplied on the way. `turned`: it is
// [B, heads, width, T].
ByHead by_head(const ir::Graph& graph, const Uses& uses, ValueId id, bool turned, double& scale) {
  id = unscaled(graph, uses, id, scale);
  ByHead found = split_by_head(graph, uses, id, turned ? Ints{0, 2, 3, 1} : Ints{0, 2, 1, 3});
  if (found.value == kNoValue && turned) {
    const Node* transpose = made_by(graph, uses, id, OpKind::kTranspose);
    if (!transpose || transpose->attrs.ints("order") != Ints{0, 1, 3, 2}) return {};
    return by_head(graph, uses, transpose->inputs[0], false, scale);
  }
  if (found.value == kNoValue) {
    const Shape& shape = info_of(graph, id).shape;
    if (shape.size() != 4 || !shape[1].is_static() || !shape[3].is_static()) return {};
    return {shape[0], shape[2], shape[1].extent, shape[3].extent, id};
  }
  found.value = unscaled(graph, uses, found.value, scale);
  return found;
}

bool is_last_axis(const ir::Graph& graph, const Node& node) {
  const std::int64_t axis = node.attrs.i("axis", -1);
  return axis == -1 ||
         axis + 1 == static_cast<std::int64_t>(info_of(graph, node.inputs[0]).shape.size());
}

struct Match {
  ByHead q, k, v;
  ValueId mask = kNoValue;
  double scale = 1;
  bool masked_rows = false;
};

// What broadcasts to scores without making them larger. Of an extent that is not known the
// attention's shape rule finds out when it is.
bool is_mask(const ir::Graph& graph, ValueId id, ValueId scores) {
  const Shape &mask = info_of(graph, id).shape, &all = info_of(graph, scores).shape;
  if (info_of(graph, id).dtype != DType::kF32 || all.size() != 4 || mask.size() < 2 ||
      mask.size() > 4)
    return false;
  for (std::size_t i = 0; i < mask.size(); ++i) {
    const Dim &here = mask[mask.size() - 1 - i], &there = all[3 - i];
    const bool open = i < 2 && (ir::is_unknown(here) || ir::is_unknown(there));
    if (here != Dim(1) && !open && !ir::same_extent(here, there)) return false;
  }
  return true;
}

// matmul(q, k') with the scales that are multiplied anywhere.
bool match_product(const ir::Graph& graph, const Uses& uses, ValueId scores, Match& match) {
  double scale = 1;
  const Node* product = made_by(graph, uses, unscaled(graph, uses, scores, scale), OpKind::kMatMul);
  if (!product || product->attrs.i("transpose_a") != 0) return false;
  scale *= product->attrs.f("alpha", 1);
  const bool turned = product->attrs.i("transpose_b") == 0;
  match.q = by_head(graph, uses, product->inputs[0], false, scale);
  match.k = by_head(graph, uses, product->inputs[1], turned, scale);
  match.scale = scale;
  return fits(match.q, match.k) && match.q.width == match.k.width;
}

// The product, with a mask added or not.
bool match_scores(const ir::Graph& graph, const Uses& uses, ValueId scores, Match& match) {
  const Node* sum = made_by(graph, uses, scores, OpKind::kBinary);
  if (!sum || sum->attrs.i("op") != static_cast<int>(Binary::kAdd))
    return match_product(graph, uses, scores, match);
  for (const std::size_t side : {1u, 0u}) {
    match.mask = sum->inputs[side];
    if (match_product(graph, uses, sum->inputs[1 - side], match))
      return is_mask(graph, match.mask, sum->inputs[1 - side]);
  }
  return false;
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

// The mask as attention reads it, [B, keys] or with four axes.
ValueId mask_operand(ir::Graph& graph, const Uses& uses, int& index, ValueId mask,
                     const Dim& batch) {
  const ir::ValueInfo info = info_of(graph, mask);
  const std::size_t rank = info.shape.size();
  if (const Node* reshape = made_by_reshape(graph, uses, mask); reshape && rank == 4) {
    const Shape& from = info_of(graph, reshape->inputs[0]).shape;
    if (from.size() == 2 && info.shape[1] == Dim(1) && info.shape[2] == Dim(1) &&
        ir::same_extent(from[0], info.shape[0]) && ir::same_extent(from[0], batch) &&
        ir::same_extent(from[1], info.shape[3]))
      return reshape->inputs[0];
  }
  if (rank == 4) return mask;
  ir::ValueInfo lifted;
  lifted.name = info.name + "/lifted";
  lifted.dtype = DType::kF32;
  lifted.shape = Shape(4 - rank, Dim(1));
  std::string extents = rank == 2 ? "1,1" : "1";
  for (std::size_t i = 0; i < rank; ++i) {
    lifted.shape.push_back(info.shape[i]);
    extents += ",1:" + std::to_string(i);
  }
  Node node;
  node.op = ir::kOpReshapeTo;
  node.name = unique_node_name(graph, "mask");
  node.inputs = {mask, mask};
  node.attrs.set("extents", extents);
  const ValueId out = graph.add_value(std::move(lifted));
  node.outputs = {out};
  graph.nodes.insert(graph.nodes.begin() + index, std::move(node));
  ++index;
  return out;
}

// What is heard, [B, T, heads * width], where `last` gives that or the same with its rows merged.
enum class Heard { kNone, kSame, kMerged };
Heard result_of(const ir::Graph& graph, const Node& last, const Match& match) {
  const Shape& out = info_of(graph, last.outputs[0]).shape;
  if (out.empty() || out.back() != Dim(match.v.heads * match.v.width)) return Heard::kNone;
  if (out.size() == 2) return Heard::kMerged;
  return out.size() == 3 && ir::same_extent(out[0], match.q.batch) &&
                 ir::same_extent(out[1], match.q.steps)
             ? Heard::kSame
             : Heard::kNone;
}

Node attention_of(const ir::Graph& graph, const Match& match, ValueId mask) {
  Node node;
  node.op = OpKind::kAttention;
  node.name = unique_node_name(graph, "attention");
  node.inputs = {match.q.value, match.k.value, match.v.value};
  if (mask != kNoValue) node.inputs.push_back(mask);
  node.attrs.set("heads", match.q.heads);
  if (match.masked_rows) node.attrs.set("masked_rows", std::int64_t{1});
  const double usual = 1 / std::sqrt(static_cast<double>(match.q.width));
  if (std::abs(match.scale - usual) > 1e-6 * usual) node.attrs.set("scale", match.scale);
  return node;
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
  double value_scale = 1;
  match.v = by_head(graph, uses, mixed->inputs[1], false, value_scale);
  if (!fits(match.q, match.v) || value_scale != 1) return false;
  const Heard result = result_of(graph, last, match);
  if (result == Heard::kNone) return false;
  ValueId mask = match.mask;
  if (mask != kNoValue) mask = mask_operand(graph, uses, index, mask, match.q.batch);
  Node node = attention_of(graph, match, mask);
  Node& place = node_at(graph, index);
  if (result == Heard::kSame) {
    node.outputs = place.outputs;
    place = std::move(node);
    return true;
  }
  const std::int64_t width = match.v.heads * match.v.width;
  const ValueId heard = add_like(graph, place.outputs[0], node.name);
  graph.values[static_cast<std::size_t>(heard)].shape = {match.q.batch, match.q.steps, Dim(width)};
  place.op = OpKind::kReshape;
  place.inputs = {heard};
  place.attrs = {};
  place.attrs.set("dims", Ints{-1, width});
  node.outputs = {heard};
  graph.nodes.insert(graph.nodes.begin() + index, std::move(node));
  return true;
}

}  // namespace

// The matched nodes stay until eliminate_dead, where nothing else reads them.
Result<bool> fuse_attention(ir::Graph& graph) { return rewrite_all(graph, try_node); }

}  // namespace antiphon::passes
