// Files and bytes to networks.
#include "engine/onnx.h"

#include <filesystem>
#include <fstream>

#include "engine/build_graph.h"
#include "engine/import/import.h"
#include "engine/ir/graph.h"

namespace antiphon {
namespace {

Result<std::string> read_file(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  if (error || !file) return not_found(path + ": no such file");
  if (size > std::uintmax_t{1} << 31)
    return invalid_argument(path + ": more than 2 GiB: keep the weights as external data");
  std::string bytes(size, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(size));
  if (!file) return not_found(path + ": cannot be read");
  return bytes;
}

}  // namespace

Result<OnnxNetwork> import_onnx_bytes(std::string_view bytes, const std::string& name,
                                      const OnnxOptions& options, const std::string& folder) {
  ANTIPHON_ASSIGN_OR_RETURN(ir::Graph graph, onnx::import_bytes(bytes, name, folder, options));
  return OnnxNetwork(std::make_shared<const ir::Graph>(std::move(graph)));
}

Result<OnnxNetwork> import_onnx(const std::string& path, const OnnxOptions& options) {
  ANTIPHON_ASSIGN_OR_RETURN(const std::string bytes, read_file(path));
  std::string folder = std::filesystem::path(path).parent_path().string();
  if (folder.empty()) folder = ".";
  return import_onnx_bytes(bytes, path, options, folder);
}

std::vector<TensorSpec> OnnxNetwork::inputs() const {
  std::vector<TensorSpec> out;
  for (const ir::ValueId id : graph_->inputs) {
    const ir::ValueInfo& info = graph_->values[static_cast<std::size_t>(id)];
    out.push_back({info.name, info.dtype, info.shape});
  }
  return out;
}

Result<std::shared_ptr<const Plan>> build(const OnnxNetwork& network, const BuildOptions& options) {
  return build_graph(network.graph().clone(), options);
}

std::vector<std::string> onnx_operators() { return onnx::operators(); }

}  // namespace antiphon
