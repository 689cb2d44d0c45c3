// Slots by whole-word matching: candidates of every slot, then the best that do not overlap.
#include "nlu/slot_matcher.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <numeric>
#include <set>

#include "nlu/free_text.h"
#include "nlu/said_words.h"

namespace antiphon::nlu {
namespace {

using Words = std::vector<SaidWord>;

constexpr std::size_t kShortestMisspelt = 6;  // letters

// A candidate: `count` words from `first` say `value`. The lower the cost, the better.
struct Match {
  const SlotSpec* slot = nullptr;
  std::string value;
  std::size_t first = 0, count = 0;
  int cost = 0;
};

bool one_letter_off(const std::string& a, const std::string& b) {
  const std::string& shorter = a.size() <= b.size() ? a : b;
  const std::string& longer = a.size() <= b.size() ? b : a;
  if (longer.size() - shorter.size() > 1) return false;
  const auto [x, y] = std::mismatch(shorter.begin(), shorter.end(), longer.begin());
  if (shorter.size() < longer.size()) return std::equal(x, shorter.end(), y + 1);
  return x == shorter.end() || std::equal(x + 1, shorter.end(), y + 1);
}

// 0: equal; 1: a plural; 2: one letter off; -1: another word.
int word_cost(const std::string& said, const std::string& wanted) {
  if (said == wanted) return 0;
  if (said == wanted + "s" || said == wanted + "es" || wanted == said + "s") return 1;
  if (wanted.size() >= kShortestMisspelt && one_letter_off(said, wanted)) return 2;
  return -1;
}

int phrase_cost(const Words& words, std::size_t at, const Words& wanted) {
  if (wanted.empty() || at + wanted.size() > words.size()) return -1;
  int cost = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const int c = word_cost(words[at + i].text, wanted[i].text);
    if (c < 0) return -1;
    cost += c;
  }
  return cost;
}

// "no sugar", "without the cream", "not a latte", "instead of milk".
bool is_refused(const Words& words, std::size_t at) {
  const auto before = [&](std::size_t back) {
    return at >= back ? words[at - back].text : std::string();
  };
  // A comma between them: "no, oat milk" is a correction.
  if (at == 0 || words[at].start - words[at - 1].end > 1) return false;
  const std::string near = before(1);
  const bool article = near == "a" || near == "an" || near == "the" || near == "any";
  const std::string word = article ? before(2) : near;
  if (word == "of") return before(article ? 3 : 2) == "instead";
  return word == "without" || word == "not" || (word == "no" && !article);
}

void match_list(const SlotSpec& slot, const Words& words, std::vector<Match>& out) {
  for (const SlotValue& value : slot.values)
    for (const std::string& form : value.said_as) {
      const Words wanted = said_words(form);
      for (std::size_t at = 0; at < words.size(); ++at) {
        const int cost = phrase_cost(words, at, wanted);
        if (cost >= 0 && !is_refused(words, at))
          out.push_back({&slot, value.value, at, wanted.size(), cost});
      }
    }
}

// Runs of single letters and digits: "a b c", "k 7". One word of letters is taken as spelled when
// asked for.
void match_letters(const SlotSpec& slot, const Words& words, bool asked, std::vector<Match>& out) {
  const auto upper = [](char c) {
    return static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  };
  for (std::size_t at = 0; at < words.size();) {
    std::size_t end = at;
    std::string letters;
    for (; end < words.size(); ++end) {
      const std::string& w = words[end].text;
      const auto digit = number_at(words, end);
      if (w.size() == 1)
        letters += upper(w[0]);
      else if (w == "oh")
        letters += '0';
      else if (digit && digit->num_words == 1 && digit->value < 10)
        letters += std::to_string(digit->value);
      else
        break;
    }
    if (letters.size() >= (asked ? 1u : 2u)) out.push_back({&slot, letters, at, end - at, 0});
    at = std::max(end, at + 1);
  }
  if (!asked || !out.empty() || words.size() != 1) return;
  std::string letters;
  for (const char c : words[0].text) letters += upper(c);
  out.push_back({&slot, letters, 0, 1, 1});
}

void match_numbers(const SlotSpec& slot, const Words& words, std::vector<Match>& out) {
  for (std::size_t at = 0; at < words.size(); ++at)
    if (const auto n = number_at(words, at)) {
      out.push_back({&slot, std::to_string(n->value), at, n->num_words, 1});
      at += n->num_words - 1;
    }
}

// A bare number is a time when a time was asked for, or behind "at" and its like.
void match_times(const SlotSpec& slot, const Words& words, bool asked, std::vector<Match>& out) {
  static const std::set<std::string> kBefore = {"at",     "by",    "around", "about",
                                                "before", "after", "until",  "till"};
  for (std::size_t at = 0; at < words.size(); ++at)
    if (const auto t = time_at(words, at)) {
      const bool announced = at > 0 && kBefore.contains(words[at - 1].text);
      if (t->sure || announced || asked) out.push_back({&slot, t->value, at, t->num_words, 0});
      at += t->num_words - 1;
    }
}

void match_slot(const SlotSpec& slot, const Words& words, bool asked, std::vector<Match>& out) {
  switch (slot.type) {
    case SlotType::kList: match_list(slot, words, out); break;
    case SlotType::kNumber: match_numbers(slot, words, out); break;
    case SlotType::kTime: match_times(slot, words, asked, out); break;
    case SlotType::kLetters: {
      std::vector<Match> own;
      match_letters(slot, words, asked, own);
      out.insert(out.end(), own.begin(), own.end());
      break;
    }
    case SlotType::kText:
      if (asked && !words.empty()) {
        const WordRange range = whole_answer(words);
        out.push_back({&slot, "", range.first, range.count, 0});
      }
      break;
  }
}

Slot to_slot(const Match& m, const Words& words, std::string_view text) {
  Slot slot;
  slot.name = m.slot->name;
  slot.start = words[m.first].start;
  slot.end = words[m.first + m.count - 1].end;
  slot.text = std::string(text.substr(static_cast<std::size_t>(slot.start),
                                      static_cast<std::size_t>(slot.end - slot.start)));
  slot.value = m.slot->type == SlotType::kText ? slot.text : m.value;
  return slot;
}

// Where the speaker took something back: the word behind the last "actually", "i mean", "sorry".
std::size_t correction_at(const Words& words) {
  static const std::set<std::string> kMarks = {"actually", "mean", "sorry", "rather", "wait"};
  for (std::size_t i = words.size(); i > 0; --i)
    if (kMarks.contains(words[i - 1].text)) return i;
  return 0;
}

}  // namespace

