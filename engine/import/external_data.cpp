// Weights that lie in files beside the model.
#include <charconv>
#include <filesystem>
#include <fstream>

#include "engine/import/tensors.h"

namespace antiphon::onnx {

using onnx_wire::TensorProto;

namespace {

constexpr int kExternal = 1;

struct Place {
  std::string location;
  std::int64_t offset = 0, length = -1;
};

Result<Place> place_of(const TensorProto& tensor) {
  Place out;
  for (const auto& entry : tensor.external_data()) {
    if (entry.key() == "location") out.location = entry.value();
    std::int64_t* number = entry.key() == "offset"   ? &out.offset
                           : entry.key() == "length" ? &out.length
                                                     : nullptr;
    if (!number) continue;
    const std::string& text = entry.value();
    const auto read = std::from_chars(text.data(), text.data() + text.size(), *number);
    if (read.ec != std::errc() || read.ptr != text.data() + text.size() || *number < 0)
      return invalid_argument("external data: " + entry.key() + " is '" + text + "'");
  }
  return out;
}

// Inside the folder, whatever the model says.
Result<std::filesystem::path> safe_path(const std::string& folder, const std::string& location) {
  const std::filesystem::path relative(location);
  if (folder.empty())
    return invalid_argument("external data: '" + location +
                            "' cannot be read for a model that is not a file");
  bool leaves = location.empty() || relative.is_absolute();
  for (const auto& part : relative) leaves = leaves || part == "..";
  if (leaves)
    return invalid_argument("external data: location '" + location + "' is outside the folder");
  const std::filesystem::path path = std::filesystem::path(folder) / relative;
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error))
    return not_found("external data: no file " + path.string());
  return path;
}

Status load(TensorProto& tensor, const std::string& folder) {
  if (tensor.data_location() != kExternal) return {};
  ANTIPHON_ASSIGN_OR_RETURN(const Place place, place_of(tensor));
  ANTIPHON_ASSIGN_OR_RETURN(const std::filesystem::path path, safe_path(folder, place.location));
  std::error_code error;
  const auto size = static_cast<std::int64_t>(std::filesystem::file_size(path, error));
  const std::int64_t length = place.length < 0 ? size - place.offset : place.length;
  if (error || place.offset > size || length < 0 || length > size - place.offset)
    return invalid_argument("external data: " + path.string() + " has " + std::to_string(size) +
                            " bytes, wanted " + std::to_string(length) + " at " +
                            std::to_string(place.offset));
  std::ifstream file(path, std::ios::binary);
  file.seekg(place.offset);
  std::string& bytes = *tensor.mutable_raw_data();
  bytes.resize(static_cast<std::size_t>(length));
  file.read(bytes.data(), length);
  if (!file) return invalid_argument("external data: " + path.string() + " cannot be read");
  tensor.clear_external_data();
  tensor.clear_data_location();
  return {};
}

Status load_graph(onnx_wire::GraphProto& graph, const std::string& folder);

Status load_node(onnx_wire::NodeProto& node, const std::string& folder) {
  for (auto& attr : *node.mutable_attribute()) {
    if (attr.has_t()) ANTIPHON_RETURN_IF_ERROR(load(*attr.mutable_t(), folder));
    for (TensorProto& tensor : *attr.mutable_tensors())
      ANTIPHON_RETURN_IF_ERROR(load(tensor, folder));
    if (attr.has_g()) ANTIPHON_RETURN_IF_ERROR(load_graph(*attr.mutable_g(), folder));
    for (auto& graph : *attr.mutable_graphs()) ANTIPHON_RETURN_IF_ERROR(load_graph(graph, folder));
  }
  return {};
}

Status load_graph(onnx_wire::GraphProto& graph, const std::string& folder) {
  for (TensorProto& tensor : *graph.mutable_initializer())
    if (const Status status = load(tensor, folder); !status.ok())
      return status.with_context("initialiser '" + tensor.name() + "'");
  for (auto& node : *graph.mutable_node())
    if (const Status status = load_node(node, folder); !status.ok())
      return status.with_context("node '" + node.name() + "'");
  return {};
}

}  // namespace

Status load_external_data(onnx_wire::ModelProto& model, const std::string& folder) {
  if (model.has_graph()) ANTIPHON_RETURN_IF_ERROR(load_graph(*model.mutable_graph(), folder));
  for (auto& function : *model.mutable_functions())
    for (auto& node : *function.mutable_node()) ANTIPHON_RETURN_IF_ERROR(load_node(node, folder));
  return {};
}

}  // namespace antiphon::onnx
