// The façade: passes, plan, files and teams wired to the CPU back end.
#include "engine/engine.h"

#include <algorithm>
#include <ranges>

#include "engine/build_graph.h"
#include "engine/calibrate/place.h"
#include "engine/ir/schema.h"
#include "engine/kernels/cpu/backend.h"
#include "engine/kernels/cpu/gemm_u8.h"
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
  if (max_isa.empty()) return detect_isa();
  ANTIPHON_ASSIGN_OR_RETURN(const Isa cap, parse_isa(max_isa));
  return highest_under(cap);
}

// The CPU's table, behind what the plug-ins bring. `kernels` owns the table.
Backend backend_with(const PluginSet* plugins, std::vector<const Kernel*>& kernels) {
  if (!plugins) return cpu_backend();
  kernels = static_cast<const PluginSetImpl*>(plugins)->before(cpu_backend().kernels);
  return {cpu_backend().name, kernels};
}

// The layers that change.
Result<int> quantize(ir::Graph& graph, const BuildOptions& options, Isa isa) {
  if (!options.calibration) return 0;
  if (options.precision != Precision::kInt8)
    return invalid_argument("build: ranges are given for precision f32, wanted int8");
  return calibration::place(graph, *options.calibration, u8_levels(isa));
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
  const int nodes_given = passes::count_nodes(data.graph);
  ANTIPHON_ASSIGN_OR_RETURN(const int quantized, quantize(data.graph, options, data.isa));
  data.network_hash = plan::hash_of(data.graph);
  ANTIPHON_ASSIGN_OR_RETURN(
      passes::PassReport report,
      passes::run_passes(data.graph, {.expand_int8 = options.precision == Precision::kF32,
                                      .verify = kVerifyPasses,
                                      .dump_dir = options.dump_dir}));
  data.report.nodes_before = report.nodes_before;
  data.report.passes = std::move(report.passes);
  data.report.effects = std::move(report.effects);
  if (quantized > 0) {
    data.report.passes.insert(data.report.passes.begin(), "quantize: " + std::to_string(quantized));
    data.report.effects.insert(data.report.effects.begin(),
                               {"quantize", quantized, nodes_given, report.nodes_before});
  }

  data.tuned = options.tune;
  plan::TimingCache cache;
  std::unique_ptr<Team> team;
  plan::SelectOptions select{.tune = options.tune,
                             .cache = &cache,
                             .team = nullptr,
                             .allow_coarse = options.u8_activations};
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
  const PluginSetImpl none;  // says what is missing
  const auto bind = [&](ir::Graph& graph) -> Status {
    return (plugins ? static_cast<const PluginSetImpl&>(*plugins) : none).bind(graph);
  };
  ANTIPHON_ASSIGN_OR_RETURN(auto plan, plan::read_plan(path, backend, most, {plugins, bind}));
  ANTIPHON_ASSIGN_OR_RETURN(const Isa made_for, parse_isa(plan->report().isa));
  if (!supports(made_for))  // which a machine of a higher level may lack
    return invalid_argument(path + ": isa: is " + plan->report().isa +
                            ", which this machine lacks; build the plan again");
  return plan;
}

namespace {

// The first field in which the plan is not what building it now would give; empty: none.
std::string misfit(const plan::PlanData& data, const Network& network, const BuildOptions& options,
                   Isa isa) {
  if (data.precision != options.precision) return "precision";
  if (data.num_threads != options.num_threads) return "threads";
  if (data.isa != isa) return "isa";
  if (options.tune && !data.tuned) return "tuned";
  const auto same_range = [](const auto& a, const auto& b) {
    return a.first == b.first && a.second.min == b.second.min && a.second.opt == b.second.opt &&
           a.second.max == b.second.max;
  };
  if (!std::ranges::equal(data.profile, options.profile, same_range)) return "profile";
  if (!options.u8_activations)
    for (const plan::Step& step : data.steps)
      for (const plan::Candidate& candidate : step.candidates)
        if (candidate.kernel->coarse) return "kernels";
  ir::Graph graph = network.graph().clone();
  if (!quantize(graph, options, isa).ok()) return "ranges";  // the build says what is wrong
  return data.network_hash == plan::hash_of(graph) ? "" : "network hash";
}

}  // namespace

Result<std::shared_ptr<const Plan>> load_or_build(const Network& network,
                                                  const BuildOptions& options,
                                                  const std::string& path) {
  ANTIPHON_RETURN_IF_ERROR(network.status());
  if (path.empty()) return build(network, options);
  ANTIPHON_ASSIGN_OR_RETURN(const Isa isa, wanted_isa(options.max_isa));
  const auto tell = [&](LogLevel level, const std::string& message) {
    if (options.logger) options.logger->log(level, "engine", message);
  };
  const auto loaded = Plan::load(path, options.max_isa, options.plugins);
  if (loaded.ok()) {
    const auto& data = static_cast<const plan::PlanImpl&>(**loaded).data();
    const std::string field = misfit(data, network, options, isa);
    if (field.empty()) return loaded;
    tell(LogLevel::kInfo, path + ": " + field + " differs: the plan is built again");
  } else if (loaded.status().code() != StatusCode::kNotFound) {
    tell(LogLevel::kInfo, loaded.status().message() + ": the plan is built again");
  }
  ANTIPHON_ASSIGN_OR_RETURN(std::shared_ptr<const Plan> plan, build(network, options));
  if (const Status saved = plan->save(path); !saved.ok()) tell(LogLevel::kWarning, saved.message());
  return plan;
}

Result<std::shared_ptr<const Plan>> load_or_build(const Network& network, BuildOptions options,
                                                  const PlanFolder& folder,
                                                  const std::string& name) {
  options.tune = folder.tune;
  if (folder.dir.empty()) return load_or_build(network, options, "");
  if (folder.tune) options.timing_cache = folder.dir + "/times.txt";
  return load_or_build(network, options, folder.dir + "/" + name + ".plan");
}

Status cap_isa(std::string_view max_isa) {
  if (max_isa.empty()) return {};
  ANTIPHON_ASSIGN_OR_RETURN(const Isa isa, parse_isa(max_isa));
  return cap_onednn(isa);
}

Result<std::unique_ptr<ThreadTeam>> ThreadTeam::create(int num_threads, bool pin) {
  if (num_threads < 1 || num_threads > 256)
    return invalid_argument("thread team: num_threads is " + std::to_string(num_threads) +
                            ", wanted 1 to 256");
  return std::unique_ptr<ThreadTeam>(
      std::make_unique<runtime::ThreadTeamImpl>(make_team(num_threads, pin)));
}

}  // namespace antiphon
