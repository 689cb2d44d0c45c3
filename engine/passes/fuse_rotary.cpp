// Rotary position embeddings as exporters write them become one layer: x cos + turned(x) sin, with
// the halves of a head or its neighbouring elements turned, or both parts of the pairs written out;
// of a whole head or its first elements, with the heads before or behind the steps.
#include <optional>
#include <utility>
#include <vector>

#include "engine/ir/dims.h"
#include "engine/ir/extents.h"
#include "engine/ir/op_enums.h"
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

constexpr std::int64_t kMostHeads = 1 << 20;  // the operator takes no more

const Node* binary(const ir::Graph& graph, const Uses& uses, ValueId id, Binary op) {
  const Node* node = made_by(graph, uses, id, OpKind::kBinary);
  return node && node->attrs.i("op") == static_cast<std::int64_t>(op) ? node : nullptr;
}

bool is_last_axis(const ir::Graph& graph, const Node& node, std::int64_t fallback) {
  const std::int64_t axis = node.attrs.i("axis", fallback);
  return axis == -1 ||
         axis + 1 == static_cast<std::int64_t>(info_of(graph, node.outputs[0]).shape.size());
}

// Elements begin, begin + step, ... of the last axis of x.
struct Columns {
  ValueId x = kNoValue;
  std::int64_t begin = 0, count = 0, step = 1;
};

Columns columns_of(const ir::Graph& graph, const Uses& uses, ValueId id) {
  const Node* slice = made_by(graph, uses, id, OpKind::kSlice);
  const Node* strided = slice ? nullptr : made_by(graph, uses, id, ir::kOpStridedSlice);
  const Node* node = slice ? slice : strided;
  if (!node || !is_last_axis(graph, *node, slice ? -1 : 0)) return {};
  const Shape &x = info_of(graph, node->inputs[0]).shape, &y = info_of(graph, id).shape;
  if (x.empty() || !x.back().is_static() || !y.back().is_static()) return {};
  if (slice) {
    const std::int64_t begin = slice->attrs.i("begin");
    return {slice->inputs[0], begin < 0 ? begin + x.back().extent : begin, y.back().extent, 1};
  }
  const auto numbers = ir::evaluate_extents(
      strided->attrs.s("extents"), [&](std::size_t input, std::size_t axis) -> std::optional<Dim> {
        const ValueId like = input_at(*strided, input);
        if (like == kNoValue) return std::nullopt;
        const Shape& shape = info_of(graph, like).shape;
        return axis < shape.size() ? std::optional(shape[axis]) : std::nullopt;
      });
  if (!numbers.ok() || numbers->size() != 3) return {};
  for (const ir::WholeNumber& n : *numbers)
    if (!n.number) return {};
  const std::int64_t step = *(*numbers)[2].number;
  if (step < 1) return {};
  const ir::SliceRange range =
      ir::clamped_slice(x.back().extent, *(*numbers)[0].number, *(*numbers)[1].number, step);
  return {strided->inputs[0], range.begin, range.count, step};
}

// Two values that are the first and second elements of pairs: halves of the last axis, or
// neighbours on it.
struct Pair {
  ValueId first = kNoValue, second = kNoValue;
  bool interleaved = false;
};

// x whose pairs these are: all of its last axis.
ValueId whole_of(const ir::Graph& graph, const Uses& uses, const Pair& pair) {
  const Columns a = columns_of(graph, uses, pair.first), b = columns_of(graph, uses, pair.second);
  if (a.x == kNoValue || a.x != b.x || a.count != b.count || a.begin != 0 || a.count < 1)
    return kNoValue;
  const std::int64_t step = pair.interleaved ? 2 : 1;
  // A step says nothing of a single element.
  if (a.count > 1 && (a.step != step || b.step != step)) return kNoValue;
  if (b.begin != (pair.interleaved ? 1 : a.count)) return kNoValue;
  return info_of(graph, a.x).shape.back() == Dim(2 * a.count) ? a.x : kNoValue;
}

