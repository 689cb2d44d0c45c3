// Tensors of a model file as the engine's bytes.
#pragma once

#include <memory>

#include "engine/base/status.h"
#include "engine/import/item.h"
#include "engine/import/onnx.pb.h"

namespace antiphon::onnx {

// Element type, dims and number of bytes are checked against each other before memory is taken.
Result<std::shared_ptr<const Constant>> read_tensor(const onnx_wire::TensorProto& tensor);

// Memory for `bytes` bytes, 64-byte aligned; null when there is none.
std::shared_ptr<void> aligned_memory(std::size_t bytes);

// Reads what lies in files beside the model into raw_data. `folder` empty: external data is an
// error. A path may not leave the folder.
Status load_external_data(onnx_wire::ModelProto& model, const std::string& folder);

}  // namespace antiphon::onnx
