// The façade: passes, plan, files and teams wired to the CPU back end.
#include "engine/engine.h"

#include "engine/build_graph.h"
#include "engine/ir/schema.h"
#include "engine/kernels/cpu/backend.h"
#include "engine/kernels/cpu/team.h"
#include "engine/passes/pipeline.h"
#include "engine/plan/compile.h"
#include "engine/plan/plan_file.h"
#include "engine/plugin/plugin_set.h"
#include "engine/runtime/thread_team.h"

namespace antiphon {
namespace {

#ifdef NDEBUG
constexpr bool kVerifyPasses = false;  // once at the end, by the plan
#else
constexpr bool kVerifyPasses = true;
#endif

Result<Isa> wanted_isa(std::string_view max_isa) {
  const Isa most = detect_isa();
  if (max_isa.empty()) return most;
  ANTIPHON_ASSIGN_OR_RETURN(const Isa cap, parse_isa(max_isa));
  return std::min(cap, most);
}

// The CPU's table, behind what the plug-ins bring. `kernels` owns the table.
Backend backend_with(const PluginSet* plugins, std::vector<const Kernel*>& kernels) {
  if (!plugins) return cpu_backend();
  kernels = static_cast<const PluginSetImpl*>(plugins)->before(cpu_backend().kernels);
  return {cpu_backend().name, kernels};
}

}  // namespace

Result<std::shared_ptr<const Plan>> build(const Network& network, const BuildOptions& options) {
  ANTIPHON_RETURN_IF_ERROR(network.status());
  return build_graph(network.graph().clone(), options);
}

Result<std::shared_ptr<const Plan>> build_graph(ir::Graph graph, const BuildOptions& options) {
  plan::PlanData data;
  data.graph = std::move(graph);
  data.profile = options.profile;
  data.precision = options.precision;
  data.keeps = options.plugins;
  data.num_threads = options.num_threads;
  ANTIPHON_ASSIGN_OR_RETURN(data.isa, wanted_isa(options.max_isa));
  if (Status s = ir::verify(data.graph); !s.ok()) return s;
  data.network_hash = plan::hash_of(data.graph);
  ANTIPHON_ASSIGN_OR_RETURN(
      passes::PassReport report,
      passes::run_passes(data.graph, {.expand_int8 = options.precision == Precision::kF32,
                                      .verify = kVerifyPasses,
                                      .dump_dir = options.dump_dir}));
  data.report.nodes_before = report.nodes_before;
  data.report.passes = std::move(report.passes);

  plan::TimingCache cache;
  std::unique_ptr<Team> team;
  plan::SelectOptions select{.tune = options.tune, .cache = &cache, .team = nullptr};
  if (options.tune) {
    if (!options.timing_cache.empty()) {
      ANTIPHON_ASSIGN_OR_RETURN(cache, plan::TimingCache::load(options.timing_cache));
    }
    team = make_team(options.num_threads, false);
    select.team = team.get();
  }
  std::vector<const Kernel*> kernels;
  const Backend backend = backend_with(options.plugins.get(), kernels);
  ANTIPHON_ASSIGN_OR_RETURN(auto plan, plan::compile(backend, select, std::move(data)));
  if (options.tune && !options.timing_cache.empty())
    ANTIPHON_RETURN_IF_ERROR(cache.save(options.timing_cache));
  return plan;
}

Result<std::shared_ptr<const Plan>> Plan::load(const std::string& path, std::string_view max_isa,
                                               std::shared_ptr<const PluginSet> plugins) {
  ANTIPHON_ASSIGN_OR_RETURN(const Isa most, wanted_isa(max_isa));
  std::vector<const Kernel*> kernels;
  const Backend backend = backend_with(plugins.get(), kernels);
  const auto bind = [&](ir::Graph& graph) -> Status {
    return plugins ? static_cast<const PluginSetImpl&>(*plugins).bind(graph) : Status();
  };
  return plan::read_plan(path, backend, most, {plugins, bind});
}

Result<std::unique_ptr<ThreadTeam>> ThreadTeam::create(int num_threads, bool pin) {
  if (num_threads < 1 || num_threads > 256)
    return invalid_argument("thread team: num_threads is " + std::to_string(num_threads) +
                            ", wanted 1 to 256");
  return std::unique_ptr<ThreadTeam>(
      std::make_unique<runtime::ThreadTeamImpl>(make_team(num_threads, pin)));
}

}  // namespace antiphon
