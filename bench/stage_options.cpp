// Options of the stages' benchmarks and the comparison with a peer.
#include "bench/stage_options.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "bench/child.h"

namespace antiphon::bench {

std::optional<int> StageOptions::parse(const char* about, int argc, char** argv,
                                       std::string* assistant) {
  CLI::App app(about);
  app.add_option("--models", models, "Folder of the model packs")->capture_default_str();
  app.add_option("--questions", questions, "Table of recordings")->capture_default_str();
  app.add_option("--threads", threads, "Sizes of the team")->delimiter(',')->capture_default_str();
  app.add_option("--precision", precisions, "f32, int8")
      ->delimiter(',')
      ->check(CLI::IsMember({"f32", "int8"}))
      ->capture_default_str();
  app.add_option("--python", python, "Of the peer")->capture_default_str();
  app.add_flag("--no-peer", no_peer);
  if (assistant)
    app.add_option("--assistant", *assistant, "assistant.toml; empty: the trained intents alone")
        ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  const char* cap = std::getenv("ANTIPHON_MAX_ISA");
  isa_cap = cap == nullptr ? "" : cap;
  return std::nullopt;
}

nlohmann::json Setting::line(const std::string& name, const char* unit) const {
  return {{"case", name}, {"unit", unit}, {"precision", precision_name}, {"threads", threads}};
}

std::string Setting::key(const std::string& name) const {
  return name + "/" + precision_name + "/" + std::to_string(threads);
}

Status for_each_setting(const StageOptions& options,
                        const std::function<Status(const Setting&)>& measure) {
  for (const int threads : options.threads) {
    ANTIPHON_ASSIGN_OR_RETURN(std::shared_ptr<ThreadTeam> team, ThreadTeam::create(threads));
    for (const std::string& name : options.precisions) {
      const Precision precision = name == "f32" ? Precision::kF32 : Precision::kInt8;
      ANTIPHON_RETURN_IF_ERROR(measure({precision, name, team, threads}));
    }
  }
  return {};
}

void compare_with_peer(Report& report, const StageOptions& options,
                       std::vector<std::string> arguments, const Figures& ours) {
  if (options.no_peer) return;
  std::string threads;
  for (const int n : options.threads) threads += (threads.empty() ? "" : ",") + std::to_string(n);
  arguments.insert(arguments.begin(), {options.python, options.peer, "--threads", threads});
  const auto lines = run_peer(arguments);
  if (!lines.ok()) {
    std::fprintf(stderr, "the peer is left out: %s\n", lines.status().to_string().c_str());
    return;
  }
  for (nlohmann::json line : *lines) {
    const std::string key = line.value("case", "") + "/" + line.value("precision", "") + "/" +
                            std::to_string(line.value("threads", 0));
    const double peer_ms = line.value("peer_ms", 0.0);
    if (const auto found = ours.find(key); found != ours.end() && peer_ms > 0) {
      line["ours_ms"] = rounded(found->second);
      line["ratio"] = rounded(peer_ms / found->second);
    }
    line["isa"] = report.isa() + ", peer uncapped";
    report.add(std::move(line));
  }
}

double now_ms() {
  return std::chrono::duration<double, std::milli>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace antiphon::bench
