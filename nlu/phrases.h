// Example phrases of an intent: "i would like a {size} {drink}" as words and slots.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/assistant_spec.h"

namespace antiphon::nlu {

struct PhrasePart {
  bool is_slot = false;
  std::string text;  // plain text, or the slot's name
};
std::vector<PhrasePart> phrase_parts(std::string_view phrase);

// A phrase with values in its places, as it is embedded.
struct Example {
  std::string text;
  int phrase = 0;     // index of the phrase
  int num_slots = 0;  // slots that the phrase names
};

// Examples of every phrase, up to `most` variants of one that names slots.
std::vector<Example> expand_phrases(const IntentSpec& intent, int most);

// A slot's name as words: "drink_size" -> "drink size".
std::string said_name(std::string name);
// The phrase with the names of its slots in place of values.
std::string plain_phrase(std::string_view phrase);

}  // namespace antiphon::nlu
