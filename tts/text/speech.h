// What is to be said: words with their punctuation, pauses and places in the user's text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace antiphon::tts {

enum class Writing : std::uint8_t { kLower, kCapital, kUpper };

// One word to be spoken.
struct SpokenWord {
  std::string text;      // lower-case letters, apostrophes, hyphens; of letters: capitals ("FBI")
  bool letters = false;  // said letter by letter
  Writing writing = Writing::kLower;  // how it was written: a capital is said with more stress
  char punctuation = 0;               // after it: one of , . ! ? ; : or 0
  std::int32_t begin = 0;             // byte range in the user's text; several words may share one
  std::int32_t end = 0;
  int pause_ms = 0;   // silence after it, asked for by SSML
  float rate = 1.0f;  // of speech, by SSML
  int voice = -1;     // by SSML: place among the pack's voices; -1: the request's
};

// Where rules put what they say.
struct Speech {
  std::vector<SpokenWord> words;
  float rate = 1.0f;  // of the words that follow
  int voice = -1;     // and their voice

  // One or more words separated by spaces, lower-case, all from the same bytes.
  void say(std::string_view words_text, std::int32_t begin, std::int32_t end);
  // A word as it was written.
  void say_written(std::string_view written, std::int32_t begin, std::int32_t end);
  // Letter names; other characters of `text` are ignored, digits are said.
  void spell(std::string_view text, std::int32_t begin, std::int32_t end);
  // Punctuation after the last word; a stronger mark replaces a weaker one. Ignored at the start.
  void mark(char punctuation);
  void pause(int milliseconds);

  int lead_pause_ms = 0;  // silence before the first word
};

// For tests and messages: "hello, the F-B-I called."
std::string to_string(const Speech& speech);

}  // namespace antiphon::tts
