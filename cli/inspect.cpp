// antiphon inspect: what a plan file holds, or what an ONNX model becomes.
#include "antiphon/plan_json.h"
#include "cli/network_options.h"

namespace antiphon::cli {
namespace {

struct Options {
  NetworkOptions network;
  bool json = false, operators = false;
};

Result<std::shared_ptr<const Plan>> plan_of(const NetworkOptions& options) {
  ANTIPHON_ASSIGN_OR_RETURN(const auto plugins, options.plugins());
  if (!is_onnx_path(options.path)) return Plan::load(options.path, {}, plugins);
  ANTIPHON_ASSIGN_OR_RETURN(const OnnxOptions import, options.import_options());
  ANTIPHON_ASSIGN_OR_RETURN(const OnnxNetwork network, import_onnx(options.path, import));
  ANTIPHON_ASSIGN_OR_RETURN(BuildOptions build_with, options.build_options());
  // Extents that are not given are 1: enough to see the layers.
  for (const TensorSpec& spec : network.inputs())
    for (const Dim& dim : spec.shape)
      if (!dim.is_static()) build_with.profile.try_emplace(dim.symbol, DimRange{1, 1, 1});
  return build(network, build_with);
}

int list_operators() {
  for (const std::string& name : onnx_operators()) std::printf("%s\n", name.c_str());
  return kExitOk;
}

int run(const Options& options) {
  if (options.operators) return list_operators();
  if (options.network.path.empty())
    return fail(invalid_argument("inspect: wanted a plan file, MODEL.onnx or --operators"));
  const auto plan = plan_of(options.network);
  if (!plan.ok()) return fail(plan.status());
  if (options.json) {
    std::printf("%s\n", plan_json(**plan).c_str());
    return kExitOk;
  }
  print_plan(**plan);
  for (const LayerReport& l : (*plan)->report().layers)
    std::printf("  %-32s %-16s %-28s %8.1f us\n", l.name.c_str(), l.op.c_str(), l.kernel.c_str(),
                l.time_us);
  return kExitOk;
}

}  // namespace

void add_inspect(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("inspect", "What a plan file or an ONNX model holds");
  sub->add_option("plan", options->network.path, "A plan file, or MODEL.onnx");
  sub->add_flag("--operators", options->operators, "List the ONNX operators that are imported");
  sub->add_flag("--json", options->json, "For programs");
  options->network.add_to(*sub);
  sub->footer("Example:\n  antiphon inspect plans/vocoder.plan");
  sub->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
}

}  // namespace antiphon::cli
