// The one place where concrete stages are made, from the packs of a models folder.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "antiphon/absent_stages.h"
#include "antiphon/assistant.h"
#include "asr/recognizer.h"
#include "dialog/template_dialog.h"
#include "engine/engine.h"
#include "nlu/understander.h"
#include "pipeline/assistant_spec.h"
#include "pipeline/voices.h"
#include "tts/synthesizer.h"

namespace antiphon {
namespace {

namespace fs = std::filesystem;

Status check_packs(const AssistantConfig& config) {
  const fs::path models = config.models_dir;
  std::error_code ignored;
  if (!fs::is_directory(models, ignored))
    return not_found(models.string() +
                     " is not a folder; give the folder that holds the packs with --models");
  std::vector<const char*> packs;
  if (config.recognize) packs.insert(packs.end(), {"asr-en", "vad"});
  if (config.understand) packs.push_back("nlu-en");
  if (config.synthesize) packs.insert(packs.end(), {"tts-en", "vocoder-en"});
  for (const char* pack : packs) {
    if (!fs::exists(models / pack / "manifest.toml", ignored))
      return not_found((models / pack / "manifest.toml").string() + " is missing; " +
                       models.string() + " has to hold the pack " + pack);
  }
  return {};
}

Precision precision_of(const AssistantConfig& config) {
  return config.f32 ? Precision::kF32 : Precision::kInt8;
}

std::string pack_dir(const AssistantConfig& config, const char* pack) {
  return (fs::path(config.models_dir) / pack).string();
}

Status make_recognizer(const AssistantConfig& config, const AssistantSpec& spec, ThreadTeam* team,
                       AssistantStages& out) {
  if (!config.recognize) {
    out.recognizer = absent_recognizer();
    return {};
  }
  ANTIPHON_ASSIGN_OR_RETURN(out.recognizer,
                            asr::create_recognizer({.pack_dir = pack_dir(config, "asr-en"),
                                                    .vad_dir = pack_dir(config, "vad"),
                                                    .precision = precision_of(config),
                                                    .max_streams = config.max_sessions,
                                                    .assistant = spec,
                                                    .max_isa = config.max_isa,
                                                    .plans = {config.plan_dir, config.tune},
                                                    .team = team,
                                                    .logger = config.logger}));
  out.models.insert(out.models.end(), {"asr-en", "vad"});
  return {};
}

Status make_understander(const AssistantConfig& config, const AssistantSpec& spec, ThreadTeam* team,
                         AssistantStages& out) {
  if (!config.understand) {
    out.understander = absent_understander();
    return {};
  }
  nlu::UnderstanderConfig understander;
  understander.pack_dir = pack_dir(config, "nlu-en");
  understander.assistant = spec;
  understander.precision = precision_of(config);
  understander.max_isa = config.max_isa;
  understander.plans = {config.plan_dir, config.tune};
  understander.team = team;
  understander.logger = config.logger;
  ANTIPHON_ASSIGN_OR_RETURN(out.understander, nlu::create_understander(understander));
  out.models.push_back("nlu-en");
  return {};
}

Status make_synthesizer(const AssistantConfig& config, const AssistantSpec& spec, ThreadTeam* team,
                        AssistantStages& out) {
  if (!config.synthesize) {
    out.synthesizer = absent_synthesizer();
    return {};
  }
  tts::SynthesizerConfig synthesizer;
  synthesizer.tts_dir = pack_dir(config, "tts-en");
  synthesizer.vocoder_dir = pack_dir(config, "vocoder-en");
  synthesizer.precision = precision_of(config);
  synthesizer.max_streams = config.max_sessions;
  synthesizer.plans = {config.plan_dir, config.tune};
  synthesizer.max_isa = config.max_isa;
  synthesizer.team = team;
  synthesizer.logger = config.logger;
  ANTIPHON_ASSIGN_OR_RETURN(out.synthesizer, tts::create_synthesizer(synthesizer));
  out.models.insert(out.models.end(), {"tts-en", "vocoder-en"});
  out.voice = spec.voice;
  if (out.voice.empty()) return {};
  return find_voice(out.synthesizer->voices(), out.voice)
      .status()
      .with_context(config.assistant_path);
}

// Runs make() and logs how long it took: plans are built, or loaded, in it.
template <typename Make>
Status timed(const AssistantConfig& config, bool wanted, const char* stage, Make make) {
  const auto begin = std::chrono::steady_clock::now();
  ANTIPHON_RETURN_IF_ERROR(make());
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  char text[64];
  std::snprintf(text, sizeof(text), "%s is ready after %.1f s", stage, took.count());
  if (config.logger && wanted) config.logger->log(LogLevel::kInfo, "models", text);
  return {};
}

Result<AssistantStages> make_stages(const AssistantConfig& config) {
  ANTIPHON_RETURN_IF_ERROR(check_packs(config));
  std::error_code error;
  if (!config.plan_dir.empty()) fs::create_directories(config.plan_dir, error);
  if (error) return not_found(config.plan_dir + ": plans cannot be kept there: " + error.message());
  ANTIPHON_ASSIGN_OR_RETURN(std::unique_ptr<ThreadTeam> team,
                            ThreadTeam::create(config.team_size()));
  AssistantSpec spec;
  if (!config.assistant_path.empty()) {
    ANTIPHON_ASSIGN_OR_RETURN(spec, read_assistant(config.assistant_path));
  }
  AssistantStages out;
  ANTIPHON_RETURN_IF_ERROR(timed(config, config.recognize, "recognition",
                                 [&] { return make_recognizer(config, spec, team.get(), out); }));
  ANTIPHON_RETURN_IF_ERROR(timed(config, config.understand, "understanding",
                                 [&] { return make_understander(config, spec, team.get(), out); }));
  const fs::path responses = fs::path(config.models_dir) / "nlu-en" / "responses.toml";
  dialog::TemplateDialogConfig dialog;
  dialog.responses_path = fs::exists(responses) ? responses.string() : "";
  dialog.assistant = spec;
  ANTIPHON_ASSIGN_OR_RETURN(out.dialog, dialog::create_dialog(dialog));
  ANTIPHON_RETURN_IF_ERROR(timed(config, config.synthesize, "synthesis",
                                 [&] { return make_synthesizer(config, spec, team.get(), out); }));
  out.support = std::shared_ptr<ThreadTeam>(std::move(team));
  return out;
}

}  // namespace

int AssistantConfig::team_size() const {
  if (threads > 0) return threads;
  return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, 2);
}

Result<std::unique_ptr<Assistant>> Assistant::create(const AssistantConfig& config) {
  ANTIPHON_ASSIGN_OR_RETURN(AssistantStages stages, make_stages(config));
  return with_stages(std::move(stages));
}

}  // namespace antiphon
