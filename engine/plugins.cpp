// Loads shared objects and checks their tables.
#include "engine/plugins.h"

#include <dlfcn.h>

#include <algorithm>

#include "engine/plugin/plugin_set.h"

namespace antiphon {
namespace {

std::string version_text(int major, int minor) {
  return std::to_string(major) + "." + std::to_string(minor);
}

bool named(const char* text) { return text != nullptr && *text != '\0'; }

Status check_table(const antiphon_plugin& table) {
  if (table.major != ANTIPHON_PLUGIN_MAJOR)
    return invalid_argument("was compiled for plug-in interface " +
                            version_text(table.major, table.minor) + ", this engine has " +
                            version_text(ANTIPHON_PLUGIN_MAJOR, ANTIPHON_PLUGIN_MINOR) +
                            "; compile it again with this engine's header");
  if (table.struct_bytes < sizeof(antiphon_plugin))
    return invalid_argument("struct_bytes: wanted at least " +
                            std::to_string(sizeof(antiphon_plugin)) + ", got " +
                            std::to_string(table.struct_bytes));
  if (!named(table.name)) return invalid_argument("name: is empty");
  if (!named(table.version)) return invalid_argument("version: is empty");
  if (table.num_operators > 0 && !table.operators) return invalid_argument("operators: is null");
  if (table.num_kernels > 0 && !table.kernels) return invalid_argument("kernels: is null");
  return {};
}

Status check_operator(const antiphon_plugin_operator& op) {
  if (op.struct_bytes != sizeof(op))
    return invalid_argument("struct_bytes: wanted " + std::to_string(sizeof(op)) + ", got " +
                            std::to_string(op.struct_bytes));
  if (!named(op.domain) || !named(op.name)) return invalid_argument("domain or name: is empty");
  if (op.min_inputs < 0 || op.max_inputs < op.min_inputs || op.num_outputs < 1)
    return invalid_argument(
        "min_inputs, max_inputs, num_outputs: wanted 0 <= min <= max and an "
        "output");
  if (!op.infer) return invalid_argument("infer: is null");
  return {};
}

Status check_kernel(const antiphon_plugin_kernel& kernel) {
  if (kernel.struct_bytes != sizeof(kernel))
    return invalid_argument("struct_bytes: wanted " + std::to_string(sizeof(kernel)) + ", got " +
                            std::to_string(kernel.struct_bytes));
  if (!named(kernel.name) || !named(kernel.domain) || !named(kernel.operator_name) ||
      !named(kernel.device))
    return invalid_argument("name, domain, operator_name or device: is empty");
  if (!kernel.run) return invalid_argument("run: is null");
  return {};
}

std::string full_name(const char* domain, const char* name) {
  return std::string(domain) + "::" + name;
}

}  // namespace

Result<std::shared_ptr<const PluginLibrary>> PluginLibrary::open(const std::string& path) {
  // A bare name would be searched for in the system's folders.
  const std::string file = path.find('/') == std::string::npos ? "./" + path : path;
  void* handle = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char* reason = ::dlerror();
    return not_found("plug-in " + path + ": " + (reason ? reason : "cannot be loaded"));
  }
  std::shared_ptr<PluginLibrary> library(new PluginLibrary(handle, path));
  const auto entry =
      reinterpret_cast<antiphon_plugin_entry_function>(::dlsym(handle, "antiphon_plugin_entry"));
  if (!entry)
    return invalid_argument("plug-in " + path +
                            ": is not one: it does not export antiphon_plugin_entry()");
  const antiphon_plugin* table = nullptr;
  try {
    table = entry(&plugin_host());
  } catch (...) {
    return invalid_argument("plug-in " + path + ": antiphon_plugin_entry() threw an exception");
  }
  if (!table) return invalid_argument("plug-in " + path + ": will not run on this host");
  if (Status s = check_table(*table); !s.ok()) return s.with_context("plug-in " + path);
  library->table_ = table;
  return std::shared_ptr<const PluginLibrary>(std::move(library));
}

PluginLibrary::~PluginLibrary() {
  try {
    if (table_ && table_->unload) table_->unload();
  } catch (...) {  // it is on its way out anyway
  }
  ::dlclose(handle_);
}

