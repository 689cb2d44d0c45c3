// Times of day.
#include "tts/text/number_words.h"
#include "tts/text/rules.h"

namespace antiphon::tts {
namespace {

// "am", "p.m.", "PM" at i; `letters` gets "AM" or "PM". Returns the tokens used without the last
// dot.
std::size_t read_half(const Tokens& t, std::size_t i, const char*& letters) {
  if (t.lower_is(i, "am") || t.lower_is(i, "pm")) {
    letters = t[i].lower[0] == 'a' ? "AM" : "PM";
    return 1;
  }
  if ((t.lower_is(i, "a") || t.lower_is(i, "p")) && t.joined_sign(i + 1, '.') && t.joined(i + 2) &&
      t.lower_is(i + 2, "m")) {
    letters = t[i].lower[0] == 'a' ? "AM" : "PM";
    return 3;
  }
  return 0;
}

std::size_t say_half(const Tokens& t, std::size_t i, Speech& out) {
  const char* letters = nullptr;
  const std::size_t n = read_half(t, i, letters);
  if (n == 0) return 0;
  out.spell(letters, t[i].begin, t[i + n - 1].end);
  return n == 3 ? n + abbreviation_dot(t, i + n, true, out) : n;
}

std::string minutes_words(const std::string& minutes) {
  return minutes[0] == '0' ? "oh " + cardinal(minutes) : cardinal(minutes);
}

}  // namespace

std::size_t day_half(const Tokens& t, std::size_t i, Speech& out) {
  return t.joined_sign(i + 1, '.') && t.joined(i + 2) ? say_half(t, i, out) : 0;
}

std::size_t clock_time(const Tokens& t, std::size_t i, Speech& out) {
  if (!t.is_digits(i) || t[i].text.size() > 2 ||
      (t.joined(i) && (t.is_sign(i - 1, ':') || t.is_sign(i - 1, '.') || t.is_word(i - 1))))
    return 0;
  const int hour = small_value(t[i].text);
  const char* letters = nullptr;
  if (const std::size_t n = read_half(t, i + 1, letters); n && hour >= 1 && hour <= 12) {
    if (n == 1 && !t.joined(i + 1) && t[i + 1].text == "am" && t.is_word(i + 2))
      return 0;  // "the 9 am I"
    say(t, i, i + 1, cardinal(t[i].text), out);
    return 1 + say_half(t, i + 1, out);
  }
  if (t.lower_is(i + 1, "o'clock")) {
    say(t, i, i + 1, cardinal(t[i].text), out);
    say(t, i + 1, i + 2, "o'clock", out);
    return 2;
  }
  if (!t.joined_sign(i + 1, ':') || !t.joined(i + 2) || !t.is_digits(i + 2) ||
      t[i + 2].text.size() != 2)
    return 0;
  const int minute = small_value(t[i + 2].text);
  if (hour > 24 || minute > 59) return 0;
  std::size_t j = i + 3;
  const bool seconds =
      t.joined_sign(j, ':') && t.joined(j + 1) && t.is_digits(j + 1) && t[j + 1].text.size() == 2;
  if (t.joined_sign(j, ':') && !seconds) {
    if (t.joined(j + 1)) return 0;
  }
  const std::size_t half = read_half(t, seconds ? j + 2 : j, letters);
  std::string words = hour == 0 && !half ? "zero" : cardinal(t[i].text);
  if (minute == 0 && !half && !seconds) {
    words = hour == 0 || hour == 24 ? "midnight"
            : hour > 12             ? words + " hundred"
                                    : words + " o'clock";
  } else if (minute != 0 || seconds) {
    words += " " + (minute == 0 ? std::string("hundred") : minutes_words(t[i + 2].text));
  }
  say(t, i, i + 3, words, out);
  if (seconds) {
    const int s = small_value(t[j + 1].text);
    say(t, j, j + 2, "and " + cardinal(t[j + 1].text) + (s == 1 ? " second" : " seconds"), out);
    j += 2;
  }
  return j - i + (half ? say_half(t, j, out) : 0);
}

}  // namespace antiphon::tts
