// Plug-ins: operators and kernels from shared objects (engine/kernels/plugin_abi.h).
#pragma once

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

// Loaded shared objects. Immutable: any thread. Shared by builds, networks and plans, which keep
// what they use loaded.
class PluginSet {
 public:
  // Loads every file, in order. kNotFound: a file cannot be loaded (with the loader's reason).
  // kInvalidArgument: not a plug-in, another major version (both are named), a table that lacks
  // something, an operator or a kernel that another one has already named.
  static Result<std::shared_ptr<const PluginSet>> load(const std::vector<std::string>& paths);
  virtual ~PluginSet() = default;
  virtual const std::vector<PluginInfo>& plugins() const = 0;
  // For Network::custom(). name: "com.example::Snake". Null: no plug-in has it.
  virtual std::shared_ptr<const ir::CustomOp> find(std::string_view name) const = 0;
};

}  // namespace antiphon