Status PluginSetImpl::add(std::shared_ptr<const PluginLibrary> library) {
  const antiphon_plugin& table = library->table();
  const std::string place = "plug-in " + library->path() + ": ";
  PluginInfo info{table.name, table.version, library->path(), {}, {}};
  for (std::size_t i = 0; i < table.num_operators; ++i) {
    const antiphon_plugin_operator& op = table.operators[i];
    if (Status s = check_operator(op); !s.ok())
      return s.with_context(place + "operator " + std::to_string(i));
    auto made = std::make_shared<PluginOp>();
    made->name = full_name(op.domain, op.name);
    if (find(made->name))
      return invalid_argument(place + "operator " + made->name + ": is there already");
    made->min_inputs = op.min_inputs;
    made->max_inputs = op.max_inputs;
    made->num_outputs = op.num_outputs;
    made->library = library;
    made->table = &op;
    info.operators.push_back(made->name);
    ops_.push_back(std::move(made));
  }
  for (std::size_t i = 0; i < table.num_kernels; ++i) {
    const antiphon_plugin_kernel& kernel = table.kernels[i];
    if (Status s = check_kernel(kernel); !s.ok())
      return s.with_context(place + "kernel " + std::to_string(i));
    const std::string op = full_name(kernel.domain, kernel.operator_name);
    if (!find(op))
      return invalid_argument(place + "kernel " + kernel.name + ": there is no operator " + op);
    const bool taken = std::any_of(kernels_.begin(), kernels_.end(), [&](const auto& other) {
      return std::string_view(other->table->name) == kernel.name;
    });
    if (taken) return invalid_argument(place + "kernel " + kernel.name + ": is there already");
    info.kernels.push_back(kernel.name);
    kernels_.push_back(std::make_unique<PluginKernel>(PluginKernel{&kernel, op, {}}));
    kernels_.back()->kernel = adapt(*kernels_.back());
  }
  info_.push_back(std::move(info));
  return {};
}

std::shared_ptr<const ir::CustomOp> PluginSetImpl::find(std::string_view name) const {
  for (const auto& op : ops_)
    if (op->name == name) return op;
  return nullptr;
}

std::vector<const Kernel*> PluginSetImpl::before(std::span<const Kernel* const> table) const {
  std::vector<const Kernel*> out;
  for (const auto& plugin : kernels_)
    if (std::string_view(plugin->table->device) == "cpu") out.push_back(&plugin->kernel);
  if (fallback_) out.push_back(&kOrtPartKernel);
  out.insert(out.end(), table.begin(), table.end());
  return out;
}

Result<ModelPart> PluginSetImpl::part(std::string_view model) const {
  if (!fallback_) return unsupported("there is no fallback for parts of models");
  ANTIPHON_ASSIGN_OR_RETURN(auto part, OrtPart::create(fallback_, model));
  ModelPart out{part, {}};
  for (const OrtEdge& edge : part->session().outputs()) out.elements.push_back(edge.type);
  return out;
}

Result<std::shared_ptr<const ir::CustomOp>> PluginSetImpl::part_of(const ir::Graph& graph,
                                                                   const ir::Node& node) const {
  if (!fallback_)
    return not_found(node.name +
                     ": runs in ONNX Runtime, which is not loaded: give --fallback onnxruntime");
  if (node.inputs.empty() || !ir::is_constant(graph, node.inputs[0]))
    return invalid_argument(node.name + ": lacks the model of its part");
  const TensorView model = ir::constant_view(graph, node.inputs[0]);
  const std::string_view bytes(
      static_cast<const char*>(model.data),
      static_cast<std::size_t>(model.num_elements()) * dtype_bytes(model.dtype));
  auto made = part(bytes);
  if (!made.ok()) return made.status().with_context(node.name);
  return made->op;
}

Status PluginSetImpl::bind(ir::Graph& graph) const {
  for (ir::Node& node : graph.nodes) {
    if (node.body) ANTIPHON_RETURN_IF_ERROR(bind(*node.body));
    if (node.op != ir::OpKind::kCustom) continue;
    const std::string name = node.attrs.s("operator");
    if (name == kOrtPartName) {
      ANTIPHON_ASSIGN_OR_RETURN(node.custom, part_of(graph, node));
      continue;
    }
    node.custom = find(name);
    if (!node.custom)
      return not_found(node.name + ": operator " + name + ": no plug-in that has it is loaded");
  }
  return {};
}

namespace {

Result<std::shared_ptr<PluginSetImpl>> load_set(const std::vector<std::string>& paths) {
  auto set = std::make_shared<PluginSetImpl>();
  for (const std::string& path : paths) {
    ANTIPHON_ASSIGN_OR_RETURN(auto library, PluginLibrary::open(path));
    ANTIPHON_RETURN_IF_ERROR(set->add(std::move(library)));
  }
  return set;
}

}  // namespace

Result<std::shared_ptr<const PluginSet>> PluginSet::load(const std::vector<std::string>& paths) {
  ANTIPHON_ASSIGN_OR_RETURN(auto set, load_set(paths));
  return std::shared_ptr<const PluginSet>(std::move(set));
}

Result<std::shared_ptr<const PluginSet>> PluginSet::load_with_onnxruntime(
    const std::vector<std::string>& paths, const std::string& onnxruntime) {
  ANTIPHON_ASSIGN_OR_RETURN(auto set, load_set(paths));
  ANTIPHON_ASSIGN_OR_RETURN(auto library, OrtLibrary::open(onnxruntime));
  set->set_fallback(std::move(library));
  return std::shared_ptr<const PluginSet>(std::move(set));
}

}  // namespace antiphon
