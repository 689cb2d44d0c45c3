// What crosses the border of a plug-in: the host's functions, and shape rules with their extents.
#include <algorithm>
#include <array>
#include <exception>

#include "engine/plugin/plugin_set.h"

namespace antiphon {
namespace {

// Attribute text that outlives the call: the node owns it.
const std::string* find_text(const ir::Node& node, const char* name) {
  const auto found = node.attrs.all().find(name ? name : "");
  return found == node.attrs.all().end() ? nullptr : std::get_if<std::string>(&found->second);
}

const ir::Node& node_of(const antiphon_plugin_node* node) {
  return *reinterpret_cast<const ir::Node*>(node);
}

std::int64_t attr_int(const antiphon_plugin_node* node, const char* name, std::int64_t fallback) {
  return name ? node_of(node).attrs.i(name, fallback) : fallback;
}
double attr_float(const antiphon_plugin_node* node, const char* name, double fallback) {
  return name ? node_of(node).attrs.f(name, fallback) : fallback;
}
const char* attr_string(const antiphon_plugin_node* node, const char* name, const char* fallback) {
  const std::string* text = find_text(node_of(node), name);
  return text ? text->c_str() : fallback;
}
std::size_t attr_ints(const antiphon_plugin_node* node, const char* name, std::int64_t* values,
                      std::size_t capacity) {
  if (!name) return 0;
  const std::vector<std::int64_t> list = node_of(node).attrs.ints(name);
  std::copy_n(list.begin(), std::min(capacity, list.size()), values);
  return list.size();
}

Team& team_of(antiphon_plugin_team* team) { return *reinterpret_cast<Team*>(team); }
std::int32_t team_size(const antiphon_plugin_team* team) {
  return reinterpret_cast<const Team*>(team)->size();
}
void team_run(antiphon_plugin_team* team, void (*task)(void* context, std::int32_t member),
              void* context) {
  team_of(team).run(task, context);
}
void team_barrier(antiphon_plugin_team* team) { team_of(team).barrier(); }

// Extents that are not known go to the plug-in as tickets -2, -3, ... and come back as what they
// stand for.
class Tickets {
 public:
  std::int64_t give(const Dim& dim) {
    if (dim.is_static()) return dim.extent;
    dims_.push_back(dim);
    return -1 - static_cast<std::int64_t>(dims_.size());
  }
  Result<Dim> take(std::int64_t extent) const {
    if (extent >= 0) return Dim(extent);
    if (extent == -1) return Dim();
    const auto index = static_cast<std::size_t>(-(extent + 2));
    if (extent < -2 - (std::int64_t{1} << 20) || index >= dims_.size())
      return invalid_argument("extent " + std::to_string(extent) + " stands for nothing");
    return dims_[index];
  }

 private:
  std::vector<Dim> dims_;
};

antiphon_plugin_tensor absent() {
  antiphon_plugin_tensor out{};
  out.rank = -1;
  return out;
}

Result<antiphon_plugin_tensor> lend(const ir::ValueType& type, Tickets& tickets) {
  if (type.shape.size() > ANTIPHON_PLUGIN_MAX_RANK)
    return unsupported("rank " + std::to_string(type.shape.size()) + ", at most " +
                       std::to_string(ANTIPHON_PLUGIN_MAX_RANK) + " is supported");
  antiphon_plugin_tensor out{};
  out.dtype = static_cast<std::int32_t>(type.dtype);
  out.rank = static_cast<std::int32_t>(type.shape.size());
  for (std::size_t i = 0; i < type.shape.size(); ++i) out.extents[i] = tickets.give(type.shape[i]);
  return out;
}

Result<ir::ValueType> take_back(const antiphon_plugin_tensor& tensor, const Tickets& tickets) {
  ir::ValueType out;
  if (tensor.dtype < 0 || tensor.dtype > static_cast<std::int32_t>(DType::kBool))
    return invalid_argument("dtype " + std::to_string(tensor.dtype) + " is unknown");
  if (tensor.rank < 0 || tensor.rank > ANTIPHON_PLUGIN_MAX_RANK)
    return invalid_argument("rank " + std::to_string(tensor.rank) + ", wanted 0 to " +
                            std::to_string(ANTIPHON_PLUGIN_MAX_RANK));
  out.dtype = static_cast<DType>(tensor.dtype);
  for (std::int32_t i = 0; i < tensor.rank; ++i) {
    ANTIPHON_ASSIGN_OR_RETURN(Dim dim, tickets.take(tensor.extents[i]));
    out.shape.push_back(std::move(dim));
  }
  return out;
}

}  // namespace

const antiphon_plugin_host& plugin_host() {
  static constexpr antiphon_plugin_host kHost = {sizeof(antiphon_plugin_host),
                                                 ANTIPHON_PLUGIN_MAJOR,
                                                 ANTIPHON_PLUGIN_MINOR,
                                                 attr_int,
                                                 attr_float,
                                                 attr_string,
                                                 attr_ints,
                                                 team_size,
                                                 team_run,
                                                 team_barrier};
  return kHost;
}

Result<std::vector<ir::ValueType>> PluginOp::infer(
    const ir::Node& node, std::span<const ir::ValueType* const> inputs) const {
  Tickets tickets;
  std::vector<antiphon_plugin_tensor> in, out(static_cast<std::size_t>(num_outputs), absent());
  for (const ir::ValueType* type : inputs) {
    if (!type) {
      in.push_back(absent());
      continue;
    }
    ANTIPHON_ASSIGN_OR_RETURN(antiphon_plugin_tensor lent, lend(*type, tickets));
    in.push_back(lent);
  }
  std::array<char, 512> message{};
  antiphon_plugin_call call{};
  call.struct_bytes = sizeof(call);
  call.node = reinterpret_cast<const antiphon_plugin_node*>(&node);
  call.inputs = in.data();
  call.num_inputs = in.size();
  call.outputs = out.data();
  call.num_outputs = out.size();
  call.message = message.data();
  call.message_bytes = message.size();
  int code = 0;
  try {
    code = table->infer(&call);
  } catch (...) {
    return internal_error("operator " + name + ": infer() threw an exception");
  }
  message.back() = '\0';
  if (code != 0)
    return invalid_argument("operator " + name + ": " +
                            (message[0] ? message.data() : "infer() refused without a reason"));
  std::vector<ir::ValueType> types;
  for (std::size_t i = 0; i < out.size(); ++i) {
    auto type = take_back(out[i], tickets);
    if (!type.ok())
      return type.status().with_context("operator " + name + ": infer(): output " +
                                        std::to_string(i));
    types.push_back(std::move(type).value());
  }
  return types;
}

}  // namespace antiphon