// The value before an axis of 1 was put behind its last; else kNoValue.
ValueId before_last_one(const ir::Graph& graph, const Uses& uses, ValueId id) {
  const Node* reshape = made_by_reshape(graph, uses, id);
  if (!reshape) return kNoValue;
  Shape shape = info_of(graph, id).shape;
  if (shape.empty() || shape.back() != Dim(1)) return kNoValue;
  shape.pop_back();
  return ir::same_shape(shape, info_of(graph, reshape->inputs[0]).shape) ? reshape->inputs[0]
                                                                         : kNoValue;
}

// What the value's pairs are joined of.
std::optional<Pair> joined(const ir::Graph& graph, const Uses& uses, ValueId id) {
  const auto concat_of = [&](ValueId value) -> const Node* {
    const Node* concat = made_by(graph, uses, value, OpKind::kConcat);
    return concat && concat->inputs.size() == 2 && is_last_axis(graph, *concat, 0) ? concat
                                                                                   : nullptr;
  };
  if (const Node* concat = concat_of(id)) return Pair{concat->inputs[0], concat->inputs[1], false};
  const Node* reshape = made_by_reshape(graph, uses, id);
  const Node* concat = reshape ? concat_of(reshape->inputs[0]) : nullptr;
  if (!concat) return std::nullopt;
  const Pair pair = {before_last_one(graph, uses, concat->inputs[0]),
                     before_last_one(graph, uses, concat->inputs[1]), true};
  if (pair.first == kNoValue || pair.second == kNoValue) return std::nullopt;
  Shape shape = info_of(graph, pair.first).shape;
  if (shape.empty() || !shape.back().is_static()) return std::nullopt;
  shape.back() = Dim(2 * shape.back().extent);
  return ir::same_shape(shape, info_of(graph, id).shape) ? std::optional(pair) : std::nullopt;
}

struct Match {
  ValueId x = kNoValue, cos = kNoValue, sin = kNoValue;
  bool interleaved = false;
};

// (-b, a) of x = (a, b): x; else kNoValue.
ValueId turned_of(const ir::Graph& graph, const Uses& uses, ValueId id, bool& interleaved) {
  const std::optional<Pair> pair = joined(graph, uses, id);
  const Node* neg = pair ? made_by(graph, uses, pair->first, OpKind::kUnary) : nullptr;
  if (!neg || neg->attrs.i("op") != static_cast<std::int64_t>(Unary::kNeg)) return kNoValue;
  interleaved = pair->interleaved;
  return whole_of(graph, uses, {pair->second, neg->inputs[0], interleaved});
}

// x cos + turned(x) sin.
Match match_sum(const ir::Graph& graph, const Uses& uses, ValueId id) {
  const Node* sum = binary(graph, uses, id, Binary::kAdd);
  if (!sum) return {};
  for (const std::size_t side : {0u, 1u}) {
    const Node* straight = binary(graph, uses, sum->inputs[side], Binary::kMul);
    const Node* turned = binary(graph, uses, sum->inputs[1 - side], Binary::kMul);
    if (!straight || !turned) return {};
    for (const std::size_t t : {0u, 1u}) {
      Match match;
      match.x = turned_of(graph, uses, turned->inputs[t], match.interleaved);
      if (match.x == kNoValue) continue;
      for (const std::size_t s : {0u, 1u})
        if (straight->inputs[s] == match.x) {
          match.cos = straight->inputs[1 - s];
          match.sin = turned->inputs[1 - t];
          return match;
        }
    }
  }
  return {};
}

// The other factor of a product with `factor`; kNoValue: it is none.
ValueId beside(const ir::Graph& graph, const Uses& uses, ValueId product, ValueId factor) {
  const Node* node = binary(graph, uses, product, Binary::kMul);
  if (!node) return kNoValue;
  if (node->inputs[0] == factor) return node->inputs[1];
  return node->inputs[1] == factor ? node->inputs[0] : kNoValue;
}

