// What the benchmarks of single stages share: their main, options, repetitions, the peer's lines.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bench/recordings.h"
#include "bench/report.h"
#include "engine/engine.h"

namespace antiphon::bench {

struct StageOptions {
  std::string models = "models";
  std::string questions = ANTIPHON_SOURCE_DIR "/bench/recordings/questions.tsv";
  std::vector<int> threads = {1, 2};
  std::vector<std::string> precisions = {"f32", "int8"};
  std::string assistant = ANTIPHON_SOURCE_DIR "/models/assistants/coffee.toml";
  std::string python = "python3";
  bool no_peer = false;
  std::string isa_cap;  // of ANTIPHON_MAX_ISA
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

// In what the benchmarks differ.
struct StageBench {
  const char* name;   // of the lines: "asr"
  const char* about;  // for --help
  bool takes_assistant = false;
  std::string peer;  // its script
  // Adds the lines of one setting to the report, and to `ours` what the peer is compared with.
  std::function<Status(const StageOptions&, const std::vector<Question>&, const Setting&, Report&,
                       Figures& ours)>
      measure;
  // Beside --threads. After the last measure().
  std::function<std::vector<std::string>(const StageOptions&)> peer_arguments;
};

// Measures every combination of threads and precisions, then runs the peer: each of its figures is
// a line, those of the same case, precision and number of threads beside ours.
int stage_main(const StageBench& bench, int argc, char** argv);

double now_ms();

}  // namespace antiphon::bench
