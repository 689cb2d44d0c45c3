// The one place where concrete stages are made, from the packs of a models folder.
#include <algorithm>
#include <filesystem>
#include <thread>

#include "antiphon/assistant.h"
#include "asr/recognizer.h"
#include "dialog/template_dialog.h"
#include "engine/engine.h"
#include "nlu/understander.h"
#include "pipeline/assistant_spec.h"
#include "tts/synthesizer.h"

namespace antiphon {
namespace {

namespace fs = std::filesystem;

Status check_packs(const fs::path& models) {
  std::error_code ignored;
  if (!fs::is_directory(models, ignored))
    return not_found(models.string() +
                     " is not a folder; give the folder that holds the packs with --models");
  for (const char* pack : {"asr-en", "nlu-en", "tts-en", "vocoder-en", "vad"}) {
    if (!fs::exists(models / pack / "manifest.toml", ignored))
      return not_found((models / pack / "manifest.toml").string() + " is missing");
  }
  return {};
}

Result<AssistantStages> make_stages(const AssistantConfig& config) {
  const fs::path models = config.models_dir;
  ANTIPHON_RETURN_IF_ERROR(check_packs(models));
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  ANTIPHON_ASSIGN_OR_RETURN(
      std::unique_ptr<ThreadTeam> team,
      ThreadTeam::create(config.threads > 0 ? config.threads : std::min(cores, 2)));
  const Precision precision = config.f32 ? Precision::kF32 : Precision::kInt8;
  AssistantSpec spec;
  if (!config.assistant_path.empty()) {
    ANTIPHON_ASSIGN_OR_RETURN(spec, read_assistant(config.assistant_path));
  }
  AssistantStages out;
  ANTIPHON_ASSIGN_OR_RETURN(out.recognizer,
                            asr::create_recognizer({.pack_dir = (models / "asr-en").string(),
                                                    .vad_dir = (models / "vad").string(),
                                                    .precision = precision,
                                                    .max_streams = config.max_sessions,
                                                    .max_isa = config.max_isa,
                                                    .team = team.get(),
                                                    .logger = config.logger}));
  nlu::UnderstanderConfig understander;
  understander.pack_dir = (models / "nlu-en").string();
  understander.assistant = spec;
  understander.precision = precision;
  understander.max_isa = config.max_isa;
  understander.team = team.get();
  understander.logger = config.logger;
  ANTIPHON_ASSIGN_OR_RETURN(out.understander, nlu::create_understander(understander));
  const fs::path responses = models / "nlu-en" / "responses.toml";
  dialog::TemplateDialogConfig dialog;
  dialog.responses_path = fs::exists(responses) ? responses.string() : "";
  dialog.assistant = spec;
  ANTIPHON_ASSIGN_OR_RETURN(out.dialog, dialog::create_dialog(dialog));
  tts::SynthesizerConfig synthesizer;
  synthesizer.tts_dir = (models / "tts-en").string();
  synthesizer.vocoder_dir = (models / "vocoder-en").string();
  synthesizer.precision = precision;
  synthesizer.max_streams = config.max_sessions;
  synthesizer.plan_dir = config.plan_dir;
  synthesizer.max_isa = config.max_isa;
  synthesizer.team = team.get();
  synthesizer.logger = config.logger;
  ANTIPHON_ASSIGN_OR_RETURN(out.synthesizer, tts::create_synthesizer(synthesizer));
  out.models = {"asr-en", "nlu-en", "tts-en", "vocoder-en", "vad"};
  out.support = std::shared_ptr<ThreadTeam>(std::move(team));
  return out;
}

}  // namespace

Result<std::unique_ptr<Assistant>> Assistant::create(const AssistantConfig& config) {
  ANTIPHON_ASSIGN_OR_RETURN(AssistantStages stages, make_stages(config));
  return with_stages(std::move(stages));
}

}  // namespace antiphon
