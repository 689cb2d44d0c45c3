// The recognition stage: voice activity, features, acoustic model and beam search behind pipeline's
// Recognizer.
#pragma once

#include <memory>
#include <string>

#include "engine/engine.h"
#include "pipeline/assistant_spec.h"
#include "pipeline/stages.h"

namespace antiphon::asr {

struct RecognizerConfig {
  std::string pack_dir;  // models/asr-en: manifest.toml and the files that it names
  std::string vad_dir;   // models/vad
  Precision precision = Precision::kInt8;
  int max_streams = 64;  // state slots; open() refuses more
  int max_batch = 8;
  AssistantSpec assistant;  // its phrases are expected; may be empty
  std::string max_isa;      // empty: what the CPU has
  PlanFolder plans;
  ThreadTeam* team = nullptr;  // may be null; must outlive the recogniser
  Logger* logger = nullptr;    // may be null
};

// kNotFound, kInvalidArgument: a file or a key of the pack, named.
Result<std::unique_ptr<Recognizer>> create_recognizer(const RecognizerConfig& config);

}  // namespace antiphon::asr
