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

// The expression "i:j k:l +" is a + b.
bool is_sum(const ir::Graph& graph, const Node& expand, const std::string& text, const Dim& a,
            const Dim& b) {
  for (std::size_t i = 0; i < expand.inputs.size(); ++i)
    for (std::size_t k = 0; k < expand.inputs.size(); ++k) {
      const Shape &x = info_of(graph, expand.inputs[i]).shape,
                  &y = info_of(graph, expand.inputs[k]).shape;
      for (std::size_t j = 0; j < x.size(); ++j)
        for (std::size_t l = 0; l < y.size(); ++l)
          if (ir::same_extent(x[j], a) && ir::same_extent(y[l], b) &&
              text == std::to_string(i) + ":" + std::to_string(j) + " " + std::to_string(k) + ":" +
                          std::to_string(l) + " +")
            return true;
    }
  return false;
}

// The expand leaves T as it is: it is known to be the same, or is asked for of what is expanded, a
// past and what is new, or of its parts.
bool keeps_steps(const ir::Graph& graph, const Uses& uses, const Node& expand, const Node& split) {
  const Shape &one = info_of(graph, expand.inputs[0]).shape,
              &many = info_of(graph, expand.outputs[0]).shape;
  if (expand.op != ir::kOpExpand || ir::same_extent(one[3], many[3])) return true;
  std::string text = expand.attrs.s("extents");
  for (int i = 0; i < 3; ++i) text.erase(0, text.find(',') + 1);
  text.resize(std::min(text.find(','), text.size()));
  if (text == "1" || text == "0:3") return true;
  for (std::size_t i = 1; i < expand.inputs.size(); ++i)
    if (expand.inputs[i] == split.inputs[0] && text == std::to_string(i) + ":2") return true;
  const Node* join = made_by(graph, uses, split.inputs[0], OpKind::kConcat);
  if (!join || join->attrs.i("axis") != 2 || join->inputs.size() != 2) return false;
  const Dim &a = info_of(graph, join->inputs[0]).shape[2],
            &b = info_of(graph, join->inputs[1]).shape[2];
  return is_sum(graph, expand, text, a, b) || is_sum(graph, expand, text, b, a);
}

// [B, heads, T, d], or [B * heads, T, d], whose neighbouring heads are one of x [B, kv_heads, T, d]
// each, as reshape(expand(reshape(x, [B, kv_heads, 1, T, d]), [B, kv_heads, n, T, d])): x, and n.
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
  if (x.size() != 4 || one.size() != 5 || many.size() != 5) return {};
  for (const Dim* dim : {&x[1], &x[3], &many[1], &many[2], &many[4]})
    if (!dim->is_static()) return {};
  if (!keeps_steps(graph, uses, *expand, *split) || !ir::same_extent(x[0], one[0]) ||
      !ir::same_extent(x[0], many[0]) || one[1] != x[1] || one[2] != Dim(1) || one[4] != x[3] ||
      many[1] != x[1] || many[4] != x[3])
    return {};
  const std::int64_t heads = x[1].extent * many[2].extent;
  const bool apart = y.size() == 4 && y[1] == Dim(heads) && y[3] == x[3];
  const bool merged =
      y.size() == 3 && ir::same_extent(ir::dim_times(x[0], heads), y[0]) && y[2] == x[3];
  return apart || merged ? Repeated{split->inputs[0], many[2].extent} : Repeated{};
}

}  // namespace

ByHead by_head(const ir::Graph& graph, const Uses& uses, ValueId id, bool turned, double& scale) {
  id = unscaled(graph, uses, id, scale);
  if (const Repeated group = repeated_heads(graph, uses, id); !turned && group.x != kNoValue) {
    ByHead one = by_head(graph, uses, group.x, false, scale);
    if (one.heads != one.kv_heads) return {};
    one.heads *= group.times;
    return one;
  }
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
  if (const Node* part = made_by_reshape(graph, uses, id))
    if (merges_heads(info_of(graph, id).shape, info_of(graph, part->inputs[0]).shape)) {
      double all = scale;
      const ByHead merged = by_head(graph, uses, part->inputs[0], turned, all);
      if (merged.value != kNoValue) {
        scale = all;
        return merged;
      }
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
  const Shape& shape = info_of(graph, id).shape;
  if (shape.size() != 4 || !shape[1].is_static() || !shape[3].is_static()) return {};
  const std::int64_t heads = shape[1].extent;
  return {shape[0], shape[2], heads, heads, shape[3].extent, id};
}

}  // namespace antiphon::passes
