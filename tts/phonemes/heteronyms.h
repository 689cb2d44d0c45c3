// Words of one spelling and several sounds, and words said weakly inside a clause.
#pragma once

#include <string_view>

namespace antiphon::tts {

struct Heteronym {
  std::string_view word;
  std::string_view noun, verb, adjective, past;
};

// Null: the word has one sound.
const Heteronym* find_heteronym(std::string_view word);

// How a word like "have" sounds before another word of its clause; empty: as in the lexicon.
std::string_view weak_form(std::string_view word);

// What a word is in its sentence, as far as its sound needs it. All are lower case; empty: there is
// none.
struct WordContext {
  std::string_view earlier, before, after;
  bool past_time = false;  // the sentence has "yesterday", "ago", ...
};
enum class WordClass : unsigned char { kNoun, kVerb, kPast, kAdjective };
bool is_form_of_be(std::string_view word);  // also "it's", "get", "seem"
bool is_subject(std::string_view word);     // "they", "who", also "always"
WordClass class_of(std::string_view word, const WordContext& context);

}  // namespace antiphon::tts
