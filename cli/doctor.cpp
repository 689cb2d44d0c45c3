// antiphon doctor: is this machine ready, and if not, what to do.
#include <thread>

#include "cli/command.h"
#include "cli/stderr_logger.h"
#include "server/server.h"

namespace antiphon::cli {
namespace {

struct Options {
  ModelOptions models;
  int port = 8080;
  bool json = false;
};

std::string simd() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512vnni")) return "avx512_vnni";
  if (__builtin_cpu_supports("avx2")) return "avx2";
#endif
  return "portable";
}

int run(const Options& options) {
  nlohmann::json checks = nlohmann::json::array();
  bool all_ok = true;
  const auto report = [&](const char* what, const Status& status, const std::string& detail) {
    all_ok = all_ok && status.ok();
    checks.push_back({{"check", what},
                      {"ok", status.ok()},
                      {"detail", status.ok() ? detail : status.message()}});
  };
  report("cpu", {}, std::to_string(std::thread::hardware_concurrency()) + " cores, " + simd());
  const auto assistant = Assistant::create(options.models.config());
  report("models", assistant.status(), options.models.models_dir);
  if (assistant.ok()) {
    const auto heard = (*assistant)->transcribe(std::vector<float>(16000, 0.0f), 16000);
    report("recognition", heard.status(), "a second of silence");
    const auto said = (*assistant)->synthesize("Ready.");
    report("synthesis", said.status(),
           said.ok() ? std::to_string(said->samples.size()) + " samples" : "");
    StderrLogger logger;
    server::ServerConfig config;
    config.port = options.port;
    const auto server = server::Server::start(config, **assistant, logger);
    report("port", server.status(), std::to_string(options.port) + " is free");
  }
  if (options.json) std::printf("%s\n", write_json(checks).c_str());
  for (const auto& check : checks) {
    if (options.json) break;
    std::printf("%-4s %-12s %s\n", check["ok"].get<bool>() ? "ok" : "FAIL",
                check["check"].get<std::string>().c_str(),
                check["detail"].get<std::string>().c_str());
  }
  return all_ok ? kExitOk : kExitFailure;
}

}  // namespace

void add_doctor(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("doctor", "Is this machine ready?");
  sub->add_option("--port", options->port, "The one that serve will use")->capture_default_str();
  sub->add_flag("--json", options->json, "For programs");
  options->models.add_to(*sub);
  sub->footer("Example:\n  antiphon doctor --port 8080");
  sub->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
}

}  // namespace antiphon::cli
