// antiphon build: the plans of a folder of packs, made once so that later starts load them.
#include <filesystem>

#include "cli/command.h"
#include "cli/stderr_logger.h"

namespace antiphon::cli {
namespace {

struct Options {
  ModelOptions models;
  bool json = false;
};

int run(const Options& options) {
  StderrLogger logger;  // says which stage is done, and how long it took
  AssistantConfig config = options.models.config();
  config.logger = &logger;
  const auto assistant = Assistant::create(config);
  if (!assistant.ok()) return fail(assistant.status());
  std::error_code error;
  nlohmann::json plans = nlohmann::json::array();
  for (const auto& file : std::filesystem::directory_iterator(options.models.plan_dir, error))
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
  CLI::App* sub = app.add_subcommand("build", "Make the plans of the packs for this machine");
  sub->add_flag("--json", options->json, "For programs");
  options->models.add_to(*sub);
  sub->get_option("--plans")->required();
  sub->footer("Example:\n  antiphon build --models models --plans ~/.cache/antiphon");
  sub->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
}

}  // namespace antiphon::cli
