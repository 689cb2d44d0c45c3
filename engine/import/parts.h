// Parts of a model that another runtime runs: which nodes belong together, and the model in which
// each part is one node.
#pragma once

#include <set>
#include <string>

#include "engine/import/onnx.pb.h"
#include "engine/import/op.h"

namespace antiphon::onnx {

// The operator that stands for a part; its attribute "model" holds the part as a model of its own,
// whose inputs and outputs have names but no types yet.
constexpr const char* kPartDomain = "antiphon.part";
constexpr const char* kPartOperator = "Part";

// The model with every node of `apart` (indices of the main graph) in a part. Nodes that are joined
// by a value share a part unless that would close a cycle through nodes outside. kInvalidArgument:
// the graph has a cycle.
Result<onnx_wire::ModelProto> with_parts(const onnx_wire::ModelProto& model,
                                         const std::set<int>& apart);

// Completes a part with the types of its inputs and hands it to the plug-in set's fallback.
void lower_part(Op& op, const onnx_wire::NodeProto& node);

// Names of outer values that a node reads, its sub-graphs' included; names that sub-graphs make
// themselves may be among them.
std::set<std::string> names_read(const onnx_wire::NodeProto& node);

}  // namespace antiphon::onnx
