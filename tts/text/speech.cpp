// Building what is to be said.
#include "tts/text/speech.h"

#include <algorithm>

#include "tts/text/number_words.h"
#include "tts/text/tokens.h"

namespace antiphon::tts {
namespace {

// Strength of a mark: a sentence's end beats a clause's.
int strength(char mark) {
  switch (mark) {
    case ',': return 1;
    case ':':
    case ';': return 2;
    case '.': return 3;
    case '!': return 4;
    case '?': return 5;
    default: return 0;
  }
}

}  // namespace

void Speech::say(std::string_view words_text, std::int32_t begin, std::int32_t end) {
  for (std::size_t i = 0; i < words_text.size();) {
    const std::size_t space = std::min(words_text.find(' ', i), words_text.size());
    if (space > i) {
      SpokenWord word;
      word.text = to_lower(words_text.substr(i, space - i));
      word.begin = begin;
      word.end = end;
      word.rate = rate;
      word.voice = voice;
      words.push_back(std::move(word));
    }
    i = space + 1;
  }
}

void Speech::say_written(std::string_view written, std::int32_t begin, std::int32_t end) {
  const std::size_t before = words.size();
  say(written, begin, end);
  if (words.size() == before) return;
  const auto capital = [](char c) { return c >= 'A' && c <= 'Z'; };
  const bool any_lower =
      std::any_of(written.begin(), written.end(), [](char c) { return c >= 'a' && c <= 'z'; });
  if (capital(written[0]))
    words.back().writing = any_lower || written.size() == 1 ? Writing::kCapital : Writing::kUpper;
}

void Speech::spell(std::string_view text, std::int32_t begin, std::int32_t end) {
  SpokenWord word;
  const auto flush = [&] {
    if (word.text.empty()) return;
    word.letters = true;
    word.begin = begin;
    word.end = end;
    word.rate = rate;
    word.voice = voice;
    words.push_back(word);
    word = {};
  };
  for (const char c : text) {
    if (is_letter(c)) {
      word.text += static_cast<char>(c >= 'a' ? c - 'a' + 'A' : c);
      if (word.text.size() == 6) flush();  // long strings are read in groups
    } else if (is_digit(c)) {
      flush();
      say(digits_one_by_one(std::string_view(&c, 1)), begin, end);
    }
  }
  flush();
}

void Speech::mark(char punctuation) {
  if (words.empty()) return;
  char& now = words.back().punctuation;
  if (strength(punctuation) > strength(now)) now = punctuation;
}

void Speech::pause(int milliseconds) {
  if (words.empty()) {
    lead_pause_ms += milliseconds;
  } else {
    words.back().pause_ms += milliseconds;
    mark(',');
  }
}

std::string to_string(const Speech& speech) {
  std::string text;
  for (const SpokenWord& word : speech.words) {
    if (!text.empty()) text += ' ';
    if (word.letters) {
      for (std::size_t i = 0; i < word.text.size(); ++i) {
        if (i) text += '-';
        text += word.text[i];
      }
    } else {
      text += word.text;
    }
    if (word.punctuation) text += word.punctuation;
  }
  return text;
}

}  // namespace antiphon::tts
