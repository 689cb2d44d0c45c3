// The operands of attention as exporters write them.
#include "engine/passes/attention_operands.h"

#include <algorithm>
#include <string>

#include "engine/ir/dims.h"
#include "engine/ir/op_enums.h"

namespace antiphon::passes {

using ir::kNoValue;
using ir::Node;
using ir::OpKind;
using ir::ValueId;
using Ints = std::vector<std::int64_t>;

const Node* made_by_reshape(const ir::Graph& graph, const Uses& uses, ValueId id) {
  const Node* reshape = made_by(graph, uses, id, OpKind::kReshape);
  return reshape ? reshape : made_by(graph, uses, id, ir::kOpReshapeTo);
}

namespace {

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

}  // namespace

ValueId unscaled(const ir::Graph& graph, const Uses& uses, ValueId id, double& scale) {
  for (ValueId next = id;; id = next)
    if (next = unscaled_once(graph, uses, id, scale); next == id) return id;
}

bool merges_heads(const Shape& apart, const Shape& merged) {
  if (apart.size() != 4 || merged.size() != 3 || !apart[1].is_static() || apart[1].extent < 1)
    return false;
  // The third axis follows from the others.
  return ir::same_extent(ir::dim_times(apart[0], apart[1].extent), merged[0]) &&
         (ir::same_extent(apart[2], merged[1]) || ir::same_extent(apart[3], merged[2]));
}

namespace {

// The axis of the reshape is that of its input: a 0 keeps what is not known, too.
bool keeps(const ir::Graph& graph, const Node& reshape, std::size_t axis) {
  const Ints dims = reshape.attrs.ints("dims");
  return ir::same_extent(info_of(graph, reshape.inputs[0]).shape[axis],
                         info_of(graph, reshape.outputs[0]).shape[axis]) ||
         (axis < dims.size() && dims[axis] == 0);
}

// x [B, T, heads * d] behind transpose(reshape(x, [B, T, heads, d]), order).
ByHead split_by_head(const ir::Graph& graph, const Uses& uses, ValueId id, const Ints& order) {
  const Node* transpose = made_by(graph, uses, id, OpKind::kTranspose);
  if (!transpose || transpose->attrs.ints("order") != order) return {};
  const Node* reshape = made_by_reshape(graph, uses, transpose->inputs[0]);
  if (!reshape) return {};
  const Shape &x = info_of(graph, reshape->inputs[0]).shape,
              &y = info_of(graph, reshape->outputs[0]).shape;
  if (x.size() != 3 || y.size() != 4 || !y[2].is_static() || !y[3].is_static() ||
      !keeps(graph, *reshape, 0) || !keeps(graph, *reshape, 1) ||
      x[2] != Dim(y[2].extent * y[3].extent))
    return {};
  return {x[0], x[1], y[2].extent, y[2].extent, y[3].extent, reshape->inputs[0]};
}

// The expand leaves T as it is: it is known to be the same, or is asked for of what is expanded.
bool keeps_steps(const ir::Graph& graph, const Node& expand, const Node& split) {
  const Shape &one = info_of(graph, expand.inputs[0]).shape,
              &many = info_of(graph, expand.outputs[0]).shape;
  if (expand.op != ir::kOpExpand || ir::same_extent(one[3], many[3])) return true;
  std::string text = expand.attrs.s("extents");
  for (int i = 0; i < 3; ++i) text.erase(0, text.find(',') + 1);
  text.resize(std::min(text.find(','), text.size()));
  if (text == "1" || text == "0:3") return true;
  for (std::size_t i = 1; i < expand.inputs.size(); ++i)
    if (expand.inputs[i] == split.inputs[0] && text == std::to_string(i) + ":2") return true;
  return false;
}

// [B, heads, T, d] whose neighbouring heads are one of x [B, kv_heads, T, d] each, written as
// reshape(expand(reshape(x, [B, kv_heads, 1, T, d]), [B, kv_heads, n, T, d])): x, and n.
struct Repeated {
  ValueId x = kNoValue;
  std::int64_t times = 1;
};
Repeated repeated_heads(const ir::Graph& graph, const Uses& uses, ValueId id) {
  const Node* join = made_by_reshape(graph, uses, id);
  if (!join) return {};
  const Node* expand = made_by(graph, uses, join->inputs[0], ir::kOpExpand);
  if (!expand) expand = made_by(graph, uses, join->inputs[0], OpKind::kRepeat);
  const Node* split = expand ? made_by_reshape(graph, uses, expand->inputs[0]) : nullptr;
  if (!split) return {};
  const Shape &x = info_of(graph, split->inputs[0]).shape,
              &one = info_of(graph, split->outputs[0]).shape,
              &many = info_of(graph, expand->outputs[0]).shape, &y = info_of(graph, id).shape;
  if (x.size() != 4 || one.size() != 5 || many.size() != 5 || y.size() != 4) return {};
  for (const Dim* dim : {&x[1], &x[3], &many[1], &many[2], &many[4], &y[1], &y[3]})
    if (!dim->is_static()) return {};
  if (!keeps_steps(graph, *expand, *split) || !ir::same_extent(x[0], many[0])) return {};
  if (one[1] != x[1] || one[2] != Dim(1) || one[4] != x[3] || many[1] != x[1] || many[4] != x[3] ||
      y[1] != Dim(x[1].extent * many[2].extent) || y[3] != x[3])
    return {};
  return {split->inputs[0], many[2].extent};
}

}  // namespace

ByHead by_head(const ir::Graph& graph, const Uses& uses, ValueId id, bool turned, double& scale) {
  id = unscaled(graph, uses, id, scale);
  if (info_of(graph, id).shape.size() == 3) {
    if (const Node* merge = made_by_reshape(graph, uses, id)) {
      const ValueId apart = merge->inputs[0];
      return merges_heads(info_of(graph, apart).shape, info_of(graph, id).shape)
                 ? by_head(graph, uses, apart, turned, scale)
                 : ByHead{};
    }
    const Node* transpose = made_by(graph, uses, id, OpKind::kTranspose);
    if (!turned || !transpose || transpose->attrs.ints("order") != Ints{0, 2, 1}) return {};
    return by_head(graph, uses, transpose->inputs[0], false, scale);
  }
  ByHead found = split_by_head(graph, uses, id, turned ? Ints{0, 2, 3, 1} : Ints{0, 2, 1, 3});
  if (found.value != kNoValue) {
    found.value = unscaled(graph, uses, found.value, scale);
    return found;
  }
  if (turned) {
    const Node* transpose = made_by(graph, uses, id, OpKind::kTranspose);
    if (!transpose || transpose->attrs.ints("order") != Ints{0, 1, 3, 2}) return {};
    return by_head(graph, uses, transpose->inputs[0], false, scale);
  }
  if (const Repeated group = repeated_heads(graph, uses, id); group.x != kNoValue) {
    found = by_head(graph, uses, group.x, false, scale);
    if (found.heads != found.kv_heads) return {};
    found.heads *= group.times;
    return found;
  }
  const Shape& shape = info_of(graph, id).shape;
  if (shape.size() != 4 || !shape[1].is_static() || !shape[3].is_static()) return {};
  const std::int64_t heads = shape[1].extent;
  return {shape[0], shape[2], heads, heads, shape[3].extent, id};
}

}  // namespace antiphon::passes
