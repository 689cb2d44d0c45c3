// Numbers and times in words.
#include <algorithm>
#include <array>
#include <cstdio>

#include "nlu/slot_matcher.h"

namespace antiphon::nlu {
namespace {

struct Named {
  const char* word;
  int value;
};
constexpr std::array kUnits = std::to_array<Named>(
    {{"zero", 0},      {"oh", 0},        {"one", 1},      {"two", 2},        {"three", 3},
     {"four", 4},      {"five", 5},      {"six", 6},      {"seven", 7},      {"eight", 8},
     {"nine", 9},      {"ten", 10},      {"eleven", 11},  {"twelve", 12},    {"thirteen", 13},
     {"fourteen", 14}, {"fifteen", 15},  {"sixteen", 16}, {"seventeen", 17}, {"eighteen", 18},
     {"nineteen", 19}, {"first", 1},     {"second", 2},   {"third", 3},      {"fourth", 4},
     {"fifth", 5},     {"sixth", 6},     {"seventh", 7},  {"eighth", 8},     {"ninth", 9},
     {"tenth", 10},    {"eleventh", 11}, {"twelfth", 12}, {"a", 1},          {"an", 1}});
constexpr std::array kTens = std::to_array<Named>({{"twenty", 20},
                                                   {"thirty", 30},
                                                   {"forty", 40},
                                                   {"fifty", 50},
                                                   {"sixty", 60},
                                                   {"seventy", 70},
                                                   {"eighty", 80},
                                                   {"ninety", 90}});

template <std::size_t N>
int lookup(const std::array<Named, N>& table, const std::string& word) {
  for (const Named& n : table)
    if (word == n.word) return n.value;
  return -1;
}

bool all_digits(const std::string& word) {
  return !word.empty() && word.size() <= 15 &&
         std::all_of(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_article(const std::string& word) { return word == "a" || word == "an"; }

std::string clock(long long hour, long long minute) {
  char text[32];
  std::snprintf(text, sizeof text, "%02d:%02d", static_cast<int>(hour % 24),
                static_cast<int>(minute % 60));
  return text;
}

// "a m", "am", "pm", "p m", "in the evening" behind a time: shifts the hour; the number of words
// used.
std::size_t half_of_day(const std::vector<SaidWord>& words, std::size_t at, long long& hour) {
  const auto word = [&](std::size_t i) { return i < words.size() ? words[i].text : std::string(); };
  const bool split = (word(at) == "a" || word(at) == "p") && word(at + 1) == "m";
  const std::string half = split ? word(at) + "m" : word(at);
  std::size_t used = split ? 2 : 1;
  bool evening = half == "pm";
  if (half != "am" && half != "pm") {
    if (word(at) != "in" || word(at + 1) != "the") return 0;
    evening = word(at + 2) == "evening" || word(at + 2) == "afternoon";
    if (!evening && word(at + 2) != "morning") return 0;
    used = 3;
  }
  if (evening && hour < 12) hour += 12;
  if (!evening && hour == 12) hour = 0;
  return used;
}

}  // namespace

std::optional<SaidNumber> number_at(const std::vector<SaidWord>& words, std::size_t at) {
  if (at >= words.size()) return std::nullopt;
  if (all_digits(words[at].text)) return SaidNumber{std::stoll(words[at].text), 1};
  if (is_article(words[at].text)) {
    const bool counts = at + 1 < words.size() &&
                        (words[at + 1].text == "hundred" || words[at + 1].text == "thousand" ||
                         words[at + 1].text == "couple" || words[at + 1].text == "dozen");
    if (!counts) return std::nullopt;
    if (words[at + 1].text == "couple") return SaidNumber{2, 2};
    if (words[at + 1].text == "dozen") return SaidNumber{12, 2};
  }
  long long total = 0, group = -1;
  std::size_t i = at;
  for (; i < words.size(); ++i) {
    const std::string& w = words[i].text;
    const int tens = lookup(kTens, w), unit = lookup(kUnits, w);
    if (tens > 0 && (group < 0 || group % 100 == 0)) {
      group = std::max(group, 0ll) + tens;
    } else if (unit >= 0 &&
               (group < 0 || (unit > 0 && ((group % 100 == 0 && unit < 20) ||
                                           (group % 10 == 0 && group % 100 >= 20 && unit < 10)))) &&
               (!is_article(w) || i == at)) {
      group = std::max(group, 0ll) + unit;
    } else if (w == "hundred" && group > 0 && group < 100) {
      group *= 100;
    } else if (w == "thousand" && group > 0 && total == 0) {
      total = group * 1000;
      group = 0;
    } else if (w != "and" || group < 100 || i + 1 >= words.size() ||
               (lookup(kUnits, words[i + 1].text) < 0 && lookup(kTens, words[i + 1].text) < 0)) {
      break;
    }
  }
  if (group < 0) return std::nullopt;
  return SaidNumber{total + group, i - at};
}

std::optional<SaidTime> time_at(const std::vector<SaidWord>& words, std::size_t at) {
  if (at >= words.size()) return std::nullopt;
  const std::string& first = words[at].text;
  if (first == "noon" || first == "midday") return SaidTime{"12:00", 1};
  if (first == "midnight") return SaidTime{"00:00", 1};
  // 7:30, 19:05
  if (const std::size_t colon = first.find(':'); colon != std::string::npos &&
                                                 all_digits(first.substr(0, colon)) &&
                                                 all_digits(first.substr(colon + 1))) {
    long long hour = std::stoll(first.substr(0, colon));
    const long long minute = std::stoll(first.substr(colon + 1));
    if (hour > 23 || minute > 59) return std::nullopt;
    const std::size_t used = half_of_day(words, at + 1, hour);
    return SaidTime{clock(hour, minute), 1 + used};
  }
  // half past seven, quarter to nine, ten past six
  std::size_t i = at;
  long long offset = -1;
  if (first == "a" && i + 1 < words.size() && words[i + 1].text == "quarter") ++i;
  if (words[i].text == "half") offset = 30;
  if (words[i].text == "quarter") offset = 15;
  std::size_t offset_words = 1;
  if (offset < 0)
    if (const auto n = number_at(words, i); n && n->value < 60)
      offset = n->value, offset_words = n->num_words;
  const std::size_t relation = i + offset_words;
  if (offset >= 0 && relation + 1 < words.size() &&
      (words[relation].text == "past" || words[relation].text == "to")) {
    if (const auto hour_said = number_at(words, relation + 1);
        hour_said && hour_said->value <= 12) {
      long long hour = hour_said->value, minute = offset;
      if (words[relation].text == "to")
        hour = (hour + 11) % 12 ? (hour + 11) % 12 : 12, minute = 60 - offset;
      std::size_t used = relation + 1 + hour_said->num_words - at;
      used += half_of_day(words, at + used, hour);
      return SaidTime{clock(hour, minute), used};
    }
  }
  // seven, seven thirty, seven oh five, seven o'clock
  const auto hour_word = lookup(kUnits, first);
  long long hour = all_digits(first) ? std::stoll(first) : hour_word;
  if (hour < 0 || hour > 23 || is_article(first)) return std::nullopt;
  std::size_t used = 1;
  long long minute = 0;
  bool sure = false;
  if (at + 1 < words.size() && words[at + 1].text == "o'clock")
    used = 2, sure = true;
  else if (at + 2 < words.size() && words[at + 1].text == "oh")
    if (const auto m = number_at(words, at + 2); m && m->value < 10)
      minute = m->value, used = 2 + m->num_words, sure = true;
  if (!sure)
    if (const auto m = number_at(words, at + 1); m && m->value >= 10 && m->value < 60)
      minute = m->value, used = 1 + m->num_words;
  used += half_of_day(words, at + used, hour);
  return SaidTime{clock(hour, minute), used};
}

}  // namespace antiphon::nlu
