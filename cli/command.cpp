// Options, errors and JSON that the sub-commands share.
#include "cli/command.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "antiphon/event_json.h"
#include "engine/engine.h"

namespace antiphon::cli {

namespace {

bool holds_a_pack(const std::filesystem::path& folder) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored))
    if (std::filesystem::exists(entry.path() / "manifest.toml", ignored)) return true;
  return false;
}

}  // namespace

std::string default_models_dir() {
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (holds_a_pack("models")) return "models";
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  for (const char* from_program : {"../share/antiphon/models", "../../models"}) {
    const fs::path folder = (program / from_program).lexically_normal();
    if (!program.empty() && holds_a_pack(folder)) return folder.string();
  }
  return "models";
}

void add_models_option(CLI::App& app, std::string& models_dir) {
  app.add_option("--models", models_dir, "Folder of the model packs")
      ->envname("ANTIPHON_MODELS")
      ->capture_default_str();
}

Result<std::vector<HotWord>> parse_hotwords(const std::vector<std::string>& texts) {
  std::vector<HotWord> out;
  for (const std::string& text : texts) {
    HotWord word;
    const std::size_t colon = text.rfind(':');
    word.text = text.substr(0, colon);
    if (colon != std::string::npos) {
      const char* boost = text.c_str() + colon + 1;
      char* end = nullptr;
      word.boost = std::strtof(boost, &end);
      if (*end != '\0' || end == boost) word.text.clear();
    }
    if (word.text.empty())
      return invalid_argument("--hotword \"" + text + "\": wanted WORD or WORD:BOOST");
    out.push_back(std::move(word));
  }
  return out;
}

Progress::Progress(std::string what) : what_(std::move(what)), shown_(isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (shown_ && percent_ >= 0) std::fprintf(stderr, "\r\033[K");
}

void Progress::at(double fraction) {
  const int percent = static_cast<int>(100 * std::clamp(fraction, 0.0, 1.0));
  if (!shown_ || percent == std::exchange(percent_, percent)) return;
  std::fprintf(stderr, "\r%s: %d %%\033[K", what_.c_str(), percent);
}

void ModelOptions::add_to(CLI::App& app) {
  add_models_option(app, models_dir);
  app.add_option("--assistant", assistant_path, "assistant.toml: your own intents");
  app.add_option("--precision", precision, "Of the weights")
      ->check(CLI::IsMember({"int8", "f32"}))
      ->capture_default_str();
  app.add_option("--threads", threads, "Of the models; 0: one a core, at most 2")
      ->check(CLI::Range(0, 256));
  app.add_option("--plans", plan_dir, "Folder that keeps built plans between starts");
  add_max_isa_option(app, max_isa);
}

void add_max_isa_option(CLI::App& app, std::string& max_isa) {
  app.add_option("--max-isa", max_isa,
                 "Highest SIMD path: portable, avx2, avx_vnni, avx512_vnni, amx_int8")
      ->envname("ANTIPHON_MAX_ISA")
      ->check([](const std::string& isa) {
        const Status capped = cap_isa(isa);  // before anything asks oneDNN
        return capped.ok() ? std::string() : capped.message();
      });
}

AssistantConfig ModelOptions::config(Stage stage) const {
  AssistantConfig out;
  out.recognize = stage == Stage::kAll || stage == Stage::kRecognize;
  out.understand = stage == Stage::kAll || stage == Stage::kUnderstand;
  out.synthesize = stage == Stage::kAll || stage == Stage::kSynthesize;
  out.models_dir = models_dir;
  out.assistant_path = assistant_path;
  out.f32 = precision == "f32";
  out.threads = threads;
  out.plan_dir = plan_dir;
  out.max_isa = max_isa;
  return out;
}

int fail(const Status& status) {
  std::fprintf(stderr, "antiphon: %s\n", status.message().c_str());
  return status.code() == StatusCode::kInvalidArgument ? kExitBadUse : kExitFailure;
}

std::string write_json(const nlohmann::json& value, int indent) {
  return value.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

namespace {

nlohmann::json without_envelope(const std::string& message) {
  nlohmann::json out = nlohmann::json::parse(message);
  out.erase("type");
  out.erase("turn");
  return out;
}

}  // namespace

nlohmann::json latency_json(const TurnLatency& latency) {
  TurnEnd end;
  end.latency = latency;
  return nlohmann::json::parse(turn_end_json(end))["latency_ms"];
}

nlohmann::json understanding_object(const Understanding& understanding) {
  return without_envelope(understanding_json(understanding));
}

nlohmann::json transcript_object(const Transcript& transcript) {
  return without_envelope(final_json(transcript));
}

}  // namespace antiphon::cli
