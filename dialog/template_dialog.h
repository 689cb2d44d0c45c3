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

// Names of the domain in which understanding reports yes, no and cancel.
inline constexpr const char* kDialogDomain = "dialog";
inline constexpr const char* kAssistantDomain = "assistant";
inline constexpr const char* kAffirm = "affirm";
inline constexpr const char* kDeny = "deny";
inline constexpr const char* kCancel = "cancel";

// kNotFound, kInvalidArgument: names file and key. respond() is thread-safe.
Result<std::unique_ptr<Dialog>> create_dialog(const TemplateDialogConfig& config);

}  // namespace antiphon::dialog
