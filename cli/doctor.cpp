// antiphon doctor: is this machine ready, and if not, what to do.
#include <algorithm>
#include <chrono>

#include "cli/command.h"
#include "cli/pack_table.h"
#include "engine/machine.h"
#include "server/server.h"

namespace antiphon::cli {
namespace {

struct Options {
  ModelOptions models;
  std::string config_path;
  int port = -1;
  bool json = false;
};

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

std::string text_of(double value, const char* unit) {
  char out[48];
  std::snprintf(out, sizeof(out), "%.2f %s", value, unit);
  return out;
}

// What was checked, and for each failure what to do.
class Report {
 public:
  void ok(const char* check, const std::string& detail) { add(check, true, detail, ""); }
  void failed(const char* check, const std::string& why, const std::string& to_do) {
    add(check, false, why, to_do);
    all_ok_ = false;
  }
  int print(bool json) const {
    if (json) {
      std::printf("%s\n", write_json(checks_).c_str());
    } else {
      for (const auto& c : checks_) {
        std::printf("%-4s %-14s %s\n", c["ok"].get<bool>() ? "ok" : "FAIL",
                    c["check"].get<std::string>().c_str(), c["detail"].get<std::string>().c_str());
        if (c.contains("do"))
          std::printf("     %-14s -> %s\n", "", c["do"].get<std::string>().c_str());
      }
    }
    return all_ok_ ? kExitOk : kExitFailure;
  }

 private:
  void add(const char* check, bool good, const std::string& detail, const std::string& to_do) {
    checks_.push_back({{"check", check}, {"ok", good}, {"detail", detail}});
    if (!to_do.empty()) checks_.back()["do"] = to_do;
  }
  nlohmann::json checks_ = nlohmann::json::array();
  bool all_ok_ = true;
};

void check_cpu(const std::string& max_isa, Report& report) {
  report.ok("cpu", machine_name() + ", " + *isa_under(max_isa));  // the option was checked
}

void check_packs(const std::string& folder, Report& report) {
  const auto packs = read_packs(folder);
  if (!packs.ok())
    return report.failed("packs", packs.status().message(),
                         "clone the repository, which holds them, or set ANTIPHON_MODELS");
  std::string names, faults;
  for (const PackInfo& pack : *packs) {
    names += (names.empty() ? "" : ", ") + pack.name;
    for (const std::string& fault : pack.faults) faults += (faults.empty() ? "" : "; ") + fault;
  }
  for (const char* wanted : {"asr-en", "nlu-en", "tts-en", "vad", "vocoder-en"}) {
    if (std::none_of(packs->begin(), packs->end(),
                     [&](const PackInfo& p) { return p.name == wanted; }))
      faults += std::string(faults.empty() ? "" : "; ") + wanted + " is missing";
  }
  if (!faults.empty())
    return report.failed("packs", folder + ": " + faults,
                         "get the folder anew: git checkout -- models, or clone again");
  report.ok("packs", folder + ": " + names);
}

// Each stage alone, on its own pack: one that is missing does not hide the others.
void check_stages(const ModelOptions& models, Report& report) {
  const char* to_do = "check the packs above; antiphon models lists them";
  if (const auto a = Assistant::create(models.config(Stage::kRecognize)); !a.ok()) {
    report.failed("recognition", a.status().message(), to_do);
  } else {
    const auto begin = std::chrono::steady_clock::now();
    const auto heard = (*a)->transcribe(std::vector<float>(32000, 0.0f), 16000);
    if (heard.ok())
      report.ok("recognition", "2 s of silence took " + text_of(seconds_since(begin), "s"));
    else
      report.failed("recognition", heard.status().message(), to_do);
  }
  if (const auto a = Assistant::create(models.config(Stage::kUnderstand)); !a.ok()) {
    report.failed("understanding", a.status().message(), to_do);
  } else {
    const auto begin = std::chrono::steady_clock::now();
    const auto got = (*a)->understand("what can you do for me");
    if (got.ok())
      report.ok("understanding", "a question took " + text_of(1e3 * seconds_since(begin), "ms"));
    else
      report.failed("understanding", got.status().message(), to_do);
  }
  if (const auto a = Assistant::create(models.config(Stage::kSynthesize)); !a.ok()) {
    report.failed("synthesis", a.status().message(), to_do);
  } else {
    const auto begin = std::chrono::steady_clock::now();
    const auto said = (*a)->synthesize("Everything is ready to speak.");
    if (!said.ok()) return report.failed("synthesis", said.status().message(), to_do);
    const double took_s = seconds_since(begin);
    const double spoken_s = static_cast<double>(said->samples.size()) / said->rate_hz;
    const std::string detail = text_of(spoken_s, "s of speech took ") + text_of(took_s, "s");
    if (took_s < spoken_s)
      report.ok("synthesis", detail);
    else
      report.failed(
          "synthesis", detail + ": slower than it is heard",
          "stop what else keeps the cores busy; else more --threads, --precision int8, AVX2");
  }
}

void check_server(const Options& options, Report& report) {
  server::ServerConfig config;
  if (!options.config_path.empty()) {
    const auto read = server::read_server_config(options.config_path);
    if (!read.ok())
      return report.failed("server.toml", read.status().message(),
                           "docs/user-guide.md lists every key");
    config = *read;
    report.ok("server.toml", options.config_path);
  }
  if (options.port >= 0) config.port = options.port;
  if (const Status free = server::check_port(config); !free.ok())
    return report.failed("port", free.message(), "stop what listens there, or choose another port");
  report.ok("port", config.address + ":" + std::to_string(config.port) + " is free");
}

int run(const Options& options) {
  Report report;
  check_cpu(options.models.max_isa, report);
  check_packs(options.models.models_dir, report);
  check_stages(options.models, report);
  check_server(options, report);
  return report.print(options.json);
}

}  // namespace

void add_doctor(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("doctor", "Is this machine ready, and if not, what to do");
  sub->add_option("--config", options->config_path, "The server.toml that serve will use");
  sub->add_option("--port", options->port, "The one that serve will use; default 8080")
      ->check(CLI::Range(0, 65535));
  sub->add_flag("--json", options->json, "For programs");
  options->models.add_to(*sub);
  sub->footer("Example:\n  antiphon doctor --port 8080");
  sub->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
}

}  // namespace antiphon::cli
