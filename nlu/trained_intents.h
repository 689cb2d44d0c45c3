// Intent and slots from the logits of the trained heads.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nlu/labels.h"
#include "nlu/tag_chain.h"
#include "nlu/wordpiece.h"
#include "pipeline/messages.h"

namespace antiphon::nlu {

struct TrainedIntent {
  std::string domain, intent;  // empty: out of scope
  float confidence = 0;        // of the intent, or of being out of scope
  bool in_scope = false;
};

// The best intent of the served domains by a softmax over their rows.
TrainedIntent classify(const Labels& labels, const std::vector<std::string>& served,
                       std::span<const float> logits);

// Spans of the best chain of BIO tags over the words of `text`, of one domain; the first piece of a
// word speaks for it. logits: [pieces + 2, tags], with rows for [CLS] and [SEP] around the pieces.
std::vector<Slot> tagged_slots(const Labels& labels, const TagChain& chain,
                               const std::string& domain, std::string_view text,
                               std::span<const Piece> pieces, std::span<const float> logits);

// What a program gets for "twenty one" ("21") or, in a slot named like a time, "half past six".
std::string normalised_value(std::string_view slot_name, std::string_view text);

}  // namespace antiphon::nlu
