// Tensors in NumPy's .npy and .npz files.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "engine/base/status.h"
#include "engine/onnx_options.h"
#include "engine/tensor.h"

namespace antiphon::cli {

// Versions 1 and 2, little-endian, row-major. f8, i2, u2, u4 and u8 become the engine's type that
// holds them (see engine/onnx.h), f2 becomes f32. kInvalidArgument: the message names the file.
Result<HostTensor> read_npy(const std::string& path);
// The bytes of such a file.
Result<HostTensor> parse_npy(std::string_view bytes);
// The arrays of a .npz file, as numpy.savez and savez_compressed write it, by name.
// kInvalidArgument: the message names file and array.
Result<std::map<std::string, HostTensor>> read_npz(const std::string& path);
// kNotFound: cannot be written.
Status write_npy(const std::string& path, const TensorView& tensor);

}  // namespace antiphon::cli
