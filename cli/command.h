// What every sub-command shares: options, exit codes, errors.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

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

enum class Stage { kAll, kRecognize, kUnderstand, kSynthesize };

// --models, --assistant, --precision, --threads, --max-isa.
struct ModelOptions {
  std::string models_dir = "models", assistant_path, precision = "int8", plan_dir, max_isa;
  int threads = 0;
  void add_to(CLI::App& app);
  AssistantConfig config(Stage stage = Stage::kAll) const;
};

// Writes "antiphon: message" and returns the exit code that belongs to it.
int fail(const Status& status);

// A dump that mends what is not UTF-8.
std::string write_json(const nlohmann::json& value, int indent = -1);
nlohmann::json latency_json(const TurnLatency& latency);
nlohmann::json understanding_object(const Understanding& understanding);
nlohmann::json transcript_object(const Transcript& transcript);

}  // namespace antiphon::cli
