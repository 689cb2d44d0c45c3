// Layers between Dequantize nodes run on the bytes: y = w x of int8 weights and a quantised input
// becomes one node that takes x in f32 and says how it becomes these bytes. Pairs of Quantize and
// Dequantize that such layers make good by rounding in the same way themselves go.
#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/ir/input_quantizer.h"
#include "engine/ir/op_enums.h"
#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

// Up to which no sum of bytes overflows 32 bits; where the weights are shifted.
constexpr std::int64_t kMaxColumns = 65536, kMaxShiftedColumns = 32768;

constexpr std::int64_t kMostDepthwiseTaps = 256;

bool is_layer(const ir::Node& node) {
  return node.op == ir::OpKind::kLinear || node.op == ir::OpKind::kConv || node.op == ir::kOpConvNd;
}

// The numbers of a value that a Dequantize makes of bytes, one scale for all.
bool read_quantizer(const ir::Graph& graph, const ir::Node& expand, ir::InputQuantizer& out) {
  float scale = 0;
  if (is_constant(graph, expand.inputs[0]) || !scalar_constant(graph, expand.inputs[1], scale))
    return false;
  if (!(std::isnormal(scale) && scale > 0)) return false;
  const bool is_signed = info_of(graph, expand.inputs[0]).dtype == DType::kI8;
  const std::int64_t zero = expand.attrs.i("zero") + (is_signed ? 128 : 0);
  if (zero < 0 || zero > 255) return false;
  out = {scale, static_cast<std::int32_t>(zero), 255, true};
  return true;
}

// One channel a window, over two axes. Where the range is found as the layer runs, finding it takes
// as long as the layer in f32.
bool is_depthwise(const Shape& w, std::int64_t groups) {
  return w.size() == 4 && groups > 1 && w[0] == Dim(groups) && w[1] == Dim(1) &&
         w[2].extent * w[3].extent <= kMostDepthwiseTaps;
}

// Constant bytes with a scale for each row, or one for all; with a zero point only for
// convolutions over two axes or three, which shift their weights.
bool fits(const ir::Graph& graph, const ir::Node& layer, const ir::Node& expand) {
  const ir::ValueId w = expand.inputs[0], scale = expand.inputs[1];
  if (!is_constant(graph, w) || !is_constant(graph, scale)) return false;
  const ir::ValueInfo& info = info_of(graph, w);
  const bool shifted = expand.attrs.i("zero") != 0;
  if (info.dtype != DType::kI8 || info.constant.bytes == 0) return false;
  if (shifted && layer.op != ir::kOpConvNd) return false;
  const std::int64_t rows = info.shape[0].extent, scales = info_of(graph, scale).shape[0].extent;
  if (scales != 1 && (scales != rows || expand.attrs.i("axis") != 0)) return false;
  const std::int64_t columns = static_cast<std::int64_t>(info.constant.bytes) / rows;
  if (columns > (shifted ? kMaxShiftedColumns : kMaxColumns)) return false;
  const std::int64_t groups = layer.attrs.i("groups", 1);
  if (is_depthwise(info.shape, groups)) return !ir::has_dynamic_range(layer.attrs);
  return groups == 1 || rows / groups >= 8;  // as calibrated layers
}

// What the bytes of a Dequantize were made of by the same numbers; kNoValue where it was by others.
ir::ValueId rounded_from(const ir::Graph& graph, const Uses& uses, const ir::Node& expand,
                         const ir::InputQuantizer& quantizer) {
  const ir::Node* made = made_by(graph, uses, expand.inputs[0], ir::OpKind::kQuantize);
  float scale = 0;
  const bool whole = made && made->attrs.i("low", -127) != -127;
  if (whole && scalar_constant(graph, made->inputs[1], scale) && scale == quantizer.scale &&
      made->attrs.i("zero") == expand.attrs.i("zero"))
    return made->inputs[0];
  return ir::kNoValue;
}

// The Dequantize that makes the numbers, which may be moved on their way; null: there is none.
const ir::Node* expanded_by(const ir::Graph& graph, const Uses& uses, ir::ValueId id) {
  constexpr int kMostSteps = 8;
  for (int steps = 0; steps < kMostSteps && uses.maker(id) >= 0; ++steps) {
    const ir::Node& node = graph.nodes[static_cast<std::size_t>(uses.maker(id))];
    if (node.op == ir::OpKind::kDequantize) return &node;
    if (!gives_what_it_gets(node)) return nullptr;
    id = node.inputs[0];
  }
  return nullptr;
}

// What the bytes were made of by the same numbers: then the layer makes them itself. Else what they
// stand for, of which it makes the same bytes again, or what that was moved to.
ir::ValueId source_of(const ir::Graph& graph, const Uses& uses, ir::ValueId x,
                      const ir::Node& expand, const ir::InputQuantizer& quantizer) {
  if (x != expand.outputs[0]) return x;
  const ir::ValueId from = rounded_from(graph, uses, expand, quantizer);
  return from == ir::kNoValue ? x : from;
}

