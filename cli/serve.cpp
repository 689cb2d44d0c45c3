// antiphon serve: the server, until SIGTERM or SIGINT.
#include <signal.h>

#include "cli/command.h"
#include "cli/stderr_logger.h"
#include "engine/engine.h"
#include "server/server.h"
#include "server/server_config.h"

namespace antiphon::cli {
namespace {

struct Options {
  std::string config_path, address, models_dir, assistant_path, precision, plan_dir, max_isa;
  int port = -1, threads = -1;
  bool json = false, think_ahead = true;
};

Result<server::ServerConfig> read_config(const Options& options) {
  server::ServerConfig config;
  config.models_dir = default_models_dir();
  if (!options.config_path.empty()) {
    ANTIPHON_ASSIGN_OR_RETURN(config, server::read_server_config(options.config_path, config));
  }
  if (options.port >= 0) config.port = options.port;
  if (!options.address.empty()) config.address = options.address;
  if (!options.models_dir.empty()) config.models_dir = options.models_dir;
  if (!options.assistant_path.empty()) config.assistant_path = options.assistant_path;
  if (!options.precision.empty()) config.precision = options.precision;
  if (!options.plan_dir.empty()) config.plan_dir = options.plan_dir;
  if (!options.max_isa.empty()) config.max_isa = options.max_isa;
  if (options.threads >= 0) config.threads = options.threads;
  if (!options.think_ahead) config.think_ahead = false;
  return config;
}

// The first run of every network prepares it and allocates: not while somebody waits for it.
Status warm_up(Assistant& assistant) {
  RecognizerOptions whole;
  whole.endpointing = false;  // else silence does not get as far as the acoustic network
  ANTIPHON_RETURN_IF_ERROR(
      assistant.transcribe(std::vector<float>(16000, 0.0f), 16000, whole).status());
  ANTIPHON_RETURN_IF_ERROR(assistant.understand("what can you do for me").status());
  return assistant.synthesize("I am ready, what can I do for you?").status();
}

int run(const Options& options) {
  const auto config = read_config(options);
  if (!config.ok()) return fail(config.status());
  if (options.max_isa.empty())  // else the option has done it
    if (const Status capped = cap_isa(config->max_isa); !capped.ok()) return fail(capped);
  // Before the first thread: all of them inherit it, and only sigwait() below takes the signals.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  StderrLogger logger;
  AssistantConfig models;
  models.models_dir = config->models_dir;
  models.assistant_path = config->assistant_path;
  models.f32 = config->precision == "f32";
  models.threads = config->threads;
  models.max_sessions = config->max_sessions;
  models.plan_dir = config->plan_dir;
  models.max_isa = config->max_isa;
  models.logger = &logger;
  const auto assistant = Assistant::create(models);
  if (!assistant.ok()) return fail(assistant.status());
  if (const Status warm = warm_up(**assistant); !warm.ok())
    return fail(warm.with_context("the first run of the models"));
  auto server = server::Server::start(*config, **assistant, logger);
  if (!server.ok()) return fail(server.status());
  const std::string url =
      "ws://" + config->address + ":" + std::to_string((*server)->port()) + "/v1/converse";
  if (options.json)
    std::printf("%s\n",
                write_json({{"listening", url}, {"models", (*assistant)->models()}}).c_str());
  else
    std::printf("listening on %s\n", url.c_str());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  logger.log(LogLevel::kInfo, "server", "shutting down: open turns are finished");
  (*server)->stop();
  return kExitOk;
}

}  // namespace

void add_serve(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("serve", "The server, until SIGTERM");
  sub->add_option("--config", options->config_path, "server.toml");
  sub->add_option("--port", options->port, "0: any free one")->check(CLI::Range(0, 65535));
  sub->add_option("--address", options->address, "Default: 127.0.0.1");
  add_models_option(*sub, options->models_dir);
  sub->add_option("--assistant", options->assistant_path, "assistant.toml: your own intents");
  sub->add_option("--precision", options->precision, "Of the weights")
      ->check(CLI::IsMember({"int8", "f32"}));
  sub->add_option("--threads", options->threads, "Of the models; 0: one a core, at most 2")
      ->check(CLI::Range(0, 256));
  sub->add_option("--plans", options->plan_dir, "Folder that keeps built plans between starts");
  add_max_isa_option(*sub, options->max_isa);
  sub->add_flag("!--no-think-ahead", options->think_ahead,
                "Begin no answer before the end of the turn is sure");
  sub->add_flag("--json", options->json, "Say as JSON where it listens");
  sub->footer("Example:\n  antiphon serve --port 8080 --assistant models/assistants/coffee.toml");
  sub->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
}

}  // namespace antiphon::cli
