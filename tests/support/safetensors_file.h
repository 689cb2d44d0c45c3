// Bytes of safetensors files, for tests that make weights of their own.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/tensor.h"
#include "engine/weights.h"

namespace antiphon::test {

// Owns its memory.
struct FileTensor {
  const char* dtype = "F32";  // as the format writes it
  std::vector<std::int64_t> dims;
  std::string bytes;
};
using FileTensors = std::map<std::string, FileTensor>;

inline FileTensor f32_tensor(std::vector<std::int64_t> dims, const std::vector<float>& values) {
  return {"F32", std::move(dims),
          std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float))};
}

// A copy of a tensor of F32, F16, I8 or I32.
inline FileTensor file_tensor(const TensorView& view) {
  const char* dtype = view.dtype == DType::kF32   ? "F32"
                      : view.dtype == DType::kF16 ? "F16"
                      : view.dtype == DType::kI8  ? "I8"
                                                  : "I32";
  const std::size_t count = static_cast<std::size_t>(view.num_elements());
  return {dtype, view.dims,
          std::string(static_cast<const char*>(view.data), count * dtype_bytes(view.dtype))};
}

// Those whose names begin with `prefix`.
inline FileTensors file_tensors(const Weights& weights, std::string_view prefix = "") {
  FileTensors tensors;
  for (const std::string& name : weights.names())
    if (name.starts_with(prefix)) tensors[name] = file_tensor(*weights.tensor(name));
  return tensors;
}

inline std::string safetensors_bytes(const FileTensors& tensors) {
  std::string header = "{", data;
  for (const auto& [name, tensor] : tensors) {
    std::string dims;
    for (const std::int64_t n : tensor.dims) {
      if (!dims.empty()) dims += ",";
      dims += std::to_string(n);
    }
    header += (header.size() > 1 ? ",\"" : "\"") + name + "\":{\"dtype\":\"" + tensor.dtype +
              "\",\"shape\":[" + dims + "],\"data_offsets\":[" + std::to_string(data.size()) + "," +
              std::to_string(data.size() + tensor.bytes.size()) + "]}";
    data += tensor.bytes;
  }
  header += "}";
  std::string file(8, '\0');
  const std::uint64_t count = header.size();
  std::memcpy(file.data(), &count, 8);
  return file + header + data;
}

}  // namespace antiphon::test