// (a cos - b sin, b cos + a sin) of x = (a, b).
Match match_parts(const ir::Graph& graph, const Uses& uses, ValueId id) {
  const std::optional<Pair> pair = joined(graph, uses, id);
  const Node* first = pair ? binary(graph, uses, pair->first, Binary::kSub) : nullptr;
  const Node* second = pair ? binary(graph, uses, pair->second, Binary::kAdd) : nullptr;
  const Node* straight = first ? binary(graph, uses, first->inputs[0], Binary::kMul) : nullptr;
  const Node* turned = first ? binary(graph, uses, first->inputs[1], Binary::kMul) : nullptr;
  if (!straight || !turned || !second) return {};
  for (const std::size_t i : {0u, 1u})
    for (const std::size_t j : {0u, 1u}) {
      const ValueId a = straight->inputs[i], b = turned->inputs[j];
      const ValueId cos = straight->inputs[1 - i], sin = turned->inputs[1 - j];
      const ValueId x = whole_of(graph, uses, {a, b, pair->interleaved});
      if (x == kNoValue) continue;
      for (const std::size_t side : {0u, 1u})
        if (beside(graph, uses, second->inputs[side], b) == cos &&
            beside(graph, uses, second->inputs[1 - side], a) == sin)
          return {x, cos, sin, pair->interleaved};
    }
  return {};
}

// An extent of the angles for one of x: surely the same, or no name of the model tells it. Of two
// names one may turn out to be 1, which the operator does not take for all steps.
bool may_be(const Dim& angles, const Dim& x) {
  const auto untold = [](const Dim& dim) { return ir::is_unknown(dim) || ir::is_its_own(dim); };
  if (ir::same_extent(angles, x)) return true;
  return !angles.is_static() && !x.is_static() && (untold(angles) || untold(x));
}

// The angles broadcast to x [B, ., ., d] with its heads on that axis as the operator takes them.
bool fits(const ir::Graph& graph, ValueId id, const Shape& x, std::size_t head_axis) {
  const ir::ValueInfo& info = info_of(graph, id);
  Shape shape = info.shape;
  if (info.dtype != DType::kF32 || shape.size() < 2 || shape.size() > 4) return false;
  if (shape.size() == 4) {
    if (shape[head_axis] != Dim(1) || (shape[0] != Dim(1) && !may_be(shape[0], x[0]))) return false;
    return may_be(shape[3 - head_axis], x[3 - head_axis]);
  }
  if (head_axis != 1 || (shape.size() == 3 && shape[0] != Dim(1))) return false;
  return may_be(shape[shape.size() - 2], x[2]);
}

// The axis of x that is its heads; 0: the match is no rotation of heads.
std::size_t head_axis_of(const ir::Graph& graph, const Match& match) {
  const Shape& x = info_of(graph, match.x).shape;
  const Shape &cos = info_of(graph, match.cos).shape, &sin = info_of(graph, match.sin).shape;
  if (x.size() != 4 || !x[3].is_static() || info_of(graph, match.x).dtype != DType::kF32 ||
      cos.empty() || sin.empty() || cos.back() != sin.back() ||
      (cos.back() != x[3] && ir::dim_times(cos.back(), 2) != x[3]))
    return 0;
  for (const std::size_t axis : {1u, 2u})
    if (x[axis].is_static() && x[axis].extent >= 1 && x[axis].extent <= kMostHeads &&
        fits(graph, match.cos, x, axis) && fits(graph, match.sin, x, axis))
      return axis;
  return 0;
}

// A value of this shape, of which some extents may not be known, may be said to have that one.
bool may_have(const Shape& known, const Shape& shape) {
  for (std::size_t i = 0; i < shape.size(); ++i)
    if (known.size() != shape.size() || (known[i] != shape[i] && !ir::is_unknown(known[i])))
      return false;
  return true;
}

bool try_match(ir::Graph& graph, const Uses& uses, int index) {
  const Node& last = node_at(graph, index);
  if (last.outputs.size() != 1) return false;
  const ValueId y = last.outputs[0];
  Match match = match_sum(graph, uses, y);
  if (match.x == kNoValue) match = match_parts(graph, uses, y);
  const std::size_t head_axis = match.x == kNoValue ? 0 : head_axis_of(graph, match);
  if (head_axis == 0) return false;
  const Shape x = info_of(graph, match.x).shape;
  if (!may_have(info_of(graph, y).shape, x)) return false;
  Node node;
  node.op = ir::kOpRotary;
  node.name = unique_node_name(graph, "rotary");
  node.inputs = {match.x, match.cos, match.sin};
  node.outputs = {y};
  node.attrs.set("heads", x[head_axis].extent);
  if (match.interleaved) node.attrs.set("interleaved", std::int64_t{1});
  if (head_axis == 2) node.attrs.set("steps_first", std::int64_t{1});
  graph.values[static_cast<std::size_t>(y)].shape = x;
  node_at(graph, index) = std::move(node);
  return true;
}

