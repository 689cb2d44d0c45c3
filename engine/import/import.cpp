// From bytes to a graph: parsing, external data, the walk.
#include "engine/import/import.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <exception>
#include <limits>
#include <map>
#include <set>

#include "engine/import/importer.h"
#include "engine/import/join_dynamic.h"
#include "engine/import/op_table.h"
#include "engine/import/parts.h"
#include "engine/import/tensors.h"
#include "engine/plugins.h"

namespace antiphon::onnx {
namespace {

constexpr int kMaxNesting = 100;  // messages inside messages: the stack is finite

// The first output of a node that has a name: what tells it from others.
std::string first_output(const onnx_wire::NodeProto& node) {
  for (const std::string& output : node.output())
    if (!output.empty()) return output;
  return {};
}

// Once more, with the nodes that are not supported in parts; as often as that shows more of them,
// since what is behind a node that fails is not looked at.
Result<ir::Graph> import_with_parts(const onnx_wire::ModelProto& model,
                                    const ImportOptions& options,
                                    std::set<const onnx_wire::NodeProto*> unsupported) {
  std::map<std::string, int> made_by;
  for (int n = 0; n < model.graph().node_size(); ++n)
    made_by[first_output(model.graph().node(n))] = n;
  std::set<int> apart;
  for (;;) {
    const std::size_t before = apart.size();
    for (const onnx_wire::NodeProto* node : unsupported)
      if (node->domain() != kPartDomain) apart.insert(made_by.at(first_output(*node)));
    ANTIPHON_ASSIGN_OR_RETURN(const onnx_wire::ModelProto parted, with_parts(model, apart));
    Importer importer(parted, options);
    auto graph = importer.run();
    unsupported = importer.unsupported_nodes();
    const bool more = std::any_of(unsupported.begin(), unsupported.end(),
                                  [](const auto* node) { return node->domain() != kPartDomain; });
    if (graph.ok() || !more || (before != 0 && apart.size() == before)) return graph;
  }
}

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
  join_dynamic_quantization(model);
  Importer importer(model, options);
  auto graph = importer.run();
  const auto unsupported = importer.unsupported_nodes();
  const bool fallback = options.plugins && options.plugins->has_fallback();
  if (graph.ok() || !fallback || unsupported.empty()) return graph;
  return import_with_parts(model, options, unsupported);
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
