// int8 constants become f32 constants: where no kernel takes them, or everywhere for precision f32.
#include <vector>

#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

// (x - zero) * scale along `axis`, as a new constant.
ir::ValueId expanded(ir::Graph& graph, ir::ValueId x, ir::ValueId scale, std::int64_t axis,
                     std::int64_t zero = 0) {
  const TensorView values = constant_view(graph, x), scales = constant_view(graph, scale);
  const auto rank = static_cast<std::int64_t>(values.dims.size());
  if (axis < 0) axis += rank;
  std::int64_t after = 1;
  for (std::int64_t i = axis + 1; i < rank; ++i) after *= values.dims[static_cast<std::size_t>(i)];
  const std::int64_t extent = values.dims[static_cast<std::size_t>(axis)];
  std::vector<float> wide(static_cast<std::size_t>(values.num_elements()));
  const auto* data = static_cast<const std::int8_t*>(values.data);
  for (std::size_t i = 0; i < wide.size(); ++i) {
    const std::int64_t row = static_cast<std::int64_t>(i) / after % extent;
    wide[i] = static_cast<float>(data[i] - zero) *
              scales.f32()[static_cast<std::size_t>(scales.num_elements() == 1 ? 0 : row)];
  }
  return add_constant(graph, info_of(graph, x).name + ".f32", DType::kF32, values.dims,
                      wide.data());
}

bool try_dequantize(ir::Graph& graph, const Uses&, int index) {
  const ir::Node& node = node_at(graph, index);
  if (node.op != ir::OpKind::kDequantize || !is_constant(graph, node.inputs[0]) ||
      !is_constant(graph, node.inputs[1]))
    return false;
  // The importer makes constants of all others.
  if (info_of(graph, node.inputs[0]).dtype != DType::kI8) return false;
  const ir::ValueId from = node.outputs[0];
  const ir::ValueId to =
      expanded(graph, node.inputs[0], node.inputs[1], node.attrs.i("axis"), node.attrs.i("zero"));
  remove_node(graph, index);
  replace_uses(graph, from, to);
  return true;
}

bool try_weight(ir::Graph& graph, const Uses&, int index) {
  ir::Node& node = node_at(graph, index);
  if (node.op != ir::OpKind::kLinear && node.op != ir::OpKind::kConv &&
      node.op != ir::OpKind::kEmbedding)
    return false;
  const ir::ValueId w = input_at(node, 1), scale = input_at(node, 2);
  if (scale == ir::kNoValue || !is_constant(graph, w) || !is_constant(graph, scale)) return false;
  const ir::ValueId wide = expanded(graph, w, scale, 0);
  // Other nodes of the same weights share the expansion.
  for (ir::Node& other : graph.nodes)
    if (input_at(other, 1) == w && input_at(other, 2) == scale) {
      other.inputs[1] = wide;
      other.inputs[2] = ir::kNoValue;
      while (other.inputs.back() == ir::kNoValue) other.inputs.pop_back();
    }
  return true;
}

}  // namespace

Result<bool> expand_dequantize(ir::Graph& graph) { return rewrite_all(graph, try_dequantize); }
Result<bool> expand_int8(ir::Graph& graph) { return rewrite_all(graph, try_weight); }

}  // namespace antiphon::passes
