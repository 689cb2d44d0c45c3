// Free-text slots: where the words around them begin and end the value.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nlu/said_words.h"
#include "pipeline/assistant_spec.h"

namespace antiphon::nlu {

struct WordRange {
  std::size_t first = 0, count = 0;
};

// The answer to the question for a free text: all of it but "my name is", "it's for", "please".
WordRange whole_answer(const std::vector<SaidWord>& words);

// A value of `slot` behind the words that stand before it in one of the intent's phrases. It ends
// at a word that is `used`, at a comma or stop, or at the phrase's next words.
std::optional<WordRange> behind_anchor(const IntentSpec& intent, const std::string& slot,
                                       std::string_view text, const std::vector<SaidWord>& words,
                                       const std::vector<bool>& used);

}  // namespace antiphon::nlu
