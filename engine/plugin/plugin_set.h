// What a loaded set of plug-ins holds. Private to the façade.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/ir/custom_op.h"
#include "engine/kernels/kernel.h"
#include "engine/kernels/plugin_abi.h"
#include "engine/plugin/ort_part.h"
#include "engine/plugins.h"

namespace antiphon {

// A shared object that stays mapped while anything uses its code.
class PluginLibrary {
 public:
  static Result<std::shared_ptr<const PluginLibrary>> open(const std::string& path);
  ~PluginLibrary();
  PluginLibrary(const PluginLibrary&) = delete;
  PluginLibrary& operator=(const PluginLibrary&) = delete;
  const antiphon_plugin& table() const { return *table_; }
  const std::string& path() const { return path_; }

 private:
  PluginLibrary(void* handle, std::string path) : handle_(handle), path_(std::move(path)) {}
  void* handle_;
  std::string path_;
  const antiphon_plugin* table_ = nullptr;
};

// An operator; keeps its library.
struct PluginOp final : ir::CustomOp {
  Result<std::vector<ir::ValueType>> infer(
      const ir::Node& node, std::span<const ir::ValueType* const> inputs) const override;
  std::shared_ptr<const PluginLibrary> library;
  const antiphon_plugin_operator* table = nullptr;
};

// One entry of a plug-in's kernel table behind Kernel (Kernel::self).
struct PluginKernel {
  const antiphon_plugin_kernel* table = nullptr;
  std::string operator_name;  // "com.example::Snake"
  Kernel kernel{};
};

class PluginSetImpl final : public PluginSet {
 public:
  Status add(std::shared_ptr<const PluginLibrary> library);
  const std::vector<PluginInfo>& plugins() const override { return info_; }
  std::shared_ptr<const ir::CustomOp> find(std::string_view name) const override;
  void set_fallback(std::shared_ptr<const OrtLibrary> library) { fallback_ = std::move(library); }
  bool has_fallback() const override { return fallback_ != nullptr; }
  Result<ModelPart> part(std::string_view model) const override;
  // Plug-ins' kernels first, then `table`'s.
  std::vector<const Kernel*> before(std::span<const Kernel* const> table) const;
  // Gives every custom node of a graph that was read from a file its operator.
  // kNotFound: names the operator.
  Status bind(ir::Graph& graph) const;

 private:
  // The operator of a part in a graph that was read from a file.
  Result<std::shared_ptr<const ir::CustomOp>> part_of(const ir::Graph& graph,
                                                      const ir::Node& node) const;

  std::vector<PluginInfo> info_;
  std::vector<std::shared_ptr<const PluginOp>> ops_;
  std::vector<std::unique_ptr<PluginKernel>> kernels_;
  std::shared_ptr<const OrtLibrary> fallback_;  // may be null
};

// The functions that a plug-in calls.
const antiphon_plugin_host& plugin_host();
// Functions of a Kernel that stands for `plugin`.
Kernel adapt(const PluginKernel& plugin);

}  // namespace antiphon
