// Attention spelled out, as Network::attention or an exporter writes it, becomes one node: with
// masks and biases of any extents, a past, values of another width than keys, fewer heads of keys
// and values than of queries, batch and heads as one axis or two.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "engine/ir/dims.h"
#include "engine/ir/op_enums.h"
#include "engine/passes/attention_masks.h"
#include "engine/passes/attention_operands.h"
#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

using ir::kNoValue;
using ir::Node;
using ir::OpKind;
using ir::ValueId;
using Ints = std::vector<std::int64_t>;

bool fits(const ByHead& q, const ByHead& other) {
  return q.value != kNoValue && other.value != kNoValue && q.heads == other.heads &&
         q.kv_heads == q.heads && ir::same_extent(q.batch, other.batch);
}

bool is_last_axis(const ir::Graph& graph, const Node& node) {
  const std::int64_t axis = node.attrs.i("axis", -1);
  return axis == -1 ||
         axis + 1 == static_cast<std::int64_t>(info_of(graph, node.inputs[0]).shape.size());
}

constexpr std::size_t kMostMasks = 3;

struct Match {
  ByHead q, k, v;
  ValueId queries = kNoValue;  // the product's operand [B, heads, T, width]
  std::vector<Mask> masks;     // in sum
  double scale = 1;
  bool masked_rows = false;
};

// matmul(q, k') with the scales that are multiplied anywhere.
bool match_product(const ir::Graph& graph, const Uses& uses, ValueId scores, Match& match) {
  double scale = 1;
  const Node* product = made_by(graph, uses, unscaled(graph, uses, scores, scale), OpKind::kMatMul);
  if (!product || product->attrs.i("transpose_a") != 0) return false;
  scale *= product->attrs.f("alpha", 1);
  const bool turned = product->attrs.i("transpose_b") == 0;
  match.queries = product->inputs[0];
  match.q = by_head(graph, uses, match.queries, false, scale);
  match.k = by_head(graph, uses, product->inputs[1], turned, scale);
  match.scale = scale;
  return fits(match.q, match.k) && match.q.width == match.k.width;
}

// The value before its first two axes became one, or after they became two; else the value itself.
ValueId behind_heads(const ir::Graph& graph, const Uses& uses, ValueId id) {
  const Node* reshape = made_by_reshape(graph, uses, id);
  if (!reshape) return id;
  const Shape &from = info_of(graph, reshape->inputs[0]).shape, &to = info_of(graph, id).shape;
  return merges_heads(from, to) || merges_heads(to, from) ? reshape->inputs[0] : id;
}

// The product, with masks added or not.
bool match_scores(const ir::Graph& graph, const Uses& uses, ValueId scores, Match& match) {
  scores = behind_heads(graph, uses, scores);
  const Node* sum = made_by(graph, uses, scores, OpKind::kBinary);
  if (!sum || sum->attrs.i("op") != static_cast<int>(Binary::kAdd))
    return match_product(graph, uses, scores, match);
  if (match.masks.size() == kMostMasks) return false;
  for (const std::size_t side : {1u, 0u}) {
    const ValueId mask = sum->inputs[side];
    if (!is_mask(graph, mask, sum->inputs[1 - side])) continue;
    if (!match.masks.empty() && !masks_agree(graph, mask, match.masks.back().value)) continue;
    const Shape& shape = info_of(graph, mask).shape;
    const bool merged = info_of(graph, sum->outputs[0]).shape.size() == 3 && shape.size() == 3;
    match.masks.push_back({mask, merged && shape[0] != Dim(1)});
    if (match_scores(graph, uses, sum->inputs[1 - side], match)) return true;
    match.masks.pop_back();
  }
  return false;
}