std::vector<Slot> match_slots(const IntentSpec& intent, std::string_view text,
                              const std::string& asked) {
  const Words words = said_words(text);
  std::vector<Match> matches;
  for (const SlotSpec& slot : intent.slots) match_slot(slot, words, slot.name == asked, matches);
  const std::size_t corrected = correction_at(words);
  const auto rank = [&](const Match& m) {
    return std::array<long, 5>{m.slot->name != asked, m.first < corrected,
                               static_cast<long>(words.size() - m.count), m.cost,
                               static_cast<long>(m.first)};
  };
  std::stable_sort(matches.begin(), matches.end(),
                   [&](const Match& a, const Match& b) { return rank(a) < rank(b); });

  std::vector<bool> used(words.size(), false);
  std::set<std::string> filled;
  std::vector<Slot> slots;
  const auto take = [&](const Match& m) {
    const auto from = used.begin() + static_cast<std::ptrdiff_t>(m.first);
    const auto to = from + static_cast<std::ptrdiff_t>(m.count);
    if (std::find(from, to, true) != to || !filled.insert(m.slot->name).second) return;
    std::fill(from, to, true);
    slots.push_back(to_slot(m, words, text));
  };
  for (const Match& m : matches) take(m);
  for (const SlotSpec& slot : intent.slots) {
    if (slot.type != SlotType::kText || filled.contains(slot.name)) continue;
    if (const auto range = behind_anchor(intent, slot.name, text, words, used))
      take({&slot, "", range->first, range->count, 0});
  }
  std::sort(slots.begin(), slots.end(),
            [](const Slot& a, const Slot& b) { return a.start < b.start; });
  return slots;
}

}  // namespace antiphon::nlu
