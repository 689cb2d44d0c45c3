// Plug-ins: operators and kernels from shared objects (engine/kernels/plugin_abi.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/status.h"
#include "engine/network.h"

namespace antiphon {

struct PluginInfo {
  std::string name, version, path;
  std::vector<std::string> operators;  // "com.example::Snake"
  std::vector<std::string> kernels;    // "example/snake_plain"
};

// A part of a model as an operator, and the ONNX element types of its outputs.
struct ModelPart {
  std::shared_ptr<const ir::CustomOp> op;
  std::vector<std::int32_t> elements;
};

// Loaded shared objects. Immutable: any thread. Shared by builds, networks and plans, which keep
// what they use loaded.
class PluginSet {
 public:
  // Loads every file, in order. kNotFound: a file cannot be loaded (with the loader's reason).
  // kInvalidArgument: not a plug-in, another major version (both are named), a table that lacks
  // something, an operator or a kernel that another one has already named.
  static Result<std::shared_ptr<const PluginSet>> load(const std::vector<std::string>& paths);
  // The same, and ONNX Runtime for the parts of models that cannot be imported. onnxruntime: its
  // shared object, 1.12 or later; empty: the one that the system's loader finds.
  // kNotFound: there is none; the message says what to install.
  static Result<std::shared_ptr<const PluginSet>> load_with_onnxruntime(
      const std::vector<std::string>& paths, const std::string& onnxruntime);
  virtual ~PluginSet() = default;
  virtual const std::vector<PluginInfo>& plugins() const = 0;
  // For Network::custom(). name: "com.example::Snake". Null: no plug-in has it.
  virtual std::shared_ptr<const ir::CustomOp> find(std::string_view name) const = 0;
  virtual bool has_fallback() const = 0;
  // For the importer. model: a serialised ONNX model whose inputs are typed. kUnsupported: there is
  // no fallback, or it does not take the model, with its reason.
  virtual Result<ModelPart> part(std::string_view model) const = 0;
};

}  // namespace antiphon
