// Tensors in NumPy's .npy files.
#pragma once

#include <string>

#include "engine/base/status.h"
#include "engine/onnx_options.h"
#include "engine/tensor.h"

namespace antiphon::cli {

// Versions 1 and 2, little-endian, row-major. f8, i2, u2, u4 and u8 become the engine's type that
// holds them (see engine/onnx.h), f2 becomes f32. kInvalidArgument: the message names the file.
Result<HostTensor> read_npy(const std::string& path);
// kNotFound: cannot be written.
Status write_npy(const std::string& path, const TensorView& tensor);

}  // namespace antiphon::cli
