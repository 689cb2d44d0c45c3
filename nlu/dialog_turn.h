// What a text means in the middle of a dialogue: an answer, a correction, yes, no, cancel, or
// another intent.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "nlu/intent_examples.h"
#include "pipeline/assistant_spec.h"
#include "pipeline/messages.h"
#include "pipeline/stages.h"

namespace antiphon::nlu {

// ranked: the user's intents by IntentExamples. Fills domain, intent, confidence, in_scope and
// slots; nothing: the text belongs to no dialogue, or what was asked is not in it.
std::optional<Understanding> continue_dialog(const AssistantSpec& assistant,
                                             const DialogState& state, std::string_view text,
                                             const std::vector<IntentScore>& ranked,
                                             const ExampleThresholds& thresholds);

}  // namespace antiphon::nlu
