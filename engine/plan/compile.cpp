// Kernel choice, memory plan, check, packing, report.
#include "engine/plan/compile.h"

#include <algorithm>

#include "engine/ir/schema.h"

namespace antiphon::plan {
namespace {

constexpr std::uint64_t kFnvStart = 1469598103934665603ull, kFnvPrime = 1099511628211ull;

std::uint64_t fnv(std::uint64_t hash, const void* data, std::size_t bytes) {
  const auto* p = static_cast<const unsigned char*>(data);
  for (std::size_t i = 0; i < bytes; ++i) hash = (hash ^ p[i]) * kFnvPrime;
  return hash;
}

std::uint64_t hash_constants(std::uint64_t hash, const ir::Graph& graph) {
  for (const ir::ValueInfo& v : graph.values)
    if (v.kind == ir::ValueKind::kConstant) hash = fnv(hash, v.constant.data, v.constant.bytes);
  for (const ir::Node& node : graph.nodes)
    if (node.body) hash = hash_constants(hash, *node.body);
  return hash;
}

Status check_profile(const PlanData& data) {
  for (const std::string& symbol : symbols_of(data.graph)) {
    const auto found = data.profile.find(symbol);
    if (found == data.profile.end())
      return invalid_argument("profile: no range given for symbol '" + symbol + "'");
    const DimRange& r = found->second;
    if (r.min < 0 || r.min > r.opt || r.opt > r.max)
      return invalid_argument("profile: " + symbol + ": wanted 0 <= min <= opt <= max, got " +
                              std::to_string(r.min) + ", " + std::to_string(r.opt) + ", " +
                              std::to_string(r.max));
  }
  for (const ir::ValueId id : data.graph.inputs)
    for (const Dim& dim : data.graph.values[static_cast<std::size_t>(id)].shape)
      if (!dim.is_static() && dim.symbol.empty())
        return invalid_argument("input '" + data.graph.values[static_cast<std::size_t>(id)].name +
                                "' has an extent without a name");
  return {};
}

InPlace in_place_nodes(const PlanData& data, const std::vector<Tensor>& tensors) {
  InPlace inputs_taken(data.graph.nodes.size(), -1);
  std::vector<Tensor> inputs, outputs;
  for (const Step& step : data.steps) {
    const NodeView view =
        view_of(data.graph.nodes[step.node], tensors, data.isa, data.num_threads, inputs, outputs);
    const std::size_t input = step.candidates.front().kernel->in_place_input;
    const bool all =
        std::all_of(step.candidates.begin(), step.candidates.end(), [&](const Candidate& c) {
          return c.kernel->in_place != nullptr && c.kernel->in_place_input == input &&
                 c.kernel->in_place(view_for(view, *c.kernel));
        });
    if (all) inputs_taken[step.node] = static_cast<int>(input);
  }
  return inputs_taken;
}

std::size_t state_bytes(const PlanData& data, const std::vector<Tensor>& tensors) {
  std::size_t bytes = 0;
  for (const ir::ValueId id : data.graph.states)
    bytes += tensors[static_cast<std::size_t>(id)].bytes();
  return bytes;
}

// Of the constants that a node reads, its body's included.
std::size_t constant_bytes(const ir::Graph& graph, const ir::Node& node) {
  std::size_t bytes = 0;
  for (const ir::ValueId id : node.inputs)
    if (ir::is_constant(graph, id))
      bytes += graph.values[static_cast<std::size_t>(id)].constant.bytes;
  if (node.body)
    for (const ir::ValueInfo& v : node.body->values)
      if (v.kind == ir::ValueKind::kConstant) bytes += v.constant.bytes;
  return bytes;
}

LayerReport layer_report(const PlanData& data, const Step& step, const std::vector<Tensor>& usual) {
  const ir::Node& node = data.graph.nodes[step.node];
  const Candidate& first = step.candidates.front();
  LayerReport out;
  out.name = node.name;
  out.op = ir::op_name(node.op);
  out.kernel = first.kernel->name;
  out.time_us = first.time_us;
  out.considered = step.considered;
  out.constant_bytes = constant_bytes(data.graph, node);
  std::vector<Tensor> inputs, outputs;
  const NodeView view =
      view_for(view_of(node, usual, data.isa, data.num_threads, inputs, outputs), *first.kernel);
  if (!outputs.empty()) out.output = describe(outputs.front());
  if (first.kernel->workspace_bytes && first.kernel->refuse(view) == nullptr)
    out.workspace_bytes = first.kernel->workspace_bytes(view);
  return out;
}

void fill_report(PlanData& data, const std::vector<Tensor>& usual,
                 const std::vector<Tensor>& largest) {
  PlanReport& report = data.report;
  report.nodes_after = static_cast<int>(data.graph.nodes.size());
  report.arena_bytes = data.memory.arena_bytes;
  report.live_bytes_bound = data.memory.live_bytes_bound;
  report.state_bytes = state_bytes(data, usual);
  report.constant_bytes = 0;
  for (const ir::ValueInfo& v : data.graph.values)
    if (v.kind == ir::ValueKind::kConstant) report.constant_bytes += v.constant.bytes;
  report.tuned = data.tuned;
  report.isa = kIsaNames[static_cast<std::size_t>(data.isa)];
  report.layers.clear();
  report.workspace_bytes = data.workspace_bytes;
  const std::vector<std::size_t> live = live_bytes_by_node(data.graph, largest, data.memory);
  for (const Step& step : data.steps) {
    report.layers.push_back(layer_report(data, step, usual));
    report.layers.back().live_bytes = live[step.node];
  }
}

}  // namespace

std::uint64_t hash_of(const ir::Graph& graph) {
  const std::string text = ir::to_text(graph);
  return hash_constants(fnv(kFnvStart, text.data(), text.size()), graph);
}

Result<std::shared_ptr<const Plan>> compile(const Backend& backend, const SelectOptions& options,
                                            PlanData data) {
  ANTIPHON_RETURN_IF_ERROR(check_profile(data));
  ANTIPHON_RETURN_IF_ERROR(select_kernels(backend, options, data));
  ANTIPHON_ASSIGN_OR_RETURN(const std::vector<Tensor> largest,
                            resolve(data.graph, extents_at(data.profile, &DimRange::max)));
  data.memory = plan_memory(data.graph, largest, in_place_nodes(data, largest));
  return finish(std::move(data));
}

Result<std::shared_ptr<const Plan>> finish(PlanData data) {
  ANTIPHON_RETURN_IF_ERROR(ir::verify(data.graph));
  ANTIPHON_RETURN_IF_ERROR(check_profile(data));
  ANTIPHON_ASSIGN_OR_RETURN(const std::vector<Tensor> largest,
                            resolve(data.graph, extents_at(data.profile, &DimRange::max)));
  ANTIPHON_RETURN_IF_ERROR(check_memory(data.graph, largest, data.memory));
  ANTIPHON_RETURN_IF_ERROR(pack_weights(data));
  ANTIPHON_ASSIGN_OR_RETURN(const std::vector<Tensor> usual,
                            resolve(data.graph, extents_at(data.profile, &DimRange::opt)));
  fill_report(data, usual, largest);
  return std::shared_ptr<const Plan>(std::make_shared<PlanImpl>(std::move(data)));
}

}  // namespace antiphon::plan
