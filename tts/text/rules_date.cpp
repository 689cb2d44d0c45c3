// Dates, decades and weekdays.
#include <algorithm>
#include <array>
#include <iterator>

#include "tts/text/number_words.h"
#include "tts/text/rules.h"

namespace antiphon::tts {
namespace {

constexpr std::array<const char*, 13> kMonths = {
    "",     "january", "february",  "march",   "april",    "may",     "june",
    "july", "august",  "september", "october", "november", "december"};

struct Short {
  const char* text;
  const char* full;
};
constexpr Short kWeekdays[] = {{"mon", "monday"},     {"tue", "tuesday"},  {"tues", "tuesday"},
                               {"wed", "wednesday"},  {"thu", "thursday"}, {"thur", "thursday"},
                               {"thurs", "thursday"}, {"fri", "friday"},   {"sat", "saturday"},
                               {"sun", "sunday"}};

bool is_day(const Tokens& t, std::size_t i) {
  return t.is_digits(i) && t[i].text.size() <= 2 && small_value(t[i].text) >= 1 &&
         small_value(t[i].text) <= 31;
}

bool is_year(const Tokens& t, std::size_t i) {
  return t.is_digits(i) && t[i].text.size() == 4 && t[i].text[0] != '0' &&
         !(t.joined_sign(i + 1, ',') && t.joined(i + 2) && t.is_digits(i + 2));
}

bool is_suffix(const Tokens& t, std::size_t i) {
  return t.joined(i) &&
         (t.lower_is(i, "st") || t.lower_is(i, "nd") || t.lower_is(i, "rd") || t.lower_is(i, "th"));
}

// A month's name at i as part of a date; returns the tokens used with a dot after an abbreviation.
std::size_t month_tokens(const Tokens& t, std::size_t i, int& month) {
  if (!t.is_capital(i)) return 0;
  month = month_of(t[i].lower);
  if (month == 0) return 0;
  return t[i].lower.size() <= 4 && t[i].lower != kMonths[static_cast<std::size_t>(month)] &&
                 t.joined_sign(i + 1, '.')
             ? 2
             : 1;
}

// ", 2024" or " 2024" at i: says it and returns the tokens used.
std::size_t say_year_after(const Tokens& t, std::size_t i, Speech& out) {
  const std::size_t comma = t.joined_sign(i, ',') ? 1 : 0;
  if (!is_year(t, i + comma) || t.joined(i + comma)) return 0;
  if (comma) out.mark(',');
  say(t, i + comma, i + comma + 1, year(t[i + comma].text), out);
  return comma + 1;
}

}  // namespace

int month_of(std::string_view lower) {
  if (lower == "sept") return 9;
  for (int m = 1; m <= 12; ++m) {
    const std::string_view name = kMonths[static_cast<std::size_t>(m)];
    if (lower == name || (lower.size() == 3 && name.starts_with(lower))) return m;
  }
  return 0;
}

std::size_t numeric_date(const Tokens& t, std::size_t i, Speech& out) {
  if (!t.is_digits(i) || (t.joined(i) && (t.is_word(i - 1) || t.is_sign(i - 1, '/') ||
                                          t.is_sign(i - 1, '-') || t.is_sign(i - 1, '.'))))
    return 0;
  const char separator =
      t[i + 1].kind == TokenKind::kSign && t.joined(i + 1) && !t[i + 1].text.empty()
          ? t[i + 1].text[0]
          : 0;
  if (separator != '/' && separator != '-' && separator != '.') return 0;
  if (!t.joined(i + 2) || !t.is_digits(i + 2) || !t.joined_sign(i + 3, separator) ||
      !t.joined(i + 4) || !t.is_digits(i + 4))
    return 0;
  if (t.joined(i + 5) &&
      (t.is_word(i + 5) || (t.is_sign(i + 5, separator) && t.joined(i + 6) && t.is_digits(i + 6))))
    return 0;
  std::size_t y = i + 4, m = i, d = i + 2;
  if (t[i].text.size() == 4) {
    y = i, m = i + 2, d = i + 4;
  } else if (separator == '.' || small_value(t[i].text) > 12) {
    m = i + 2, d = i;
  }
  const int month = small_value(t[m].text);
  const bool two_digit_year = t[y].text.size() == 2 && separator == '/';
  if (month < 1 || month > 12 || t[m].text.size() > 2 || !is_day(t, d) ||
      (t[y].text.size() != 4 && !two_digit_year))
    return 0;
  std::string full = t[y].text;
  if (two_digit_year) full = (small_value(full) < 50 ? "20" : "19") + full;
  say(t, i, i + 5, std::string(kMonths[static_cast<std::size_t>(month)]) + " " + ordinal(t[d].text),
      out);
  out.mark(',');
  say(t, i, i + 5, year(full), out);
  return 5;
}

std::size_t month_date(const Tokens& t, std::size_t i, Speech& out) {
  int month = 0;
  std::size_t n = month_tokens(t, i, month);
  if (n == 0) return 0;
  const char* name = kMonths[static_cast<std::size_t>(month)];
  const std::size_t day = i + n;
  if (is_day(t, day) && !t.joined(day) && !t.joined_sign(day + 1, ':') &&
      !t.joined_sign(day + 1, '%')) {
    say(t, i, i + n, name, out);
    n += is_suffix(t, day + 1) ? 2 : 1;
    say(t, day, i + n, ordinal(t[day].text), out);
    const std::size_t to = i + n + 1;  // "May 5-7"
    if ((t.joined_sign(to - 1, '-') || t.joined_sign(to - 1, kEnDash)) && t.joined(to) &&
        is_day(t, to) && !t.joined_sign(to + 1, '-')) {
      say(t, to - 1, to, "to", out);
      n += is_suffix(t, to + 1) ? 3 : 2;
      say(t, to, i + n, ordinal(t[to].text), out);
    }
    return n + say_year_after(t, i + n, out);
  }
  if (is_year(t, day) && !t.joined(day)) {
    say(t, i, i + n, name, out);
    say(t, day, day + 1, year(t[day].text), out);
    return n + 1;
  }
  if (n == 2 || (t[i].lower.size() <= 4 && t[i].lower != name && t[i].lower != "mar" &&
                 t[i].lower != "jan" && t[i].lower != "dec")) {
    say(t, i, i + 1, name, out);
    return n == 2 ? 1 + abbreviation_dot(t, i + 1, false, out) : 1;
  }
  return 0;
}

std::size_t day_month_date(const Tokens& t, std::size_t i, Speech& out) {
  if (!is_day(t, i) || t.joined(i)) return 0;
  std::size_t j = i + 1;
  if (is_suffix(t, j)) ++j;
  if (t.lower_is(j, "of")) ++j;
  int month = 0;
  const std::size_t n = month_tokens(t, j, month);
  if (n == 0 || t.joined(j)) return 0;
  const bool may_verb = month == 5 && j == i + 1 && t.is_word(j + 1);
  if (may_verb && !t.is_capital(j)) return 0;
  const bool the = i > 0 && t.lower_is(i - 1, "the");
  say(t, i, j, (the ? "" : "the ") + ordinal(t[i].text) + " of", out);
  say(t, j, j + n, kMonths[static_cast<std::size_t>(month)], out);
  return j + n - i + say_year_after(t, j + n, out);
}

std::size_t decade(const Tokens& t, std::size_t i, Speech& out) {
  const std::size_t apostrophe = t.is_sign(i, '\'') ? 1 : 0;
  const std::size_t d = i + apostrophe;
  if (!t.is_digits(d) || (apostrophe && !t.joined(d))) return 0;
  const std::string& text = t[d].text;
  std::size_t end = d + 1;
  if (t.joined_sign(end, '\'')) ++end;
  const bool s = t.joined(end) && t[end].text == "s";
  if (s && text.ends_with("0") && (text.size() == 2 || text.size() == 4) && text[0] != '0') {
    const std::string words = text.size() == 4 ? year(text) : cardinal(text);
    say(t, i, end + 1, plural_of(words), out);
    return end + 1 - i;
  }
  // '68 alone
  if (apostrophe && !t.joined(i) && text.size() == 2 && !t.joined(d + 1)) {
    say(t, i, d + 1, text[0] == '0' ? "oh " + cardinal(text) : cardinal(text), out);
    return 2;
  }
  return 0;
}

std::size_t weekday(const Tokens& t, std::size_t i, Speech& out) {
  if (!t.is_capital(i)) return 0;
  const auto is_short = [&](std::size_t k) {
    return t.is_capital(k) && std::any_of(std::begin(kWeekdays), std::end(kWeekdays),
                                          [&](const Short& day) { return t[k].lower == day.text; });
  };
  const auto links = [&](std::size_t k) {
    return t.is_sign(k, '-') || t.is_sign(k, kEnDash) || t.is_sign(k, '/') || t.lower_is(k, "to") ||
           t.lower_is(k, "and") || t.lower_is(k, "or");
  };
  for (const Short& day : kWeekdays) {
    if (t[i].lower != day.text) continue;
    const std::size_t dot = t.joined_sign(i + 1, '.') ? 1 : 0;
    const std::size_t after = i + 1 + dot + (t.joined_sign(i + 1 + dot, ',') ? 1 : 0);
    const std::size_t past = i > 1 && t.is_sign(i - 2, '.') ? 3 : 2;
    const bool paired = (links(i + 1 + dot) && is_short(i + 2 + dot)) ||
                        (i >= past && links(i - 1) && is_short(i - past));
    const bool dated = t.is_digits(after) || month_of(t[after].lower) != 0 || paired;
    const bool word_too = t[i].lower == "sun" || t[i].lower == "sat" || t[i].lower == "mon" ||
                          t[i].lower == "wed" || t[i].lower == "fri";
    if (!dated && (word_too || !dot)) return 0;
    say(t, i, i + 1, day.full, out);
    const std::size_t hyphen = i + 1 + dot;
    if (paired && (t.joined_sign(hyphen, '-') || t.joined_sign(hyphen, kEnDash))) {
      say(t, hyphen, hyphen + 1, "to", out);
      return 2 + dot;
    }
    return 1 + abbreviation_dot(t, i + 1, false, out);
  }
  return 0;
}

}  // namespace antiphon::tts
