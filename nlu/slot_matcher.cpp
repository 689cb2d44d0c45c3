// Slots by whole-word matching, longest first.
#include "nlu/slot_matcher.h"

#include <algorithm>
#include <cctype>
#include <set>

namespace antiphon::nlu {
namespace {

bool word_char(char c) {
  const auto u = static_cast<unsigned char>(c);
  return u >= 128 || std::isalnum(u) || c == '\'' || c == ':';
}

int edit_distance(std::string_view a, std::string_view b) {
  std::vector<int> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    int diagonal = row[0];
    row[0] = static_cast<int>(i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const int next = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = row[j];
      row[j] = next;
    }
  }
  return row.back();
}

// 0: equal; 1: a plural; 2: one letter off; -1: another word.
int word_cost(const std::string& said, const std::string& wanted) {
  if (said == wanted) return 0;
  if (said == wanted + "s" || said == wanted + "es") return 1;
  if (wanted.size() >= 6 && said.size() >= 5 && edit_distance(said, wanted) <= 1) return 2;
  return -1;
}

struct Match {
  const SlotSpec* slot = nullptr;
  std::string value;
  std::size_t first = 0, count = 0;
  int cost = 0;
};

int phrase_cost(const std::vector<SaidWord>& words, std::size_t at,
                const std::vector<SaidWord>& wanted) {
  if (wanted.empty() || at + wanted.size() > words.size()) return -1;
  int cost = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const int c = word_cost(words[at + i].text, wanted[i].text);
    if (c < 0) return -1;
    cost += c;
  }
  return cost;
}

void match_list(const SlotSpec& slot, const std::vector<SaidWord>& words, std::vector<Match>& out) {
  for (const SlotValue& value : slot.values)
    for (const std::string& form : value.said_as) {
      const std::vector<SaidWord> wanted = said_words(form);
      for (std::size_t at = 0; at < words.size(); ++at)
        if (const int cost = phrase_cost(words, at, wanted); cost >= 0)
          out.push_back({&slot, value.value, at, wanted.size(), cost});
    }
}

// Runs of single letters, also said as one word: "a b c", "abc".
void match_letters(const SlotSpec& slot, const std::vector<SaidWord>& words, bool asked,
                   std::vector<Match>& out) {
  for (std::size_t at = 0; at < words.size();) {
    std::size_t end = at;
    std::string letters;
    while (end < words.size()) {
      const std::string& w = words[end].text;
      const auto digit = number_at(words, end);
      if (w.size() == 1)
        letters += static_cast<char>(std::toupper(static_cast<unsigned char>(w[0])));
      else if (digit && digit->num_words == 1 && digit->value < 10)
        letters += std::to_string(digit->value);
      else
        break;
      ++end;
    }
    if (letters.size() >= (asked ? 1u : 2u)) out.push_back({&slot, letters, at, end - at, 0});
    at = std::max(end, at + 1);
  }
}

void match_slot(const SlotSpec& slot, const std::vector<SaidWord>& words, bool asked,
                std::vector<Match>& out) {
  switch (slot.type) {
    case SlotType::kList: match_list(slot, words, out); break;
    case SlotType::kLetters: match_letters(slot, words, asked, out); break;
    case SlotType::kNumber:
      for (std::size_t at = 0; at < words.size(); ++at)
        if (const auto n = number_at(words, at)) {
          out.push_back({&slot, std::to_string(n->value), at, n->num_words, 0});
          at += n->num_words - 1;
        }
      break;
    case SlotType::kTime:
      for (std::size_t at = 0; at < words.size(); ++at)
        if (const auto t = time_at(words, at)) {
          out.push_back({&slot, t->value, at, t->num_words, 0});
          at += t->num_words - 1;
        }
      break;
    case SlotType::kText:
      if (asked && !words.empty()) out.push_back({&slot, "", 0, words.size(), 100});
      break;
  }
}

Slot to_slot(const Match& m, const std::vector<SaidWord>& words, std::string_view text) {
  Slot slot;
  slot.name = m.slot->name;
  slot.start = words[m.first].start;
  slot.end = words[m.first + m.count - 1].end;
  slot.text = std::string(text.substr(static_cast<std::size_t>(slot.start),
                                      static_cast<std::size_t>(slot.end - slot.start)));
  slot.value = m.slot->type == SlotType::kText ? slot.text : m.value;
  return slot;
}

}  // namespace

