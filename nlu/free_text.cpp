// Anchors of free text are taken from the example phrases.
#include "nlu/free_text.h"

#include <algorithm>
#include <array>
#include <set>

#include "nlu/phrases.h"

namespace antiphon::nlu {
namespace {

constexpr std::size_t kLongestAnchor = 3;  // words
constexpr std::size_t kLongestValue = 8;   // words

using Words = std::vector<SaidWord>;

bool starts_at(const Words& words, std::size_t at, const Words& wanted) {
  if (wanted.empty() || at + wanted.size() > words.size()) return false;
  for (std::size_t i = 0; i < wanted.size(); ++i)
    if (words[at + i].text != wanted[i].text) return false;
  return true;
}

bool is_courtesy(const std::string& word) {
  return word == "please" || word == "thanks" || word == "thank" || word == "you";
}

// Words that never end a value, and that a value behind a single anchor word does not begin with.
const std::set<std::string>& function_words() {
  static const std::set<std::string> kWords = {
      "a",    "an",   "the",  "my",    "your", "some", "this",  "that",  "me",   "us",
      "him",  "her",  "here", "there", "now",  "it",   "with",  "and",   "to",   "of",
      "for",  "in",   "on",   "at",    "or",   "is",   "i",     "today", "you",  "what",
      "them", "both", "sure", "real",  "go",   "all",  "later", "once",  "lunch"};
  return kWords;
}

void trim_end(const Words& words, WordRange& range, bool function) {
  while (range.count > 0) {
    const std::string& last = words[range.first + range.count - 1].text;
    if (!is_courtesy(last) && !(function && function_words().contains(last))) break;
    --range.count;
  }
}

// The words before a slot in a phrase, and the first one after it.
struct Anchor {
  Words before;
  std::string after;
};

std::vector<Anchor> anchors_of(const IntentSpec& intent, const std::string& slot) {
  std::vector<Anchor> anchors;
  for (const std::string& phrase : intent.phrases) {
    const std::vector<PhrasePart> parts = phrase_parts(phrase);
    for (std::size_t i = 1; i < parts.size(); ++i) {
      if (!parts[i].is_slot || parts[i].text != slot || parts[i - 1].is_slot) continue;
      Anchor anchor;
      anchor.before = said_words(parts[i - 1].text);
      if (anchor.before.size() > kLongestAnchor)
        anchor.before.erase(anchor.before.begin(), anchor.before.end() - kLongestAnchor);
      if (i + 1 < parts.size() && !parts[i + 1].is_slot) {
        const Words after = said_words(parts[i + 1].text);
        if (!after.empty()) anchor.after = after.front().text;
      }
      if (!anchor.before.empty()) anchors.push_back(std::move(anchor));
    }
  }
  std::stable_sort(anchors.begin(), anchors.end(), [](const Anchor& a, const Anchor& b) {
    return a.before.size() > b.before.size();
  });
  return anchors;
}

// A comma or stop between word `at - 1` and word `at`.
bool is_cut(std::string_view text, const Words& words, std::size_t at) {
  const auto begin = static_cast<std::size_t>(words[at - 1].end);
  const auto end = static_cast<std::size_t>(words[at].start);
  return text.substr(begin, end - begin).find_first_of(",.;!?") != std::string_view::npos;
}

}  // namespace

WordRange whole_answer(const Words& words) {
  static const std::array kLeads = {said_words("my name is"),
                                    said_words("the name is"),
                                    said_words("name is"),
                                    said_words("the name's"),
                                    said_words("my name's"),
                                    said_words("the name"),
                                    said_words("that would be"),
                                    said_words("that'd be"),
                                    said_words("it would be"),
                                    said_words("you can call me"),
                                    said_words("put it under"),
                                    said_words("you can use"),
                                    said_words("it's for"),
                                    said_words("it is"),
                                    said_words("call me"),
                                    said_words("i am"),
                                    said_words("make it"),
                                    said_words("it's"),
                                    said_words("i'm"),
                                    said_words("that's"),
                                    said_words("under"),
                                    said_words("for"),
                                    said_words("just"),
                                    said_words("um"),
                                    said_words("uh"),
                                    said_words("oh"),
                                    said_words("well"),
                                    said_words("yes"),
                                    said_words("okay"),
                                    said_words("sure"),
                                    said_words("please")};
  WordRange range{0, words.size()};
  for (bool again = true; again;) {
    again = false;
    for (const Words& lead : kLeads) {
      if (lead.size() >= range.count || !starts_at(words, range.first, lead)) continue;
      range.first += lead.size();
      range.count -= lead.size();
      again = true;
    }
  }
  WordRange trimmed = range;
  trim_end(words, trimmed, false);
  return trimmed.count > 0 ? trimmed : range;
}

std::optional<WordRange> behind_anchor(const IntentSpec& intent, const std::string& slot,
                                       std::string_view text, const Words& words,
                                       const std::vector<bool>& used) {
  for (const Anchor& anchor : anchors_of(intent, slot)) {
    for (std::size_t at = 0; at + anchor.before.size() < words.size(); ++at) {
      if (!starts_at(words, at, anchor.before)) continue;
      WordRange range{at + anchor.before.size(), 0};
      if (anchor.before.size() == 1 && function_words().contains(words[range.first].text)) continue;
      while (range.first + range.count < words.size() && range.count < kLongestValue) {
        const std::size_t next = range.first + range.count;
        if (used[next] || is_courtesy(words[next].text) || words[next].text == anchor.after) break;
        if (range.count > 0 && is_cut(text, words, next)) break;
        ++range.count;
      }
      trim_end(words, range, true);
      if (range.count > 0) return range;
    }
  }
  return std::nullopt;
}

}  // namespace antiphon::nlu
