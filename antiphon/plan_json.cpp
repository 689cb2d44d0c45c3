// Networks and plans as JSON.
#include "antiphon/plan_json.h"

#include <nlohmann/json.hpp>

namespace antiphon {
namespace {

// Names of a model need not be UTF-8: what is not is mended.
std::string text_of(const nlohmann::json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

nlohmann::json specs_json(const std::vector<TensorSpec>& specs) {
  nlohmann::json out = nlohmann::json::array();
  for (const TensorSpec& spec : specs) {
    nlohmann::json shape = nlohmann::json::array();
    for (const Dim& dim : spec.shape) {
      if (dim.is_static())
        shape.push_back(dim.extent);
      else
        shape.push_back(dim.symbol.empty() ? nlohmann::json() : nlohmann::json(dim.symbol));
    }
    out.push_back(
        {{"name", spec.name}, {"dtype", std::string(dtype_name(spec.dtype))}, {"shape", shape}});
  }
  return out;
}

}  // namespace

std::string plan_json(const Plan& plan) {
  const PlanReport& report = plan.report();
  nlohmann::json layers = nlohmann::json::array();
  for (const LayerReport& l : report.layers)
    layers.push_back({{"name", l.name},
                      {"op", l.op},
                      {"kernel", l.kernel},
                      {"output", l.output},
                      {"live_bytes", l.live_bytes},
                      {"workspace_bytes", l.workspace_bytes},
                      {"constant_bytes", l.constant_bytes},
                      {"time_us", l.time_us}});
  return text_of({{"name", plan.name()},
                  {"isa", report.isa},
                  {"tuned", report.tuned},
                  {"inputs", specs_json(plan.inputs())},
                  {"outputs", specs_json(plan.outputs())},
                  {"passes", report.passes},
                  {"nodes_before", report.nodes_before},
                  {"nodes_after", report.nodes_after},
                  {"arena_bytes", report.arena_bytes},
                  {"live_bytes_bound", report.live_bytes_bound},
                  {"constant_bytes", report.constant_bytes},
                  {"workspace_bytes", report.workspace_bytes},
                  {"state_bytes", report.state_bytes},
                  {"layers", layers}});
}

std::string network_json(const OnnxNetwork& network) {
  return text_of({{"inputs", specs_json(network.inputs())}});
}

}  // namespace antiphon
