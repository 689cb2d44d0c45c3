// Which sentences ask: a table of openings.
#include "asr/text/words.h"

namespace antiphon::asr {
namespace {

constexpr const char* kFillers[] = {"hey", "hello", "hi",     "ok",   "okay",   "so",    "and",
                                    "but", "well",  "um",     "uh",   "please", "sorry", "yes",
                                    "no",  "oh",    "thanks", "then", "now",    "or",    "anyway"};
constexpr const char* kVerbs[] = {
    "is",    "are",      "was",   "were",     "am",        "do",      "does",   "did",     "can",
    "could", "will",     "would", "shall",    "should",    "may",     "might",  "must",    "has",
    "have",  "had",      "isn't", "aren't",   "wasn't",    "weren't", "don't",  "doesn't", "didn't",
    "can't", "couldn't", "won't", "wouldn't", "shouldn't", "haven't", "hasn't", "hadn't",  "ain't"};
constexpr const char* kSubjects[] = {
    "i",        "you",     "he",       "she",       "it",       "we",         "they",   "this",
    "that",     "these",   "those",    "there",     "the",      "a",          "an",     "my",
    "your",     "his",     "her",      "our",       "their",    "any",        "anyone", "anybody",
    "anything", "someone", "somebody", "something", "everyone", "everything", "people", "all",
    "some",     "most",    "both",     "one"};
constexpr const char* kPronouns[] = {"i", "you", "he", "she", "we", "they", "it"};

bool is_tag(std::span<const std::string_view> words) {
  if (words.size() < 4) return false;
  return is_one_of(words[words.size() - 1], kPronouns) &&
         is_one_of(words[words.size() - 2], kVerbs) && words[words.size() - 2].ends_with("n't");
}

bool asks(std::span<const std::string_view> w) {
  if (w.empty()) return false;
  const auto at = [&](std::size_t i) { return i < w.size() ? w[i] : std::string_view(); };
  const std::string_view first = w[0], second = at(1);
  const bool verb_next = is_one_of(second, kVerbs);
  if (is_one_of(first, {"what's", "where's", "who's", "how's", "when's", "why's", "how're",
                        "who'll", "what'll"}))
    return true;
  if (first == "what")
    return !is_one_of(second, {"a", "an"}) &&
           !(is_one_of(second, kPronouns) || second.starts_with("i'"));
  if (first == "who" || first == "whose" || first == "whom" || first == "which") return true;
  if (first == "why") return true;
  if (first == "where" || first == "when") return verb_next || w.size() == 1;
  if (first == "how")
    return verb_next || w.size() == 1 ||
           is_one_of(second, {"many", "much",  "long", "far",  "old",       "often", "big",
                              "tall", "about", "come", "late", "soon",      "fast",  "high",
                              "deep", "well",  "hot",  "cold", "expensive", "large", "early"});
  // Commands begin like questions: "do not", "do the dishes", "don't do that", "have a nice day".
  if (is_one_of(first, {"do", "don't"}))
    return is_one_of(second, {"you", "i", "we", "they", "these", "those", "people", "any"});
  if (is_one_of(first, {"have", "had", "haven't"}))
    return is_one_of(second, {"you", "i", "we", "they", "he", "she", "there"});
  if (is_one_of(first, {"may", "might", "must"})) return is_one_of(second, {"i", "we"});
  if (is_one_of(first, {"can", "could", "will", "would", "shall", "should", "does", "did", "has",
                        "is", "are", "was", "were"}))
    return !second.empty() && !is_one_of(second, {"be", "not"});
  if (is_one_of(first, kVerbs)) return is_one_of(second, kSubjects);
  return false;
}

}  // namespace

bool is_question(std::span<const std::string_view> words) {
  if (is_tag(words)) return true;
  while (words.size() > 1 && is_one_of(words[0], kFillers)) words = words.subspan(1);
  return asks(words);
}

}  // namespace antiphon::asr
