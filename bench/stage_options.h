// What the benchmarks of single stages share: options, repetitions, and the peer's lines.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/report.h"
#include "engine/engine.h"

namespace antiphon::bench {

struct StageOptions {
  std::string models = "models";
  std::string questions = ANTIPHON_SOURCE_DIR "/bench/recordings/questions.tsv";
  std::vector<int> threads = {1, 2};
  std::vector<std::string> precisions = {"f32", "int8"};
  std::string python = "python3", peer;
  bool no_peer = false;
  std::string isa_cap;  // of ANTIPHON_MAX_ISA

  // Reads them, and `assistant` where it is not null. Returns the exit code if the program is to
  // end.
  std::optional<int> parse(const char* about, int argc, char** argv,
                           std::string* assistant = nullptr);
};

// One setting of a stage that is measured.
struct Setting {
  Precision precision = Precision::kInt8;
  std::string precision_name;
  std::shared_ptr<ThreadTeam> team;
  int threads = 1;

  // Fields of a line: case, unit, precision, threads.
  nlohmann::json line(const std::string& name, const char* unit) const;
  // Under which ours and the peer's figures are compared.
  std::string key(const std::string& name) const;
};

// Our figures by Setting::key().
using Figures = std::map<std::string, double>;

// Calls `measure` for every combination. The first error ends it.
Status for_each_setting(const StageOptions& options,
                        const std::function<Status(const Setting&)>& measure);

// Runs the peer's script with `arguments` and adds a line for each of its figures: those of the
// same case, precision and number of threads beside ours.
void compare_with_peer(Report& report, const StageOptions& options,
                       std::vector<std::string> arguments, const Figures& ours);

double now_ms();

}  // namespace antiphon::bench
