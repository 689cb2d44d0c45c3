// ONNX models in, graphs out: the importer's entry. The rest of engine/import is private to it.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "engine/base/status.h"
#include "engine/ir/graph.h"
#include "engine/onnx_options.h"

namespace antiphon::onnx {

using ImportOptions = OnnxOptions;

// `bytes`: a serialised ModelProto. `folder`: where external data lies; empty: there is none.
// `name` stands for the model in messages.
// kInvalidArgument: not ONNX, malformed, types or shapes that do not fit. kUnsupported: operators
// or attributes that are not; one message lists every node.
Result<ir::Graph> import_bytes(std::string_view bytes, const std::string& name,
                               const std::string& folder, const ImportOptions& options);

// The operators that can be imported, in order.
std::vector<std::string> operators();

}  // namespace antiphon::onnx
