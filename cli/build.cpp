// antiphon build: the plan of an ONNX model, or of each network of a folder of packs.
#include <filesystem>

#include "cli/network_options.h"
#include "cli/stderr_logger.h"

namespace antiphon::cli {
namespace {

struct Options {
  ModelOptions models;
  NetworkOptions network;
  std::string output;
  bool json = false;
  const CLI::Option* precision = nullptr;  // --precision
};

int build_model(const Options& options) {
  NetworkOptions network = options.network;
  network.threads = options.models.threads;
  network.max_isa = options.models.max_isa;
  if (network.precision.empty() && options.precision->count() > 0)
    network.precision = options.models.precision;
  if (options.output.empty())
    return fail(invalid_argument("build: wanted --output PLAN for the plan of " + network.path));
  return build_onnx(network, options.output, options.json);
}

int run(const Options& options) {
  if (!options.network.path.empty()) return build_model(options);
  if (options.models.plan_dir.empty())
    return fail(invalid_argument("build: wanted MODEL.onnx, or --plans FOLDER for the packs"));
  StderrLogger logger;  // says which stage is done, and how long it took
  AssistantConfig config = options.models.config();
  config.logger = &logger;
  config.tune = true;
  const auto assistant = Assistant::create(config);
  if (!assistant.ok()) return fail(assistant.status());
  std::error_code error;
  nlohmann::json plans = nlohmann::json::array();
  for (const auto& file : std::filesystem::directory_iterator(options.models.plan_dir, error))
    if (file.path().extension() == ".plan")
      plans.push_back({{"plan", file.path().string()}, {"bytes", file.file_size()}});
  if (options.json) {
    std::printf("%s\n", write_json(plans).c_str());
    return kExitOk;
  }
  for (const auto& plan : plans)
    std::printf("%s  %.2f MB\n", plan["plan"].get<std::string>().c_str(),
                plan["bytes"].get<double>() / 1e6);
  return kExitOk;
}

}  // namespace

void add_build(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* sub =
      app.add_subcommand("build", "Make the plan of an ONNX model, or those of the packs");
  sub->add_option("model", options->network.path, "MODEL.onnx; left out: the packs of --models");
  sub->add_option("--output", options->output, "File that gets the model's plan");
  sub->add_flag("--json", options->json, "For programs");
  options->models.add_to(*sub);
  options->network.add_to(*sub);
  options->precision = sub->get_option("--precision");
  sub->footer(
      "Example:\n  antiphon build model.onnx --profile T=1:64:256 --output model.plan\n"
      "  antiphon build model.onnx --ranges model.ranges --tune --output model.plan\n"
      "  antiphon build --models models --plans ~/.cache/antiphon");
  sub->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
}

}  // namespace antiphon::cli