// A rotation of one head after the other that nothing else reads.
const Node* rotation(const ir::Graph& graph, const Uses& uses, ValueId id) {
  const Node* node = made_by(graph, uses, id, ir::kOpRotary);
  return node && node->attrs.i("by_head") == 0 && uses.single(id) ? node : nullptr;
}

// concat(rotary(x[:r]), x[r:]) along a head: of x alone.
bool try_part(ir::Graph& graph, const Uses& uses, int index) {
  const Node& concat = node_at(graph, index);
  if (concat.op != OpKind::kConcat || concat.inputs.size() != 2 || !is_last_axis(graph, concat, 0))
    return false;
  const Node* turned = rotation(graph, uses, concat.inputs[0]);
  if (!turned || turned->attrs.has("width")) return false;
  const Columns a = columns_of(graph, uses, turned->inputs[0]),
                b = columns_of(graph, uses, concat.inputs[1]);
  if (a.x == kNoValue || a.x != b.x || a.begin != 0 || a.step != 1 || b.step != 1 ||
      b.begin != a.count || info_of(graph, a.x).shape.back() != Dim(a.count + b.count) ||
      !may_have(info_of(graph, concat.outputs[0]).shape, info_of(graph, a.x).shape))
    return false;
  Node node = ir::clone(*turned);
  node.name = unique_node_name(graph, "rotary");
  node.inputs[0] = a.x;
  node.outputs = concat.outputs;
  node.attrs.set("width", a.count);
  graph.values[static_cast<std::size_t>(node.outputs[0])].shape = info_of(graph, a.x).shape;
  node_at(graph, index) = std::move(node);
  return true;
}

const Node* turns_heads(const ir::Graph& graph, const Uses& uses, ValueId id) {
  const Node* node = made_by(graph, uses, id, OpKind::kTranspose);
  return node && node->attrs.ints("order") == Ints{0, 2, 1, 3} ? node : nullptr;
}

// A transpose to heads that come first, before or behind: the rotation writes them so.
bool try_transpose(ir::Graph& graph, const Uses& uses, int index) {
  const Node& node = node_at(graph, index);
  if (node.op == ir::kOpRotary && node.attrs.i("steps_first") == 0 &&
      info_of(graph, node.inputs[0]).shape.size() == 4) {
    const Node* before = turns_heads(graph, uses, node.inputs[0]);
    if (!before) return false;
    const ValueId x = before->inputs[0];
    node_at(graph, index).inputs[0] = x;
  } else if (node.op == OpKind::kTranspose && node.attrs.ints("order") == Ints{0, 2, 1, 3}) {
    const Node* turned = rotation(graph, uses, node.inputs[0]);
    if (!turned || turned->attrs.i("steps_first") == 0) return false;
    Node whole = ir::clone(*turned);
    whole.name = unique_node_name(graph, "rotary");
    whole.outputs = node.outputs;
    node_at(graph, index) = std::move(whole);
  } else {
    return false;
  }
  node_at(graph, index).attrs.set("steps_first", std::int64_t{1});
  node_at(graph, index).attrs.set("by_head", std::int64_t{1});
  return true;
}

bool try_node(ir::Graph& graph, const Uses& uses, int index) {
  return try_match(graph, uses, index) || try_part(graph, uses, index) ||
         try_transpose(graph, uses, index);
}

}  // namespace

// The matched nodes stay until eliminate_dead, where nothing else reads them.
Result<bool> fuse_rotary(ir::Graph& graph) { return rewrite_all(graph, try_node); }

}  // namespace antiphon::passes
