// Replies from templates: a user's assistant with slots asked for and confirmed, and responses.toml
// for trained intents.
#pragma once

#include <memory>
#include <string>

#include "engine/base/status.h"
#include "pipeline/assistant_spec.h"
#include "pipeline/stages.h"

namespace antiphon::dialog {

struct TemplateDialogConfig {
  std::string responses_path;  // responses.toml of the understanding pack; empty: none
  AssistantSpec assistant;     // may have no intents
  int max_misses = 3;          // unusable answers in a row before a dialogue is given up
};

// kNotFound, kInvalidArgument: names file and key. respond() is thread-safe.
Result<std::unique_ptr<Dialog>> create_dialog(const TemplateDialogConfig& config);

}  // namespace antiphon::dialog
