// Clock times and dates.
#include "asr/text/number_words.h"

namespace antiphon::asr {
namespace {

constexpr const char* kMonths[] = {"january",   "february", "march",    "april",
                                   "may",       "june",     "july",     "august",
                                   "september", "october",  "november", "december"};

std::string raised(std::string_view word) {
  std::string out(word);
  if (!out.empty() && out[0] >= 'a' && out[0] <= 'z')
    out[0] = static_cast<char>(out[0] - 'a' + 'A');
  return out;
}

std::string two_digits(long long n) { return (n < 10 ? "0" : "") + std::to_string(n); }

// "a m", "pm": " AM", " PM", and the words it takes; else empty.
std::string half_of_day(Words& words, std::size_t place, std::size_t* num_words) {
  const std::string_view w = words.at(place);
  *num_words = w == "am" || w == "pm"                                 ? 1
               : (w == "a" || w == "p") && words.at(place + 1) == "m" ? 2
                                                                      : 0;
  if (*num_words == 0) return "";
  return w[0] == 'a' ? " AM" : " PM";
}

bool names_part_of_day(Words& words, std::size_t place) {
  if (words.at(place) != "in" || words.at(place + 1) != "the") return false;
  return is_one_of(words.at(place + 2), {"morning", "afternoon", "evening"});
}

bool before_a_time(Words& words, std::size_t place) {
  return is_one_of(words.before(place),
                   {"at", "by", "until", "till", "before", "after", "around", "from", "for"});
}

// "half past seven", "a quarter to nine", "ten past six".
bool write_relative(Words& words, std::size_t place, Part& part) {
  std::size_t at = place + (words.at(place) == "a" && words.at(place + 1) == "quarter" ? 1 : 0);
  long long minutes = words.at(at) == "half" ? 30 : words.at(at) == "quarter" ? 15 : 0;
  const bool named = minutes > 0;
  if (named) {
    ++at;
  } else {
    const auto n = below_hundred_at(words, at);
    if (!n || n->value > 29) return false;
    minutes = n->value;
    at += n->num_words;
  }
  const bool counted = words.at(at) == "minutes";
  if (counted) ++at;
  const bool past = words.at(at) == "past", to = words.at(at) == "to" && minutes != 30;
  if (!past && !to) return false;
  const auto hour = below_hundred_at(words, at + 1);
  if (!hour || hour->num_words != 1 || hour->value > 12) return false;
  if (!named && !counted) {
    if (minutes % 5 != 0) return false;
    // "ten to one" may be odds: only where a time is expected.
    const std::string_view w = words.before(place);
    const bool says_time =
        is_one_of(w, {"at", "by", "until", "till", "it's", "before", "around"}) ||
        (w == "is" && is_one_of(words.before(place, 2), {"it", "time"}));
    if (to && !says_time) return false;
  }
  const long long h = to ? (hour->value == 1 ? 12 : hour->value - 1) : hour->value;
  part.text = std::to_string(h) + ":" + two_digits(to ? 60 - minutes : minutes);
  part.num_words = at + 1 + hour->num_words - place;
  return true;
}

}  // namespace

bool write_time(Words& words, std::size_t place, Part& part) {
  std::size_t num_half = 0;
  if (write_relative(words, place, part)) {
    part.text += half_of_day(words, place + part.num_words, &num_half);
    part.num_words += num_half;
    return true;
  }
  const auto hour = below_hundred_at(words, place);
  const bool expected = before_a_time(words, place);
  // Hours of the afternoon only where a time is expected, and with minutes.
  if (!hour || hour->value > (expected ? 23 : 12)) return false;
  const std::size_t next = place + hour->num_words;
  if (is_one_of(words.at(next), {"o'clock", "oclock"})) {
    part.text = std::to_string(hour->value) + " o'clock";
    part.num_words = hour->num_words + 1;
    return true;
  }
  std::size_t end = next;
  std::string minutes;
  if (words.at(next) == "oh" && unit_of(words.at(next + 1)) > 0 &&
      digit_of(words.at(next + 2)) < 0) {
    minutes = "0" + std::to_string(unit_of(words.at(next + 1)));
    end = next + 2;
  } else if (const auto m = below_hundred_at(words, next); m && m->value >= 10 && m->value < 60) {
    minutes = std::to_string(m->value);
    end = next + m->num_words;
  }
  const std::string half = half_of_day(words, end, &num_half);
  const bool day = names_part_of_day(words, end);
  if (minutes.empty()) {
    if (hour->value > 12 || (half.empty() && !(day && expected))) return false;
  } else {
    const bool round = minutes.back() == '0' || minutes.back() == '5';
    const std::string_view behind = words.at(end);
    if (is_one_of(behind,
                  {"hundred", "thousand", "million", "point", "percent", "dollars", "minutes",
                   "seconds", "hours", "people", "degrees", "kilometers", "miles"}))
      return false;
    const bool number_behind =
        digit_of(behind) >= 0 || teen_of(behind) >= 0 || tens_of(behind) >= 0;
    if (half.empty() && number_behind) return false;  // a date or a code
    if (half.empty() && !day && !expected && (!round || minutes[0] == '0')) return false;
    minutes.insert(0, ":");
  }
  part.text = std::to_string(hour->value) + minutes + half;
  part.num_words = end + num_half - place;
  return true;
}

bool write_date(Words& words, std::size_t place, Part& part) {
  const Number first = ordinal_at(words, place);
  if (first.num_words && first.value <= 31 && words.at(place + first.num_words) == "of" &&
      is_one_of(words.at(place + first.num_words + 1), kMonths)) {
    // "the fifth of november": the day here, the month and its year with it.
    const std::size_t month = place + first.num_words + 1;
    const long long n = first.value;
    const char* ending = n % 10 == 1 && n != 11   ? "st"
                         : n % 10 == 2 && n != 12 ? "nd"
                         : n % 10 == 3 && n != 13 ? "rd"
                                                  : "th";
    part.text = std::to_string(n) + ending + " of " + raised(words.at(month));
    part.num_words = first.num_words + 2;
    if (const auto year = year_at(words, month + 1, true)) {
      part.text += " " + std::to_string(year->value);
      part.num_words += year->num_words;
    }
    return true;
  }
  const std::string_view month = words.at(place);
  if (!is_one_of(month, kMonths)) return false;
  const bool verb = month == "may" || month == "march";  // "you may", "they march"
  const std::string_view before = words.before(place);
  const bool subject =
      is_one_of(before, {"i", "you", "we", "they", "he", "she", "it", "who", "which", "there"});
  const std::size_t the = words.at(place + 1) == "the" ? 1 : 0;
  const Number day = ordinal_at(words, place + 1 + the);
  std::size_t end = place + 1;
  part.text = raised(month);
  if (day.num_words && day.value <= 31 && !(verb && subject)) {
    part.text += " " + std::to_string(day.value);
    end += the + day.num_words;
  }
  if (const auto year = year_at(words, end, true); year && !(verb && subject)) {
    part.text += (end > place + 1 ? ", " : " ") + std::to_string(year->value);
    end += year->num_words;
  }
  part.num_words = end - place;
  // Alone it is a name, and "may" at the start of a sentence or after "to" mostly is none.
  if (part.num_words == 1 && verb)
    return is_one_of(before, {"in", "of", "until", "since", "next", "last", "this", "early", "late",
                              "every"}) &&
           !is_one_of(words.at(place + 1), {"i", "we", "you", "be", "not"});
  return true;
}

}  // namespace antiphon::asr
