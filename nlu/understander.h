// The understanding stage of a pack: BERT encoder with its heads behind pipeline's Understander.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "pipeline/assistant_spec.h"
#include "pipeline/stages.h"

namespace antiphon::nlu {

struct UnderstanderConfig {
  std::string
      pack_dir;  // models/nlu-en: manifest.toml, vocab.txt, weights.safetensors, labels.json
  AssistantSpec assistant;           // the user's own intents; may have none
  std::vector<std::string> domains;  // trained intents that are served; empty: the pack's default
  Precision precision = Precision::kInt8;
  std::string max_isa;  // empty: what the CPU has
  PlanFolder plans;
  ThreadTeam* team = nullptr;  // may be null; must outlive the understander
  Logger* logger = nullptr;    // may be null
};

// A pack without labels.json has no trained heads: the user's own intents alone are understood.
// A text (or question) longer than the encoder's window is understood from its first window.
// understand() is to be called from one lane: one call at a time.
// kNotFound, kInvalidArgument: a file or a key of the pack, named.
Result<std::unique_ptr<Understander>> create_understander(const UnderstanderConfig& config);

}  // namespace antiphon::nlu
