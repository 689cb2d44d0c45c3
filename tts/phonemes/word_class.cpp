// Coarse word classes from the neighbours: enough to choose between the sounds of one spelling.
#include <algorithm>
#include <initializer_list>

#include "tts/phonemes/heteronyms.h"

namespace antiphon::tts {
namespace {

using Words = std::initializer_list<std::string_view>;

bool in(const Words& words, std::string_view word) {
  return !word.empty() && std::find(words.begin(), words.end(), word) != words.end();
}

bool is_modal(std::string_view w) {
  return in({"to",    "will",  "would",  "can",      "could",    "shall",     "should",  "must",
             "may",   "might", "do",     "does",     "did",      "don't",     "doesn't", "didn't",
             "won't", "can't", "cannot", "couldn't", "wouldn't", "shouldn't", "mustn't", "please",
             "let's", "lets",  "let",    "never",    "not"},
            w);
}
bool is_pronoun(std::string_view w) {
  return in({"i",     "you",    "we",     "they",    "i'd",   "you'd",  "we'd",   "they'd",
             "i'll",  "you'll", "we'll",  "they'll", "he'll", "she'll", "it'll",  "he'd",
             "she'd", "who",    "people", "also",    "just",  "always", "usually"},
            w);
}
bool is_be(std::string_view w) {
  return in({"am",     "is",      "are",     "was",  "were",  "be",   "been",   "being", "i'm",
             "you're", "we're",   "they're", "he's", "she's", "it's", "that's", "isn't", "aren't",
             "wasn't", "weren't", "get",     "got",  "gets",  "feel", "seem"},
            w);
}
bool is_have(std::string_view w) {
  return in({"have", "has", "had", "i've", "you've", "we've", "they've", "having", "haven't",
             "hasn't", "hadn't"},
            w);
}
bool is_before_noun(std::string_view w) {
  return in(
      {"the",   "a",     "an",    "my",    "your", "his",   "her",   "its",   "our",    "their",
       "this",  "that",  "these", "those", "some", "any",   "no",    "every", "each",   "another",
       "what",  "which", "whose", "one",   "two",  "three", "four",  "five",  "six",    "seven",
       "eight", "nine",  "ten",   "of",    "in",   "on",    "at",    "for",   "with",   "from",
       "by",    "about", "into",  "first", "last", "next",  "new",   "old",   "big",    "small",
       "good",  "long",  "more",  "other", "own",  "same",  "whole", "free",  "current"},
      w);
}
bool is_object(std::string_view w) {
  return in({"the", "a",     "an",   "my",   "your",  "his",   "her",   "its",
             "our", "their", "this", "that", "these", "those", "it",    "me",
             "him", "us",    "them", "all",  "some",  "any",   "every", "everything"},
            w);
}
bool is_degree(std::string_view w) {
  return in(
      {"very", "so", "too", "more", "most", "quite", "really", "less", "as", "fairly", "rather"},
      w);
}

}  // namespace

bool is_form_of_be(std::string_view word) { return is_be(word); }
bool is_subject(std::string_view word) { return is_pronoun(word); }

WordClass class_of(std::string_view w, const WordContext& c) {
  if (in({"read", "reread", "wound"}, w)) {
    if (is_have(c.before) || is_be(c.before) || is_have(c.earlier)) return WordClass::kPast;
    if (in({"he", "she", "it", "who"}, c.before) || c.past_time ||
        (w == "wound" && is_pronoun(c.before)))
      return WordClass::kPast;
    return w == "wound" ? WordClass::kNoun : WordClass::kVerb;
  }
  if (w == "used")
    return c.after == "to" && !(is_be(c.before) && c.before != "get" && c.before != "got")
               ? WordClass::kPast
               : WordClass::kNoun;
  if (w == "minute") return WordClass::kNoun;
  if (w == "live" && in({"music", "stream", "show", "concert", "tv", "performance", "game", "games",
                         "version", "news"},
                        c.after))
    return WordClass::kAdjective;
  if (in({"live", "lives"}, w) &&
      in({"in", "on", "at", "with", "here", "there", "near", "together", "alone"}, c.after)) {
    return in({"their", "our", "his", "her", "your", "my", "the"}, c.before) ? WordClass::kNoun
                                                                             : WordClass::kVerb;
  }
  if (in({"close", "closer"}, w)) {
    if (c.after == "of") return WordClass::kNoun;
    return c.before.empty() || is_object(c.after) || is_modal(c.before) || is_pronoun(c.before)
               ? WordClass::kVerb
               : WordClass::kAdjective;
  }
  if (is_before_noun(c.before)) return WordClass::kNoun;
  if (is_modal(c.before) || is_pronoun(c.before)) return WordClass::kVerb;
  if (is_be(c.before) || is_degree(c.before)) return WordClass::kAdjective;
  if (is_object(c.after) && (c.before.empty() || in({"and", "then", "or"}, c.before)))
    return WordClass::kVerb;  // imperative
  return in({"use", "excuse", "refuse", "estimate"}, w) ? WordClass::kVerb : WordClass::kNoun;
}

}  // namespace antiphon::tts
