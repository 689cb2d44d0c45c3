// Layers on bytes beside Quantize and Dequantize nodes: a convolution whose input somebody makes
// the bytes of anyway reads those, one whose result is only made bytes makes them itself, and those
// that read one point-wise value by the same numbers get it as bytes.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "engine/ir/input_quantizer.h"
#include "engine/ir/op_enums.h"
#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

using ir::Node;
using ir::OpKind;
using ir::ValueId;

constexpr std::int64_t kLowest = -128;

// The numbers of a Quantize to u8 by one scale.
bool read_numbers(const ir::Graph& graph, const Node& node, ir::InputQuantizer& out) {
  float scale = 0;
  if (node.op != OpKind::kQuantize || node.attrs.i("low", -127) != 0 ||
      !scalar_constant(graph, node.inputs[1], scale) || !(scale > 0))
    return false;
  out = {scale, static_cast<std::int32_t>(node.attrs.i("zero")), 255};
  return true;
}

// Signed bytes that are only made numbers again: unsigned ones, 128 more.
bool make_unsigned(ir::Graph& graph, const Uses& uses, int index) {
  const Node& node = node_at(graph, index);
  if (node.op != OpKind::kQuantize || node.attrs.i("low", -127) != kLowest) return false;
  const ValueId bytes = node.outputs[0];
  if (uses.num_results(bytes) != 0) return false;
  for (const int reader : uses.readers(bytes))
    if (node_at(graph, reader).op != OpKind::kDequantize) return false;
  const auto shift = [&](Node& n) { n.attrs.set("zero", n.attrs.i("zero") - kLowest); };
  shift(node_at(graph, index));
  node_at(graph, index).attrs.set("low", std::int64_t{0});
  for (const int reader : uses.readers(bytes)) shift(node_at(graph, reader));
  graph.values[static_cast<std::size_t>(bytes)].dtype = DType::kU8;
  return true;
}

bool is_layer_on_bytes(const Node& node) {
  return node.op == ir::kOpConvLast && ir::input_quantizer(node.attrs) &&
         node.attrs.i("x_first") == 0;
}

// Behind node `index`.
void add_quantize(ir::Graph& graph, int index, ValueId x, const ir::InputQuantizer& numbers) {
  const std::string name = info_of(graph, x).name;
  Node node;
  node.op = OpKind::kQuantize;
  node.name = unique_node_name(graph, "quantize");
  node.inputs = {x, add_constant(graph, name + ".scale", DType::kF32, {1}, &numbers.scale)};
  node.attrs.set("zero", std::int64_t{numbers.zero});
  node.attrs.set("low", std::int64_t{0});
  node.outputs = {add_like(graph, x, name + ".bytes")};
  graph.values[static_cast<std::size_t>(node.outputs[0])].dtype = DType::kU8;
  replace_uses(graph, x, node.outputs[0]);
  graph.nodes.insert(graph.nodes.begin() + index + 1, std::move(node));
}

// The layer reads the bytes of its input that a Quantize beside it makes by the same numbers.
bool read_bytes(ir::Graph& graph, const Uses& uses, int index) {
  const Node& layer = node_at(graph, index);
  if (!is_layer_on_bytes(layer)) return false;
  const ValueId x = layer.inputs[0];
  if (info_of(graph, x).dtype != DType::kF32) return false;
  const ir::InputQuantizer wanted = *ir::input_quantizer(layer.attrs);
  for (const int reader : uses.readers(x)) {
    ir::InputQuantizer numbers;
    if (!read_numbers(graph, node_at(graph, reader), numbers)) continue;
    if (numbers.scale != wanted.scale || numbers.zero != wanted.zero || wanted.levels != 255)
      continue;
    set_input(node_at(graph, index), 0, node_at(graph, reader).outputs[0]);
    return true;
  }
  return false;
}

bool is_pointwise(const Node& node) {
  return node.op == OpKind::kPointwise || node.op == OpKind::kBinary || node.op == OpKind::kUnary ||
         node.op == OpKind::kClamp;
}

// A point-wise value that nothing but layers on bytes of the same numbers reads: a Quantize for all
// of them.
bool make_quantize(ir::Graph& graph, const Uses& uses, int index) {
  const Node& maker = node_at(graph, index);
  if (!is_pointwise(maker)) return false;
  for (const ValueId x : maker.outputs) {
    if (info_of(graph, x).dtype != DType::kF32 || uses.num_results(x) != 0) continue;
    std::optional<ir::InputQuantizer> numbers;
    bool same = !uses.readers(x).empty();
    for (const int reader : uses.readers(x)) {
      const Node& layer = node_at(graph, reader);
      same = same && is_layer_on_bytes(layer) && layer.inputs[0] == x &&
             std::count(layer.inputs.begin(), layer.inputs.end(), x) == 1;
      if (!same) break;
      const ir::InputQuantizer wanted = *ir::input_quantizer(layer.attrs);
      same = wanted.levels == 255 && (!numbers || *numbers == wanted);
      numbers = wanted;
    }
    if (!same) continue;
    add_quantize(graph, index, x, *numbers);
    return true;
  }
  return false;
}

bool is_relu_or_none(const Node& node, const char* name) {
  constexpr auto kRelu = static_cast<std::int64_t>(Unary::kRelu);
  return node.attrs.i(name, kRelu) == kRelu;
}

// The layer makes the bytes that a Quantize makes of its result, which nothing else reads.
bool make_bytes(ir::Graph& graph, const Uses& uses, int index) {
  ir::InputQuantizer numbers;
  const Node& quantize = node_at(graph, index);
  if (!read_numbers(graph, quantize, numbers)) return false;
  const ValueId y = quantize.inputs[0];
  if (uses.maker(y) < 0 || !uses.single(y)) return false;
  Node& layer = node_at(graph, uses.maker(y));
  if (!is_layer_on_bytes(layer) || layer.attrs.has("y_scale") || layer.attrs.has("y_width") ||
      !is_relu_or_none(layer, "act") || !is_relu_or_none(layer, "act2"))
    return false;
  ir::set_output_quantizer(layer.attrs, numbers);
  layer.outputs[0] = quantize.outputs[0];
  remove_node(graph, index);
  return true;
}

}  // namespace

Result<bool> share_bytes(ir::Graph& graph) {
  bool changed = rewrite_all(graph, make_unsigned);
  changed = rewrite_all(graph, make_quantize) || changed;
  if (rewrite_all(graph, read_bytes)) {
    sort_nodes(graph);
    changed = true;
  }
  return rewrite_all(graph, make_bytes) || changed;
}

}  // namespace antiphon::passes
