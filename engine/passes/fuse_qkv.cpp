// The q, k and v products of one x become one product, which attention reads packed; as it does
// where they are the thirds of one value.
#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"
#include "engine/passes/widen_linear.h"

namespace antiphon::passes {
namespace {

// The value whose last axis q, k and v cut in thirds.
ir::ValueId cut_value(const ir::Graph& graph, const Uses& uses, const ir::Node& attention) {
  ir::ValueId whole = ir::kNoValue;
  for (std::size_t i = 0; i < 3; ++i) {
    const ir::Node* slice = made_by(graph, uses, attention.inputs[i], ir::OpKind::kSlice);
    if (!slice || slice->attrs.i("axis") != 2 || (i > 0 && slice->inputs[0] != whole))
      return ir::kNoValue;
    whole = slice->inputs[0];
    const Shape &all = info_of(graph, whole).shape,
                &part = info_of(graph, attention.inputs[i]).shape;
    if (all.size() != 3 || !part[2].is_static() || all[2] != Dim(3 * part[2].extent) ||
        slice->attrs.i("begin") != static_cast<std::int64_t>(i) * part[2].extent)
      return ir::kNoValue;
  }
  return whole;
}

bool read_packed(ir::Graph& graph, int index, ir::ValueId whole) {
  ir::Node& packed = node_at(graph, index);
  const ir::ValueId mask = input_at(packed, 3);
  packed.inputs = {whole};
  if (mask != ir::kNoValue) set_input(packed, 3, mask);
  packed.attrs.set("packed", std::int64_t{1});
  return true;
}

bool try_node(ir::Graph& graph, const Uses& uses, int index) {
  const ir::Node& attention = node_at(graph, index);
  if (attention.op != ir::OpKind::kAttention || attention.attrs.i("packed") != 0) return false;
  if (const ir::ValueId whole = cut_value(graph, uses, attention); whole != ir::kNoValue)
    return read_packed(graph, index, whole);
  std::vector<const ir::Node*> linears;
  for (std::size_t i = 0; i < 3; ++i) {
    const ir::Node* linear = made_by(graph, uses, attention.inputs[i], ir::OpKind::kLinear);
    if (!linear || !uses.single(attention.inputs[i])) return false;
    linears.push_back(linear);
  }
  const Dim& width = info_of(graph, attention.inputs[0]).shape.back();
  if (info_of(graph, attention.inputs[2]).shape.back() != width) return false;
  if (!can_widen(graph, linears)) return false;
  ir::Node wide = widened(graph, linears, unique_node_name(graph, "qkv"));
  read_packed(graph, index, wide.outputs[0]);
  graph.nodes.insert(graph.nodes.begin() + index, std::move(wide));
  return true;
}

}  // namespace

// The three products stay until eliminate_dead.
Result<bool> fuse_qkv(ir::Graph& graph) { return rewrite_all(graph, try_node); }

}  // namespace antiphon::passes