// What gives the same bytes before and behind it: moves, maxima, relu, joins.
bool passes_bytes(const ir::Node& node) {
  if (gives_what_it_gets(node)) return true;
  if (node.op == ir::OpKind::kUnary) return static_cast<Unary>(node.attrs.i("op")) == Unary::kRelu;
  return node.op == ir::OpKind::kConcat;
}

// True: a Quantize by these numbers.
bool rounds_by(const ir::Graph& graph, const ir::Node& node, const ir::InputQuantizer& quantizer) {
  float scale = 0;
  if (node.op != ir::OpKind::kQuantize || !scalar_constant(graph, node.inputs[1], scale))
    return false;
  const std::int64_t low = node.attrs.i("low", -127);
  return low != -127 && scale == quantizer.scale && node.attrs.i("zero") - low == quantizer.zero;
}

// True: all that reads the value makes these bytes of it.
bool becomes_bytes(const ir::Graph& graph, const Uses& uses, ir::ValueId id,
                   const ir::InputQuantizer& quantizer, int most_steps) {
  if (most_steps == 0 || uses.num_results(id) != 0 || uses.readers(id).empty()) return false;
  for (const int reader : uses.readers(id)) {
    const ir::Node& node = graph.nodes[static_cast<std::size_t>(reader)];
    const bool once = std::count(node.inputs.begin(), node.inputs.end(), id) == 1;
    const bool same = is_layer(node) && once && node.inputs[0] == id &&
                      ir::input_quantizer(node.attrs) == quantizer;
    if (!same && !rounds_by(graph, node, quantizer) &&
        !(passes_bytes(node) &&
          becomes_bytes(graph, uses, node.outputs[0], quantizer, most_steps - 1)))
      return false;
  }
  return true;
}

bool drop_pair(ir::Graph& graph, const Uses& uses, int index) {
  const ir::Node& node = node_at(graph, index);
  ir::InputQuantizer quantizer;
  if (node.op != ir::OpKind::kDequantize || !read_quantizer(graph, node, quantizer)) return false;
  const ir::ValueId from = rounded_from(graph, uses, node, quantizer);
  constexpr int kMostSteps = 6;
  if (from == ir::kNoValue || !becomes_bytes(graph, uses, node.outputs[0], quantizer, kMostSteps))
    return false;
  replace_uses(graph, node.outputs[0], from);
  return true;
}

// int8 weights and the scales of their rows, without the Dequantize.
void take_bytes(ir::Graph& graph, ir::Node& node, const ir::Node& expand) {
  const ir::ValueId bytes = expand.inputs[0];
  const std::int64_t zero = expand.attrs.i("zero");
  set_input(node, 2, row_scales(graph, expand.inputs[1], info_of(graph, bytes).shape[0].extent));
  set_input(node, 1, bytes);
  if (zero != 0) node.attrs.set("w_shift", -zero);
}

// A layer that finds the range of its input as it runs.
bool try_dynamic(ir::Graph& graph, const Uses& uses, int index) {
  ir::Node& node = node_at(graph, index);
  if (!is_layer(node) || !ir::has_dynamic_range(node.attrs)) return false;
  const ir::Node* w = made_by(graph, uses, node.inputs[1], ir::OpKind::kDequantize);
  if (!w || !fits(graph, node, *w)) return false;
  take_bytes(graph, node, ir::clone(*w));
  return true;
}

bool try_node(ir::Graph& graph, const Uses& uses, int index) {
  ir::Node& node = node_at(graph, index);
  if (!is_layer(node) || ir::input_quantizer(node.attrs)) return false;
  if (ir::has_dynamic_range(node.attrs)) return false;
  const ir::Node* x = expanded_by(graph, uses, node.inputs[0]);
  const ir::Node* w = made_by(graph, uses, node.inputs[1], ir::OpKind::kDequantize);
  ir::InputQuantizer quantizer;
  if (!x || !w || !fits(graph, node, *w) || !read_quantizer(graph, *x, quantizer)) return false;
  const ir::ValueId source = source_of(graph, uses, node.inputs[0], *x, quantizer);
  set_input(node, 0, source);
  take_bytes(graph, node, ir::clone(*w));
  ir::set_input_quantizer(node.attrs, quantizer);
  return true;
}

}  // namespace

Result<bool> fold_quantize(ir::Graph& graph) {
  const bool folded = rewrite_all(graph, try_node);
  const bool dynamic = rewrite_all(graph, try_dynamic);
  return rewrite_all(graph, drop_pair) || folded || dynamic;
}

}  // namespace antiphon::passes
