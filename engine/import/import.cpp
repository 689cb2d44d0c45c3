// From bytes to a graph: parsing, external data, the walk.
#include "engine/import/import.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <exception>
#include <limits>

#include "engine/import/importer.h"
#include "engine/import/op_table.h"
#include "engine/import/tensors.h"

namespace antiphon::onnx {
namespace {

constexpr int kMaxNesting = 100;  // messages inside messages: the stack is finite

Result<ir::Graph> import_parsed(std::string_view bytes, const std::string& folder,
                                const ImportOptions& options) {
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()))
    return invalid_argument("more than 2 GiB: keep the weights as external data");
  google::protobuf::io::ArrayInputStream stream(bytes.data(), static_cast<int>(bytes.size()));
  google::protobuf::io::CodedInputStream coded(&stream);
  coded.SetRecursionLimit(kMaxNesting);
  onnx_wire::ModelProto model;
  if (!model.ParseFromCodedStream(&coded) || !coded.ConsumedEntireMessage())
    return invalid_argument("not an ONNX model: its bytes are malformed or cut off");
  ANTIPHON_RETURN_IF_ERROR(load_external_data(model, folder));
  return Importer(model, options).run();
}

}  // namespace

Result<ir::Graph> import_bytes(std::string_view bytes, const std::string& name,
                               const std::string& folder, const ImportOptions& options) {
  try {
    auto graph = import_parsed(bytes, folder, options);
    if (!graph.ok()) return graph.status().with_context(name);
    if (graph->name.empty()) graph->name = "onnx";
    return graph;
  } catch (const std::exception& error) {
    return exhausted(name + ": " + error.what());
  }
}

std::vector<std::string> operators() { return operator_names(); }

}  // namespace antiphon::onnx
