// antiphon inspect: what a plan file holds.
#include "cli/command.h"
#include "engine/engine.h"

namespace antiphon::cli {
namespace {

nlohmann::json tensors(const std::vector<TensorSpec>& specs) {
  nlohmann::json out = nlohmann::json::array();
  for (const TensorSpec& spec : specs) out.push_back(spec.name);
  return out;
}

int run(const std::string& path, bool json) {
  const auto plan = Plan::load(path);
  if (!plan.ok()) return fail(plan.status());
  const PlanReport& report = (*plan)->report();
  if (json) {
    nlohmann::json layers = nlohmann::json::array();
    for (const LayerReport& l : report.layers)
      layers.push_back({{"name", l.name},
                        {"op", l.op},
                        {"kernel", l.kernel},
                        {"workspace_bytes", l.workspace_bytes},
                        {"time_us", l.time_us}});
    std::printf("%s\n", write_json({{"name", (*plan)->name()},
                                    {"isa", report.isa},
                                    {"inputs", tensors((*plan)->inputs())},
                                    {"outputs", tensors((*plan)->outputs())},
                                    {"nodes_before", report.nodes_before},
                                    {"nodes_after", report.nodes_after},
                                    {"arena_bytes", report.arena_bytes},
                                    {"constant_bytes", report.constant_bytes},
                                    {"state_bytes", report.state_bytes},
                                    {"layers", layers}})
                            .c_str());
    return kExitOk;
  }
  std::printf("%s for %s: %d nodes, %d before fusion\n", (*plan)->name().c_str(),
              report.isa.c_str(), report.nodes_after, report.nodes_before);
  std::printf("constants %.2f MB, arena %.2f MB, state %.1f kB a stream\n",
              static_cast<double>(report.constant_bytes) / 1e6,
              static_cast<double>(report.arena_bytes) / 1e6,
              static_cast<double>(report.state_bytes) / 1e3);
  for (const LayerReport& l : report.layers)
    std::printf("  %-32s %-16s %-28s %8.1f us\n", l.name.c_str(), l.op.c_str(), l.kernel.c_str(),
                l.time_us);
  return kExitOk;
}

}  // namespace

void add_inspect(CLI::App& app, Chosen& chosen) {
  auto path = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  CLI::App* sub = app.add_subcommand("inspect", "What a plan file holds");
  sub->add_option("plan", *path, "A plan file")->required();
  sub->add_flag("--json", *json, "For programs");
  sub->footer("Example:\n  antiphon inspect plans/vocoder.plan");
  sub->callback([&chosen, path, json] { chosen = [=] { return run(*path, *json); }; });
}

}  // namespace antiphon::cli