// softmax(scores), or zeros where that is not a number: rows all of whose keys are masked.
const Node* match_softmax(const ir::Graph& graph, const Uses& uses, ValueId weights, Match& match) {
  weights = behind_heads(graph, uses, weights);
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

// The value [B, n * m, 1, d] is made of one [B, n, m, d]: of a single query, whose m heads of each
// of n groups an exporter takes for as many queries. That value; else kNoValue.
ValueId behind_groups(const ir::Graph& graph, const Uses& uses, ValueId id) {
  const Node* reshape = made_by_reshape(graph, uses, id);
  if (!reshape) return kNoValue;
  const Shape &x = info_of(graph, reshape->inputs[0]).shape, &y = info_of(graph, id).shape;
  const bool groups = x.size() == 4 && y.size() == 4 && x[1].is_static() && x[2].is_static() &&
                      y[2] == Dim(1) && y[1] == Dim(x[1].extent * x[2].extent) &&
                      ir::same_extent(x[0], y[0]) && ir::same_extent(x[3], y[3]);
  return groups ? reshape->inputs[0] : kNoValue;
}

// The match of groups taken for queries as one of a query and all heads.
bool part_groups(const ir::Graph& graph, const Uses& uses, Match& match) {
  for (const Mask& mask : match.masks) {
    const Shape& shape = info_of(graph, mask.value).shape;
    for (std::size_t i = 2; i <= std::min<std::size_t>(shape.size(), 3); ++i)
      if (shape[shape.size() - i] != Dim(1)) return false;
  }
  const Node* fold = made_by_reshape(graph, uses, match.q.value);
  if (!fold || match.q.value != fold->outputs[0] || !match.q.steps.is_static()) return false;
  const Shape &one = info_of(graph, fold->inputs[0]).shape,
              &all = info_of(graph, match.q.value).shape;
  const std::int64_t heads = match.q.heads * match.q.steps.extent;
  if (one.size() != 4 || all.size() != 4 || one[1] != Dim(heads) || one[2] != Dim(1) ||
      one[3] != all[3] || !ir::same_extent(one[0], all[0]))
    return false;
  match.q = by_head(graph, uses, fold->inputs[0], false, match.scale);
  match.k.heads = match.v.heads = heads;
  return match.q.heads == heads && fits(match.q, match.k);
}

// The items of a list of expressions.
std::vector<std::string> items_of(const std::string& text) {
  std::vector<std::string> items(1);
  for (const char c : text)
    if (c == ',')
      items.emplace_back();
    else
      items.back() += c;
  return items;
}

// The reshape of what is heard, [B, heads, T, width], gives the same: its extents are asked for of
// the queries. Heads may be what the number of elements leaves.
bool hands_on(const ir::Graph& graph, const Uses& uses, const Node& reshape, const Match& match) {
  const Shape &x = info_of(graph, reshape.inputs[0]).shape,
              &y = info_of(graph, reshape.outputs[0]).shape;
  const std::vector<std::string> items = items_of(reshape.attrs.s("extents"));
  if (x.size() != 4 || y.size() != 4 || items.size() != 4 || !ir::same_extent(x[0], y[0]) ||
      y[3] != Dim(match.v.width))
    return false;
  double scale = 1;
  const ValueId before = unscaled(graph, uses, match.queries, scale);
  for (std::size_t i = 1; i < reshape.inputs.size(); ++i) {
    const ValueId like = reshape.inputs[i];
    const std::string steps = std::to_string(i) + ":2";
    if ((like != match.queries && like != before) || items[2] != steps) continue;
    const std::string heads = std::to_string(match.q.heads);
    return items[1] == heads || items[1] == "0:2 " + heads + " * " + steps + " /";
  }
  return false;
}

// An expression that asks for axes of [B, T, heads, width], for [B, T, heads * width].
std::string of_heard(const std::string& text, const Match& match) {
  std::string out, word;
  for (const char c : text + ",") {
    if (c != ',' && c != ' ') {
      word += c;
      continue;
    }
    if (word == "0:2") word = std::to_string(match.v.heads);
    if (word == "0:3") word = std::to_string(match.v.width);
    out += word + c;
    word.clear();
  }
  out.pop_back();
  return out;
}

// What is heard, [B, T, heads * width], where `last` gives that, the same with its rows merged, or
// in another shape that is computed at run time.
enum class Heard { kNone, kSame, kMerged, kReshaped };
Heard result_of(const ir::Graph& graph, const Node& last, const Match& match) {
  const Shape& out = info_of(graph, last.outputs[0]).shape;
  if (out.empty()) return Heard::kNone;
  if (out.back() == Dim(match.v.heads * match.v.width)) {
    if (out.size() == 2) return Heard::kMerged;
    if (out.size() == 3 && ir::same_extent(out[0], match.q.batch) &&
        ir::same_extent(out[1], match.q.steps))
      return Heard::kSame;
  }
  if (last.op != ir::kOpReshapeTo) return Heard::kNone;
  for (std::size_t i = 1; i < last.inputs.size(); ++i)
    if (last.inputs[i] == last.inputs[0]) return Heard::kNone;
  return Heard::kReshaped;
}

Node attention_of(const ir::Graph& graph, const Match& match, ValueId mask) {
  Node node;
  node.op = OpKind::kAttention;
  node.name = unique_node_name(graph, "attention");
  node.inputs = {match.q.value, match.k.value, match.v.value};
  if (mask != kNoValue) node.inputs.push_back(mask);
  node.attrs.set("heads", match.q.heads);
  if (match.k.kv_heads != match.q.heads) node.attrs.set("kv_heads", match.k.kv_heads);
  if (match.masked_rows) node.attrs.set("masked_rows", std::int64_t{1});
  const double usual = 1 / std::sqrt(static_cast<double>(match.q.width));
  if (std::abs(match.scale - usual) > 1e-6 * usual) node.attrs.set("scale", match.scale);
  return node;
}

// The attention in the place of the node at `index`, or before it.
void write_attention(ir::Graph& graph, int index, const Match& match, ValueId mask, Heard result) {
  Node node = attention_of(graph, match, mask);
  Node& place = node_at(graph, index);
  if (result == Heard::kSame) {
    node.outputs = place.outputs;
    place = std::move(node);
    return;
  }
  const std::int64_t width = match.v.heads * match.v.width;
  const ValueId heard = add_like(graph, place.outputs[0], node.name);
  graph.values[static_cast<std::size_t>(heard)].shape = {match.q.batch, match.q.steps, Dim(width)};
  if (result == Heard::kReshaped) {
    place.inputs[0] = heard;
    place.attrs.set("extents", of_heard(place.attrs.s("extents"), match));
  } else {
    place.op = OpKind::kReshape;
    place.inputs = {heard};
    place.attrs = {};
    place.attrs.set("dims", Ints{-1, width});
  }
  node.outputs = {heard};
  graph.nodes.insert(graph.nodes.begin() + index, std::move(node));
}

bool try_node(ir::Graph& graph, const Uses& uses, int index) {
  const Node& last = node_at(graph, index);
  if (last.op != OpKind::kReshape && last.op != ir::kOpReshapeTo) return false;
  const Node* transpose = made_by(graph, uses, last.inputs[0], OpKind::kTranspose);
  if (!transpose || transpose->attrs.ints("order") != Ints{0, 2, 1, 3}) return false;
  const ValueId grouped = behind_groups(graph, uses, transpose->inputs[0]);
  const ValueId heard =
      grouped != kNoValue ? grouped : behind_heads(graph, uses, transpose->inputs[0]);
  const Node* same = made_by(graph, uses, heard, ir::kOpReshapeTo);
  const Node* mixed = made_by(graph, uses, same ? same->inputs[0] : heard, OpKind::kMatMul);
  if (!mixed || mixed->attrs.i("transpose_a") != 0 || mixed->attrs.i("transpose_b") != 0 ||
      mixed->attrs.f("alpha", 1) != 1)
    return false;
  Match match;
  const Node* softmax = match_softmax(graph, uses, mixed->inputs[0], match);
  if (!softmax || !match_scores(graph, uses, softmax->inputs[0], match)) return false;
  double value_scale = 1;
  match.v = by_head(graph, uses, mixed->inputs[1], false, value_scale);
  if (!fits(match.q, match.v) || value_scale != 1 || match.k.kv_heads != match.v.kv_heads)
    return false;
  if (same && !hands_on(graph, uses, *same, match)) return false;
  if (grouped != kNoValue && !part_groups(graph, uses, match)) return false;
  const Heard result = result_of(graph, last, match);
  if (result == Heard::kNone) return false;
  const ValueId mask = mask_operand(graph, uses, index, match.masks, match.q);
  write_attention(graph, index, match, mask, result);
  return true;
}

}  // namespace

// The matched nodes stay until eliminate_dead, where nothing else reads them.
Result<bool> fuse_attention(ir::Graph& graph) { return rewrite_all(graph, try_node); }

}  // namespace antiphon::passes
