// Options of the ONNX importer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace antiphon {

class PluginSet;

// A tensor with its own memory.
struct HostTensor {
  DType dtype = DType::kF32;
  std::vector<std::int64_t> dims;
  std::vector<std::byte> bytes;  // row-major
};

struct OnnxOptions {
  // Inputs that become constants: shapes, axes and counts that the network's structure depends on.
  std::map<std::string, HostTensor> frozen;
  // Names for extents, by input: {"ids", {"B", "T"}}; an empty name keeps the model's.
  std::map<std::string, std::vector<std::string>> symbols;
  // Extents that are fixed: {"B", 1}.
  std::map<std::string, std::int64_t> extents;
  // Operators of other domains, by domain and name; may be null.
  std::shared_ptr<const PluginSet> plugins;
};

}  // namespace antiphon
