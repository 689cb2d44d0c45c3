// What every sub-command shares: options, exit codes, errors.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "antiphon/assistant.h"
#include "engine/base/status.h"

namespace antiphon::cli {

enum ExitCode { kExitOk = 0, kExitFailure = 1, kExitBadUse = 2 };

// The sub-command that was chosen; main runs it.
using Chosen = std::function<int()>;

void add_transcribe(CLI::App& app, Chosen& chosen);
void add_understand(CLI::App& app, Chosen& chosen);
void add_synthesize(CLI::App& app, Chosen& chosen);
void add_converse(CLI::App& app, Chosen& chosen);
void add_serve(CLI::App& app, Chosen& chosen);
void add_models(CLI::App& app, Chosen& chosen);
void add_doctor(CLI::App& app, Chosen& chosen);
void add_bench(CLI::App& app, Chosen& chosen);
void add_build(CLI::App& app, Chosen& chosen);
void add_inspect(CLI::App& app, Chosen& chosen);
void add_completion(CLI::App& app, Chosen& chosen);

enum class Stage { kAll, kRecognize, kUnderstand, kSynthesize };

// ./models if there are packs in it, else the installed packs, else those of the source tree.
std::string default_models_dir();
void add_models_option(CLI::App& app, std::string& models_dir);
// --max-isa, or ANTIPHON_MAX_ISA; caps oneDNN as soon as it is read.
void add_max_isa_option(CLI::App& app, std::string& max_isa);

// --models, --assistant, --precision, --threads, --max-isa.
struct ModelOptions {
  std::string models_dir = default_models_dir();
  std::string assistant_path, precision = "int8", plan_dir, max_isa;
  int threads = 0;
  void add_to(CLI::App& app);
  AssistantConfig config(Stage stage = Stage::kAll) const;
};

// "WORD" or "WORD:BOOST" each. kInvalidArgument: names the one that is neither.
Result<std::vector<HotWord>> parse_hotwords(const std::vector<std::string>& texts);

// A line on standard error that says how far long work is; nothing unless that is a terminal.
class Progress {
 public:
  explicit Progress(std::string what);
  ~Progress();  // wipes the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void at(double fraction);

 private:
  std::string what_;
  bool shown_ = false;
  int percent_ = -1;
};

// Writes "antiphon: message" and returns the exit code that belongs to it.
int fail(const Status& status);

// A dump that mends what is not UTF-8.
std::string write_json(const nlohmann::json& value, int indent = -1);
nlohmann::json latency_json(const TurnLatency& latency);
nlohmann::json understanding_object(const Understanding& understanding);
nlohmann::json transcript_object(const Transcript& transcript);

}  // namespace antiphon::cli
