// Words of a text, and the answers yes, no and cancel.
#include "nlu/said_words.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <initializer_list>
#include <set>

namespace antiphon::nlu {
namespace {

// Letters, digits, marks, and what stands inside "don't" and "7:30".
bool is_word_char(UChar32 c) {
  return u_isalnum(c) || c == '\'' || c == ':' || (U_MASK(u_charType(c)) & U_GC_M_MASK) != 0;
}

void append_utf8(UChar32 c, std::string& out) {
  std::uint8_t buffer[4];
  std::int32_t n = 0;
  UBool error = false;
  U8_APPEND(buffer, n, 4, c, error);
  if (!error) out.append(reinterpret_cast<const char*>(buffer), static_cast<std::size_t>(n));
}

bool is_joint(char c) { return c == '\'' || c == ':'; }

// Joints are part of a word only inside it.
void trim_joints(SaidWord& word) {
  while (!word.text.empty() && is_joint(word.text.back())) {
    word.text.pop_back();
    --word.end;
  }
  while (!word.text.empty() && is_joint(word.text.front())) {
    word.text.erase(0, 1);
    ++word.start;
  }
}

// "|word|word|": phrases are found as whole words.
std::string joined(const std::vector<SaidWord>& words) {
  std::string text = "|";
  for (const SaidWord& word : words) text += word.text + "|";
  return text;
}

bool has_any(const std::string& text, std::initializer_list<const char*> phrases) {
  return std::any_of(phrases.begin(), phrases.end(),
                     [&](const char* p) { return text.find(p) != std::string::npos; });
}

constexpr std::size_t kLongestAnswer = 7;  // words

}  // namespace

std::vector<SaidWord> said_words(std::string_view text) {
  constexpr UChar32 kQuote = 0x2019;  // read as a plain apostrophe
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  const auto num_bytes = static_cast<std::int32_t>(text.size());
  std::vector<SaidWord> words;
  SaidWord word;
  const auto close = [&] {
    trim_joints(word);
    if (!word.text.empty()) words.push_back(std::move(word));
    word = {};
  };
  for (std::int32_t at = 0; at < num_bytes;) {
    const std::int32_t start = at;
    UChar32 c = 0;
    U8_NEXT(bytes, at, num_bytes, c);  // c < 0: not UTF-8, ends a word
    const bool inside = !word.text.empty() && at < num_bytes;
    if (c == kQuote && inside && u_isalpha(bytes[at])) c = '\'';
    if (c < 0 || !is_word_char(c)) {
      close();
      continue;
    }
    if (word.text.empty()) word.start = start;
    append_utf8(u_tolower(c), word.text);
    word.end = at;
  }
  close();
  return words;
}

bool is_cancel(const std::vector<SaidWord>& words) {
  if (words.empty() || words.size() > kLongestAnswer) return false;
  const std::string text = joined(words);
  if (has_any(text, {"|don't|cancel|", "|do|not|cancel|", "|don't|stop|"})) return false;
  if (has_any(text, {"|never|mind|", "|forget|it|", "|forget|that|", "|forget|about|it|"}))
    return true;
  if (has_any(text, {"|changed|my|mind|", "|leave|it|"})) return true;
  if (has_any(text, {"|cancel|", "|abort|"})) return true;
  return words.size() <= 3 && has_any(text, {"|stop|", "|quit|", "|nevermind|"});
}

Answer answer_in(const std::vector<SaidWord>& words) {
  static const std::set<std::string> kYes = {
      "yes", "yeah",    "yep",        "yup",        "sure",    "correct", "right", "okay",
      "ok",  "confirm", "absolutely", "definitely", "perfect", "fine",    "great", "exactly"};
  static const std::set<std::string> kNo = {"no",    "nope",      "nah",   "wrong",
                                            "don't", "incorrect", "isn't", "not"};
  if (is_cancel(words)) return Answer::kCancel;
  if (words.empty() || words.size() > kLongestAnswer) return Answer::kNone;
  const std::string text = joined(words);
  if (has_any(text, {"|why|not|", "|no|problem|", "|don't|see|why|not|"})) return Answer::kYes;
  const auto in = [](const std::set<std::string>& set) {
    return [&set](const SaidWord& word) { return set.contains(word.text); };
  };
  if (std::any_of(words.begin(), words.end(), in(kNo))) return Answer::kNo;
  if (std::any_of(words.begin(), words.end(), in(kYes))) return Answer::kYes;
  const bool agrees = has_any(text, {"|go|ahead|", "|do|it|", "|sounds|good|", "|of|course|",
                                     "|please|do|", "|that's|it|", "|it|is|", "|that's|all|"});
  return agrees || text == "|please|" ? Answer::kYes : Answer::kNone;
}

}  // namespace antiphon::nlu
