// Numbers and times in words.
#include <algorithm>
#include <array>
#include <cstdio>

#include "nlu/said_words.h"

namespace antiphon::nlu {
namespace {

struct Named {
  const char* word;
  int value;
};
constexpr auto kUnits = std::to_array<Named>(
    {{"zero", 0},         {"one", 1},         {"two", 2},        {"three", 3},
     {"four", 4},         {"five", 5},        {"six", 6},        {"seven", 7},
     {"eight", 8},        {"nine", 9},        {"ten", 10},       {"eleven", 11},
     {"twelve", 12},      {"thirteen", 13},   {"fourteen", 14},  {"fifteen", 15},
     {"sixteen", 16},     {"seventeen", 17},  {"eighteen", 18},  {"nineteen", 19},
     {"first", 1},        {"second", 2},      {"third", 3},      {"fourth", 4},
     {"fifth", 5},        {"sixth", 6},       {"seventh", 7},    {"eighth", 8},
     {"ninth", 9},        {"tenth", 10},      {"eleventh", 11},  {"twelfth", 12},
     {"thirteenth", 13},  {"fourteenth", 14}, {"fifteenth", 15}, {"sixteenth", 16},
     {"seventeenth", 17}, {"eighteenth", 18}, {"nineteenth", 19}});
constexpr auto kTens = std::to_array<Named>({{"twenty", 20},
                                             {"thirty", 30},
                                             {"forty", 40},
                                             {"fifty", 50},
                                             {"sixty", 60},
                                             {"seventy", 70},
                                             {"eighty", 80},
                                             {"ninety", 90},
                                             {"twentieth", 20},
                                             {"thirtieth", 30},
                                             {"fortieth", 40},
                                             {"fiftieth", 50}});

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

const std::string& word_at(const std::vector<SaidWord>& words, std::size_t at) {
  static const std::string kNone;
  return at < words.size() ? words[at].text : kNone;
}

// 0 to 99 in words: "seven", "seventeen", "seventy", "seventy seven".
std::optional<SaidNumber> below_hundred(const std::vector<SaidWord>& words, std::size_t at) {
  if (const int tens = lookup(kTens, word_at(words, at)); tens > 0) {
    const int unit = lookup(kUnits, word_at(words, at + 1));
    if (unit > 0 && unit < 10) return SaidNumber{tens + unit, 2};
    return SaidNumber{tens, 1};
  }
  if (const int unit = lookup(kUnits, word_at(words, at)); unit >= 0) return SaidNumber{unit, 1};
  return std::nullopt;
}

// 0 to 999 in words, "a hundred" among them; `and` may stand behind the hundreds.
std::optional<SaidNumber> below_thousand(const std::vector<SaidWord>& words, std::size_t at) {
  std::optional<SaidNumber> number = below_hundred(words, at);
  if (const std::string& w = word_at(words, at); !number && (w == "a" || w == "an"))
    number = SaidNumber{1, 1};
  if (!number) return std::nullopt;
  const std::size_t hundred = at + number->num_words;
  if (word_at(words, hundred) != "hundred" || number->value == 0) {
    if (word_at(words, at) == "a" || word_at(words, at) == "an") return std::nullopt;
    return number;
  }
  number->value *= 100;
  number->num_words += 1;
  const std::size_t joint = word_at(words, hundred + 1) == "and" ? 1 : 0;
  if (const auto rest = below_hundred(words, hundred + 1 + joint); rest && rest->value > 0) {
    number->value += rest->value;
    number->num_words += joint + rest->num_words;
  }
  return number;
}

std::string clock(long long hour, long long minute) {
  char text[32];
  std::snprintf(text, sizeof text, "%02d:%02d", static_cast<int>(hour % 24),
                static_cast<int>(minute % 60));
  return text;
}

// A time on a clock of twelve or twenty-four hours, and the words that say it.
struct Clock {
  long long hour = 0, minute = 0;
  std::size_t num_words = 0;
  bool sure = true;
};

// "am", "p m", "in the evening" behind a time shift its hour.
void add_half_of_day(const std::vector<SaidWord>& words, std::size_t at, Clock& time) {
  const std::size_t next = at + time.num_words;
  const std::string& w = word_at(words, next);
  const bool split = (w == "a" || w == "p") && word_at(words, next + 1) == "m";
  const std::string half = split ? w + "m" : w;
  std::size_t used = split ? 2 : 1;
  bool evening = half == "pm";
  if (half != "am" && half != "pm") {
    const bool night = w == "at" && word_at(words, next + 1) == "night";
    const bool named = w == "in" && word_at(words, next + 1) == "the";
    const std::string& part = word_at(words, next + 2);
    if (!night && !(named && (part == "morning" || part == "afternoon" || part == "evening")))
      return;
    evening = night || part != "morning";
    used = night ? 2 : 3;
  }
  if (evening && time.hour < 12) time.hour += 12;
  if (!evening && time.hour == 12) time.hour = 0;
  time.num_words += used;
  time.sure = true;
}

// "7:30", "7pm", "7:30am": digits in one word.
std::optional<Clock> written_time(const std::string& word) {
  std::string digits = word;
  Clock time{0, 0, 1, true};
  const std::string half = digits.size() > 2 ? digits.substr(digits.size() - 2) : "";
  const bool has_half = half == "am" || half == "pm";
  if (has_half) digits.resize(digits.size() - 2);
  const std::size_t colon = digits.find(':');
  if (colon == std::string::npos && !has_half) return std::nullopt;
  const std::string hour = digits.substr(0, colon);
  const std::string minute = colon == std::string::npos ? "0" : digits.substr(colon + 1);
  if (!all_digits(hour) || !all_digits(minute)) return std::nullopt;
  time.hour = std::stoll(hour);
  time.minute = std::stoll(minute);
  if (time.hour > 23 || time.minute > 59) return std::nullopt;
  if (half == "pm" && time.hour < 12) time.hour += 12;
  if (half == "am" && time.hour == 12) time.hour = 0;
  return time;
}

// "half past seven", "a quarter to nine", "ten past six".
std::optional<Clock> relative_time(const std::vector<SaidWord>& words, std::size_t at) {
  std::size_t i = at + (word_at(words, at) == "a" && word_at(words, at + 1) == "quarter" ? 1 : 0);
  long long minutes = -1;
  if (word_at(words, i) == "half") minutes = 30;
  if (word_at(words, i) == "quarter") minutes = 15;
  if (minutes >= 0) {
    ++i;
  } else if (const auto n = number_at(words, i); n && n->value > 0 && n->value < 60) {
    minutes = n->value;
    i += n->num_words;
  }
  if (word_at(words, i) == "minutes") ++i;
  const std::string& relation = word_at(words, i);
  const bool past = relation == "past" || relation == "after", to = relation == "to";
  if (minutes < 0 || (!past && !to)) return std::nullopt;
  const auto hour = number_at(words, i + 1);
  if (!hour || hour->value < 1 || hour->value > 12 || hour->num_words != 1) return std::nullopt;
  Clock time{hour->value, minutes, i + 1 + hour->num_words - at, true};
  if (to) {
    time.hour = hour->value == 1 ? 12 : hour->value - 1;
    time.minute = 60 - minutes;
  }
  return time;
}

// "seven", "seven thirty", "seven oh five", "seven o'clock".
std::optional<Clock> plain_time(const std::vector<SaidWord>& words, std::size_t at) {
  const std::string& first = words[at].text;
  const auto said = all_digits(first) ? SaidNumber{std::stoll(first), 1}
                                      : below_hundred(words, at).value_or(SaidNumber{-1, 0});
  if (said.value < 0 || said.value > 23) return std::nullopt;
  Clock time{said.value, 0, said.num_words, false};
  const std::size_t next = at + said.num_words;
  if (const std::string& w = word_at(words, next); w == "o'clock" || w == "oclock") {
    time.num_words += 1;
    time.sure = true;
  } else if (w == "oh") {
    if (const auto m = number_at(words, next + 1); m && m->value > 0 && m->value < 10)
      time = {said.value, m->value, said.num_words + 1 + m->num_words, true};
  } else if (const auto m = number_at(words, next); m && m->value >= 10 && m->value < 60) {
    time = {said.value, m->value, said.num_words + m->num_words, true};
  }
  return time;
}

}  // namespace

std::optional<SaidNumber> number_at(const std::vector<SaidWord>& words, std::size_t at) {
  const std::string& first = word_at(words, at);
  if (all_digits(first)) return SaidNumber{std::stoll(first), 1};
  if (first == "dozen") return SaidNumber{12, 1};
  if (first == "a" || first == "an") {
    const std::string& next = word_at(words, at + 1);
    if (next == "dozen") return SaidNumber{12, 2};
    if (next == "couple") return SaidNumber{2, word_at(words, at + 2) == "of" ? 3u : 2u};
    if (next == "thousand") return SaidNumber{1000, 2};
  }
  std::optional<SaidNumber> number = below_thousand(words, at);
  if (!number || number->value == 0) return number;
  if (word_at(words, at + number->num_words) != "thousand") return number;
  number->value *= 1000;
  number->num_words += 1;
  const std::size_t next = at + number->num_words;
  const std::size_t joint = word_at(words, next) == "and" ? 1 : 0;
  if (const auto rest = below_thousand(words, next + joint); rest && rest->value > 0) {
    number->value += rest->value;
    number->num_words += joint + rest->num_words;
  }
  return number;
}

std::optional<SaidTime> time_at(const std::vector<SaidWord>& words, std::size_t at) {
  if (at >= words.size()) return std::nullopt;
  const std::string& first = words[at].text;
  if (first == "noon" || first == "midday") return SaidTime{"12:00", 1};
  if (first == "midnight") return SaidTime{"00:00", 1};
  std::optional<Clock> time = written_time(first);
  if (!time) time = relative_time(words, at);
  if (!time) time = plain_time(words, at);
  if (!time) return std::nullopt;
  add_half_of_day(words, at, *time);
  return SaidTime{clock(time->hour, time->minute), time->num_words, time->sure};
}

}  // namespace antiphon::nlu
