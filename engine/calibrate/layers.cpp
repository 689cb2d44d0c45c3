// Finding layers, and whether ranges are theirs.
#include "engine/calibrate/layers.h"

#include <algorithm>
#include <map>
#include <set>

#include "engine/ir/dims.h"
#include "engine/ir/op_enums.h"

namespace antiphon::calibration {
namespace {

constexpr std::int64_t kMaxColumns = 65536;  // up to which no sum of bytes overflows 32 bits

bool is_conv(ir::OpKind op) { return op == ir::OpKind::kConv || op == ir::kOpConvNd; }

// A transposed convolution that gets its channels last: its windows do not overlap.
bool is_grown(const ir::Graph& graph, const ir::Node& node) {
  if (node.op != ir::kOpConvTranspose || node.attrs.i("groups", 1) != 1) return false;
  const Shape& w = graph.values[static_cast<std::size_t>(node.inputs[1])].shape;
  const auto strides = node.attrs.ints("strides");
  if ((w.size() != 4 && w.size() != 5) || strides.size() != w.size() - 2) return false;
  for (std::size_t i = 0; i < strides.size(); ++i)
    if (w[2 + i] != Dim(strides[i])) return false;
  const auto all = [&](const char* name, std::int64_t value) {
    const auto list = node.attrs.ints(name);
    return std::all_of(list.begin(), list.end(), [=](std::int64_t v) { return v == value; });
  };
  return all("dilations", 1) && all("pads", 0) && all("output_padding", 0);
}

// f32 weights [rows, ...] that are worth to be bytes. Depthwise convolutions are not: they have too
// few products for each byte that would have to be made.
bool is_layer(const ir::Graph& graph, const ir::Node& node) {
  const bool grown = is_grown(graph, node);
  if (node.op != ir::OpKind::kLinear && !is_conv(node.op) && !grown) return false;
  const ir::ValueId x = node.inputs[0], w = node.inputs[1];
  if (!ir::is_constant(graph, w) || ir::is_constant(graph, x)) return false;
  const ir::ValueInfo& info = graph.values[static_cast<std::size_t>(w)];
  if (info.dtype != DType::kF32 || info.constant.bytes == 0) return false;
  if (graph.values[static_cast<std::size_t>(x)].dtype != DType::kF32) return false;
  const std::int64_t rows = info.shape[0].extent;
  const auto weights = static_cast<std::int64_t>(info.constant.bytes / sizeof(float));
  if ((grown ? rows : weights / rows) > kMaxColumns) return false;
  const std::int64_t groups = node.attrs.i("groups", 1);
  return !is_conv(node.op) || groups == 1 || rows / groups >= 8;
}

// Without what would break a line.
std::string line_name(std::string name) {
  for (char& c : name)
    if (static_cast<unsigned char>(c) < ' ') c = '_';
  return name.empty() ? "_" : name;
}

class Finder {
 public:
  std::vector<Layer> found;

  void search(ir::Graph& graph, const std::string& path) {
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
      ir::Node& node = graph.nodes[n];
      if (node.body) search(*node.body, path + node.name + "/");
      if (!is_layer(graph, node)) continue;
      // A loop's program takes int8 weights of linears only.
      if (!path.empty() && node.op != ir::OpKind::kLinear) continue;
      Layer layer{line_name(path + node.name), "", &graph, n, node.inputs[0]};
      if (path.empty()) layer.tensor = tensor_name(graph, node.inputs[0]);
      found.push_back(std::move(layer));
    }
  }

 private:
  // Two values may have one name; the second becomes NAME#2.
  std::string tensor_name(const ir::Graph& graph, ir::ValueId x) {
    const auto known = names_.find(x);
    if (known != names_.end()) return known->second;
    const std::string base = line_name(graph.values[static_cast<std::size_t>(x)].name);
    std::string name = base;
    for (int i = 2; !used_.insert(name).second; ++i) name = base + "#" + std::to_string(i);
    return names_[x] = name;
  }

  std::map<ir::ValueId, std::string> names_;
  std::set<std::string> used_;
};

// False: two extents are fixed and differ, or the ranks do. Names of extents do not matter.
bool same_form(const Shape& shape, const std::string& text) {
  std::vector<std::string> parts;
  std::string part;
  for (const char c : text) {
    if (c == '[' || c == ' ') continue;
    if (c != ',' && c != ']') {
      part += c;
    } else if (!part.empty()) {
      parts.push_back(std::exchange(part, {}));
    }
  }
  if (parts.size() != shape.size()) return false;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool number =
        std::all_of(parts[i].begin(), parts[i].end(), [](char c) { return c >= '0' && c <= '9'; });
    if (number && shape[i].is_static() && parts[i] != std::to_string(shape[i].extent)) return false;
  }
  return true;
}

}  // namespace

std::vector<Layer> layers_of(ir::Graph& graph) {
  Finder finder;
  finder.search(graph, "");
  return std::move(finder.found);
}

const ir::ValueInfo& input_of(const Layer& layer) {
  return layer.graph->values[static_cast<std::size_t>(layer.x)];
}

std::uint64_t weights_hash(const std::vector<Layer>& layers) {
  std::uint64_t hash = 1469598103934665603ull;
  for (const Layer& layer : layers) {
    const ir::ValueId w = layer.graph->nodes[layer.node].inputs[1];
    const ir::ConstantData& data = layer.graph->values[static_cast<std::size_t>(w)].constant;
    const auto* p = static_cast<const unsigned char*>(data.data);
    for (std::size_t i = 0; i < data.bytes; ++i) hash = (hash ^ p[i]) * 1099511628211ull;
  }
  return hash;
}

Status check_layers(const std::vector<Layer>& layers, const Calibration& calibration) {
  std::set<std::string> tensors, names;
  for (const Layer& layer : layers) {
    tensors.insert(layer.tensor);
    names.insert(layer.name);
  }
  for (const auto& [tensor, range] : calibration.ranges)
    if (!tensors.contains(tensor))
      return invalid_argument("ranges: tensor '" + tensor +
                              "' is no input of a layer of this network: they are another's");
  for (const std::string& name : calibration.keep_f32)
    if (!names.contains(name))
      return invalid_argument("ranges: layer '" + name + "' is not in this network");
  for (const Layer& layer : layers) {
    if (layer.tensor.empty()) continue;
    const auto found = calibration.ranges.find(layer.tensor);
    if (found == calibration.ranges.end())
      return invalid_argument("ranges: none for tensor '" + layer.tensor + "', which layer '" +
                              layer.name + "' reads: calibrate this network again");
    const std::string shape = ir::shape_text(input_of(layer).shape);
    if (!same_form(input_of(layer).shape, found->second.shape))
      return invalid_argument("ranges: tensor '" + layer.tensor + "' is " + shape +
                              " in this network, and " + found->second.shape + " in the ranges");
  }
  if (weights_hash(layers) != calibration.weights_hash)
    return invalid_argument(
        "ranges: they were found with other weights: calibrate this network again");
  return {};
}

}  // namespace antiphon::calibration
