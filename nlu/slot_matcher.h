// Finds an assistant's slots in what was said: list values, numbers, times, letters, and free text.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/assistant_spec.h"
#include "pipeline/messages.h"

namespace antiphon::nlu {

// A word of the text, lower case, without punctuation around it.
struct SaidWord {
  std::string text;
  std::int32_t start = 0, end = 0;  // bytes
};
std::vector<SaidWord> said_words(std::string_view text);

// A number of cardinal or ordinal words or of digits that begins at `at`: "two", "twenty one", "3".
struct SaidNumber {
  long long value = 0;
  std::size_t num_words = 0;
};
std::optional<SaidNumber> number_at(const std::vector<SaidWord>& words, std::size_t at);

// "half past seven", "seven thirty p m", "noon" -> "HH:MM".
struct SaidTime {
  std::string value;
  std::size_t num_words = 0;
};
std::optional<SaidTime> time_at(const std::vector<SaidWord>& words, std::size_t at);

// All slots of the intent that are said in `text`; each at most once, the longest match first. List
// values match whole words; a plural s, and one wrong letter in words of six and more, are
// forgiven. asked: the slot the assistant asked for: free text then takes the whole answer.
std::vector<Slot> match_slots(const IntentSpec& intent, std::string_view text,
                              const std::string& asked);

// Examples with their {slot} places filled by their values, up to `most` variants a phrase: what is
// embedded.
std::vector<std::string> expand_phrases(const IntentSpec& intent, int most);

// yes, no and cancel as people say them.
enum class Answer { kNone, kYes, kNo, kCancel };
Answer answer_in(std::string_view text);

}  // namespace antiphon::nlu