std::vector<SaidWord> said_words(std::string_view text) {
  std::vector<SaidWord> words;
  for (std::size_t at = 0; at < text.size();) {
    if (!word_char(text[at])) {
      ++at;
      continue;
    }
    std::size_t end = at;
    SaidWord word;
    while (end < text.size() && word_char(text[end]))
      word.text += static_cast<char>(std::tolower(static_cast<unsigned char>(text[end++])));
    word.start = static_cast<std::int32_t>(at);
    word.end = static_cast<std::int32_t>(end);
    words.push_back(std::move(word));
    at = end;
  }
  return words;
}

std::vector<Slot> match_slots(const IntentSpec& intent, std::string_view text,
                              const std::string& asked) {
  const std::vector<SaidWord> words = said_words(text);
  std::vector<Match> matches;
  for (const SlotSpec& slot : intent.slots) match_slot(slot, words, slot.name == asked, matches);
  // The slot that was asked for wins, then exact and long matches.
  std::stable_sort(matches.begin(), matches.end(), [&](const Match& a, const Match& b) {
    const bool x = a.slot->name == asked, y = b.slot->name == asked;
    if (x != y) return x;
    if (a.count != b.count) return a.count > b.count;
    return a.cost < b.cost;
  });
  std::vector<bool> used(words.size(), false);
  std::set<std::string> filled;
  std::vector<Slot> slots;
  for (const Match& m : matches) {
    const bool free = std::none_of(used.begin() + static_cast<std::ptrdiff_t>(m.first),
                                   used.begin() + static_cast<std::ptrdiff_t>(m.first + m.count),
                                   [](bool u) { return u; });
    if (!free || !filled.insert(m.slot->name).second) continue;
    std::fill_n(used.begin() + static_cast<std::ptrdiff_t>(m.first), m.count, true);
    slots.push_back(to_slot(m, words, text));
  }
  std::sort(slots.begin(), slots.end(),
            [](const Slot& a, const Slot& b) { return a.start < b.start; });
  return slots;
}

std::vector<std::string> expand_phrases(const IntentSpec& intent, int most) {
  std::vector<std::string> out;
  for (const std::string& phrase : intent.phrases)
    for (int variant = 0; variant < most; ++variant) {
      std::string text;
      bool has_slot = false;
      for (std::size_t at = 0; at < phrase.size();) {
        const std::size_t open = phrase.find('{', at);
        text += phrase.substr(at, open == std::string::npos ? open : open - at);
        if (open == std::string::npos) break;
        const std::size_t close = phrase.find('}', open);
        const std::string name = phrase.substr(open + 1, close - open - 1);
        for (const SlotSpec& slot : intent.slots) {
          if (slot.name != name) continue;
          has_slot = true;
          static constexpr const char* kNumbers[] = {"two", "three", "five"};
          static constexpr const char* kTimes[] = {"seven thirty", "noon", "five p m"};
          const auto v = static_cast<std::size_t>(variant);
          if (slot.type == SlotType::kList)
            text += slot.values[(v * 7 + 1) % slot.values.size()].value;
          else if (slot.type == SlotType::kNumber)
            text += kNumbers[v % 3];
          else if (slot.type == SlotType::kTime)
            text += kTimes[v % 3];
          else
            text += slot.name;
        }
        at = close + 1;
      }
      out.push_back(text);
      if (!has_slot) break;
    }
  return out;
}

Answer answer_in(std::string_view text) {
  static const std::set<std::string> kYes = {"yes",        "yeah",       "yep",   "yup", "sure",
                                             "correct",    "right",      "okay",  "ok",  "confirm",
                                             "absolutely", "definitely", "please"};
  static const std::set<std::string> kNo = {"no", "nope", "nah", "wrong", "incorrect", "don't"};
  static const std::set<std::string> kCancel = {"cancel", "stop", "abort", "forget", "quit"};
  const std::vector<SaidWord> words = said_words(text);
  if (words.empty() || words.size() > 6) return Answer::kNone;
  bool yes = false, no = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& w = words[i].text;
    if (kCancel.contains(w) ||
        (w == "never" && i + 1 < words.size() && words[i + 1].text == "mind"))
      return Answer::kCancel;
    yes = yes || kYes.contains(w);
    no = no || kNo.contains(w);
  }
  if (no) return Answer::kNo;
  return yes ? Answer::kYes : Answer::kNone;
}

}  // namespace antiphon::nlu
