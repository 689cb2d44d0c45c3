// Weights to bytes, ranges to the numbers of a quantiser.
#include "engine/calibrate/place.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "engine/calibrate/layers.h"
#include "engine/ir/input_quantizer.h"
#include "engine/ir/op_enums.h"

namespace antiphon::calibration {
namespace {

struct ByteWeights {
  ir::ValueId values, scales;
};

// max|w| of an output becomes 127.
ByteWeights byte_weights(ir::Graph& graph, ir::ValueId w) {
  const TensorView view = ir::constant_view(graph, w);
  const std::string name = graph.values[static_cast<std::size_t>(w)].name;
  const auto rows = static_cast<std::size_t>(view.dims[0]);
  const std::span<const float> from = view.f32();
  const std::size_t columns = from.size() / rows;
  std::vector<std::int8_t> values(from.size());
  std::vector<float> scales(rows, 1.0f);
  for (std::size_t r = 0; r < rows; ++r) {
    float most = 0;
    for (std::size_t c = 0; c < columns; ++c)
      most = std::max(most, std::abs(from[r * columns + c]));
    const float scale = most / 127;
    if (!std::isnormal(scale)) continue;  // a row of nothing
    scales[r] = scale;
    for (std::size_t c = 0; c < columns; ++c)
      values[r * columns + c] = static_cast<std::int8_t>(
          std::clamp(std::nearbyint(from[r * columns + c] / scale), -127.0f, 127.0f));
  }
  return {ir::add_constant(graph, name + ".i8", DType::kI8, view.dims, values.data()),
          ir::add_constant(graph, name + ".scale", DType::kF32, {view.dims[0]}, scales.data())};
}

void use_bytes(ir::Node& node, const ByteWeights& bytes) {
  std::vector<ir::ValueId>& inputs = node.inputs;
  inputs.resize(std::max<std::size_t>(inputs.size(), 3), ir::kNoValue);
  inputs[1] = bytes.values;
  inputs[2] = bytes.scales;
}

}  // namespace

ByteNumbers byte_numbers(const TensorRange& range, int levels) {
  const float low = std::min(range.low, 0.0f), high = std::max(range.high, 0.0f);
  const float scale = (high - low) / static_cast<float>(levels);
  if (!std::isnormal(scale)) return {};  // nothing but zeros was seen
  const float zero = std::nearbyint(-low / scale);
  return {scale, static_cast<int>(std::clamp(zero, 0.0f, static_cast<float>(levels)))};
}

Result<int> place(ir::Graph& graph, const Calibration& ranges, int levels) {
  const std::vector<Layer> layers = layers_of(graph);
  ANTIPHON_RETURN_IF_ERROR(check_layers(layers, ranges));
  std::map<std::pair<const ir::Graph*, ir::ValueId>, ByteWeights> made;
  int count = 0;
  for (const Layer& layer : layers) {
    if (ranges.keep_f32.contains(layer.name)) continue;
    ir::Graph& home = *layer.graph;
    ++count;
    // The kernels of transposed convolutions round the weights themselves: a scale for each place.
    if (home.nodes[layer.node].op != ir::kOpConvTranspose) {
      const ir::ValueId w = home.nodes[layer.node].inputs[1];
      const auto known = made.find({&home, w});  // layers of the same weights share the bytes
      const ByteWeights bytes = known != made.end() ? known->second : byte_weights(home, w);
      made.emplace(std::pair(&home, w), bytes);
      use_bytes(home.nodes[layer.node], bytes);
    }
    if (layer.tensor.empty()) continue;
    const ByteNumbers numbers = byte_numbers(ranges.ranges.at(layer.tensor), levels);
    ir::set_input_quantizer(home.nodes[layer.node].attrs,
                            {.scale = numbers.scale, .zero = numbers.zero, .levels = levels});
  }
  return count;
}

}  // namespace antiphon::calibration
