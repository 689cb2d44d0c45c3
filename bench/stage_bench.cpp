// The frame of the stages' benchmarks and the comparison with a peer.
#include "bench/stage_bench.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "bench/child.h"

namespace antiphon::bench {

nlohmann::json Setting::line(const std::string& name, const char* unit) const {
  return {{"case", name}, {"unit", unit}, {"precision", precision_name}, {"threads", threads}};
}

std::string Setting::key(const std::string& name) const {
  return name + "/" + precision_name + "/" + std::to_string(threads);
}

namespace {

void add_options(CLI::App& app, const StageBench& bench, StageOptions& options) {
  app.add_option("--models", options.models, "Folder of the model packs")->capture_default_str();
  app.add_option("--questions", options.questions, "Table of recordings")->capture_default_str();
  app.add_option("--threads", options.threads, "Sizes of the team")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--precision", options.precisions, "f32, int8")
      ->delimiter(',')
      ->check(CLI::IsMember({"f32", "int8"}))
      ->capture_default_str();
  app.add_option("--python", options.python, "Of the peer")->capture_default_str();
  app.add_flag("--no-peer", options.no_peer);
  if (bench.takes_assistant)
    app.add_option("--assistant", options.assistant,
                   "assistant.toml; empty: the trained intents alone")
        ->capture_default_str();
}

// The first error ends it.
Status measure_all(const StageBench& bench, const StageOptions& options, Report& report,
                   Figures& ours) {
  ANTIPHON_ASSIGN_OR_RETURN(const std::vector<Question> questions,
                            read_questions(options.questions));
  for (const int threads : options.threads) {
    ANTIPHON_ASSIGN_OR_RETURN(std::shared_ptr<ThreadTeam> team, ThreadTeam::create(threads));
    for (const std::string& name : options.precisions) {
      const Precision precision = name == "f32" ? Precision::kF32 : Precision::kInt8;
      ANTIPHON_RETURN_IF_ERROR(
          bench.measure(options, questions, {precision, name, team, threads}, report, ours));
    }
  }
  return {};
}

void compare_with_peer(const StageBench& bench, const StageOptions& options, const Figures& ours,
                       Report& report) {
  std::vector<std::string> arguments = bench.peer_arguments(options);
  std::string threads;
  for (const int n : options.threads) threads += (threads.empty() ? "" : ",") + std::to_string(n);
  arguments.insert(arguments.begin(), {options.python, bench.peer, "--threads", threads});
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

}  // namespace

int stage_main(const StageBench& bench, int argc, char** argv) {
  StageOptions options;
  CLI::App app(bench.about);
  add_options(app, bench, options);
  CLI11_PARSE(app, argc, argv);
  if (const char* cap = std::getenv("ANTIPHON_MAX_ISA")) options.isa_cap = cap;
  Report report(bench.name, options.isa_cap);
  Figures ours;
  if (const Status status = measure_all(bench, options, report, ours); !status.ok()) {
    std::fprintf(stderr, "%s: %s\n", bench.about, status.to_string().c_str());
    return 1;
  }
  if (!options.no_peer) compare_with_peer(bench, options, ours, report);
  report.print_table();
  return 0;
}

double now_ms() {
  return std::chrono::duration<double, std::milli>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace antiphon::bench
