// What was said as words, and the numbers, times and answers in them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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

// "half past seven", "seven thirty p m", "7pm", "noon" -> "HH:MM".
struct SaidTime {
  std::string value;
  std::size_t num_words = 0;
  bool sure = true;  // false: no more than a number, which may be a time
};
std::optional<SaidTime> time_at(const std::vector<SaidWord>& words, std::size_t at);

// yes, no and cancel as people say them in answer to a question.
enum class Answer { kNone, kYes, kNo, kCancel };
Answer answer_in(const std::vector<SaidWord>& words);

// "cancel", "never mind", "forget it": a whole short sentence, whatever was asked.
bool is_cancel(const std::vector<SaidWord>& words);

}  // namespace antiphon::nlu
