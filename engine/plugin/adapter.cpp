// A plug-in's kernel as a Kernel: one set of functions for all of them, told apart by
// NodeView::self.
#include <array>
#include <cstring>
#include <exception>
#include <vector>

#include "engine/plugin/plugin_set.h"

namespace antiphon {
namespace {

const PluginKernel& kernel_of(const NodeView& view) {
  return *static_cast<const PluginKernel*>(view.self);
}

antiphon_plugin_tensor lend(const Tensor& tensor) {
  antiphon_plugin_tensor out{};
  out.dtype = static_cast<std::int32_t>(tensor.dtype);
  out.rank = tensor.rank;
  for (std::int32_t i = 0; i < tensor.rank; ++i)
    out.extents[i] = tensor.dims[static_cast<std::size_t>(i)];
  out.data = tensor.data;
  out.is_constant = tensor.is_constant;
  return out;
}

// plugin_abi.h knows three levels.
std::int32_t level_of(Isa isa) {
  if (isa == Isa::kPortable) return 0;
  return isa < Isa::kAvx512Vnni ? 1 : 2;
}

// A call and what it points to. Not movable: the call points into it.
struct Lent {
  explicit Lent(const NodeView& view) {
    for (const Tensor& t : view.inputs) inputs.push_back(lend(t));
    for (const Tensor& t : view.outputs) outputs.push_back(lend(t));
    call.struct_bytes = sizeof(call);
    call.node = reinterpret_cast<const antiphon_plugin_node*>(view.node);
    call.inputs = inputs.data();
    call.num_inputs = inputs.size();
    call.outputs = outputs.data();
    call.num_outputs = outputs.size();
    call.isa = level_of(view.isa);
    call.num_threads = view.num_threads;
    call.message = message.data();
    call.message_bytes = message.size();
  }
  Lent(const Lent&) = delete;
  Lent& operator=(const Lent&) = delete;

  std::vector<antiphon_plugin_tensor> inputs, outputs;
  std::array<char, 512> message{};
  antiphon_plugin_call call{};
};

struct LentCall final : Prepared {
  explicit LentCall(const NodeView& view) : lent(view) {}
  Lent lent;
};

struct PackedByPlugin final : Packed {
  PackedByPlugin(void* p, void (*f)(void*)) : data(p), free(f) {}
  ~PackedByPlugin() override {
    try {
      if (data && free) free(data);
    } catch (...) {  // nobody to tell
    }
  }
  void* data;
  void (*free)(void*);
};

Status failure(const PluginKernel& plugin, const char* function, Lent& lent) {
  lent.message.back() = '\0';
  return internal_error(std::string(plugin.table->name) + ": " +
                        (lent.message[0] ? std::string(lent.message.data())
                                         : std::string(function) + " failed without a reason"));
}

Status threw(const PluginKernel& plugin, const char* function) {
  return internal_error(std::string(plugin.table->name) + ": " + function + " threw an exception");
}

const char* refuse(const NodeView& view) {
  const PluginKernel& plugin = kernel_of(view);
  if (view.node->attrs.s("operator") != plugin.operator_name) return "is for another operator";
  if (!plugin.table->refuse) return nullptr;
  try {
    const Lent lent(view);
    return plugin.table->refuse(&lent.call);
  } catch (...) {
    return "refuse() threw an exception";
  }
}

std::size_t workspace_bytes(const NodeView& view) {
  const PluginKernel& plugin = kernel_of(view);
  if (!plugin.table->workspace_bytes) return 0;
  try {
    const Lent lent(view);
    return plugin.table->workspace_bytes(&lent.call);
  } catch (...) {
    return 0;
  }
}

Result<std::unique_ptr<Packed>> pack(const NodeView& view) {
  const PluginKernel& plugin = kernel_of(view);
  Lent lent(view);
  try {
    if (plugin.table->pack && plugin.table->pack(&lent.call) != 0)
      return failure(plugin, "pack()", lent);
  } catch (...) {
    return threw(plugin, "pack()");
  }
  return std::unique_ptr<Packed>(
      std::make_unique<PackedByPlugin>(lent.call.packed, plugin.table->free_packed));
}

Result<std::unique_ptr<Prepared>> prepare(const NodeView& view, const Packed* packed) {
  auto made = std::make_unique<LentCall>(view);
  if (packed) made->lent.call.packed = static_cast<const PackedByPlugin*>(packed)->data;
  return std::unique_ptr<Prepared>(std::move(made));
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const PluginKernel& plugin = kernel_of(view);
  Lent& lent = static_cast<LentCall*>(args.prepared)->lent;
  lent.call.workspace = args.workspace;
  lent.call.team = reinterpret_cast<antiphon_plugin_team*>(args.team);
  lent.message[0] = '\0';
  try {
    return plugin.table->run(&lent.call) == 0 ? Status() : failure(plugin, "run()", lent);
  } catch (...) {
    return threw(plugin, "run()");
  }
}

}  // namespace

Kernel adapt(const PluginKernel& plugin) {
  return {.op = ir::OpKind::kCustom,
          .name = plugin.table->name,
          .refuse = refuse,
          .workspace_bytes = workspace_bytes,
          .run = run,
          .pack = pack,
          .prepare = prepare,
          .in_place = nullptr,
          .self = &plugin};
}

}  // namespace antiphon
