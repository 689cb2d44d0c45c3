// Numbers: fractions, ratios, sizes, heights, ordinals, measures and plain numbers.
#include "tts/text/number_words.h"
#include "tts/text/rules.h"

namespace antiphon::tts {
namespace {

// "3/4" at i with both parts joined; returns the words, empty if it is not a fraction.
std::string fraction_words(const Tokens& t, std::size_t i) {
  if (!t.is_digits(i) || !t.joined_sign(i + 1, '/') || !t.joined(i + 2) || !t.is_digits(i + 2))
    return {};
  if (t.joined_sign(i + 3, '/')) return {};
  const int top = small_value(t[i].text);
  const int bottom = small_value(t[i + 2].text);
  if (top < 0 || bottom < 1) return {};
  if ((top == 24 && bottom == 7) || (top == 9 && bottom == 11) || (top == bottom && top >= 20))
    return cardinal(t[i].text) + " " + cardinal(t[i + 2].text);
  if (bottom == 2 && top == 1) return "one half";
  if (bottom == 2) return cardinal(t[i].text) + " halves";
  if (bottom == 4) return cardinal(t[i].text) + (top == 1 ? " quarter" : " quarters");
  if (bottom > 2 && bottom <= 100 && top < bottom && (top < 10 || bottom >= 16)) {
    return cardinal(t[i].text) + " " +
           (top == 1 ? ordinal(t[i + 2].text) : plural_of(ordinal(t[i + 2].text)));
  }
  return cardinal(t[i].text) + (top < bottom ? " out of " : " over ") + cardinal(t[i + 2].text);
}

bool is_ordinal_suffix(const Tokens& t, std::size_t i) {
  return t.joined(i) &&
         (t.lower_is(i, "st") || t.lower_is(i, "nd") || t.lower_is(i, "rd") || t.lower_is(i, "th"));
}

// Whether four digits are a year here: "in 1984", "1984 was", but not "1984 people".
bool reads_as_year(const Tokens& t, std::size_t i, std::size_t next) {
  const int value = small_value(t[i].text);
  if (t[i].text.size() != 4 || value < 1100 || value > 2099) return false;
  for (const char* word :
       {"in", "since", "until", "till", "year", "from", "before", "after", "by", "circa", "during",
        "late", "early", "spring", "summer", "autumn", "fall", "winter"}) {
    if (i > 0 && t.lower_is(i - 1, word)) return true;
  }
  const std::string& after = t[next].lower;
  const bool counted =
      t.is_word(next) && !t.is_capital(next) && !t.joined(next) &&
      ((after.size() > 3 && after.ends_with("s") && !after.ends_with("ss")) || after == "people" ||
       after == "men" || after == "women" || after == "children" || after == "dollars");
  return !counted;
}

bool minus_before(const Tokens& t, std::size_t i) {
  return (t.is_sign(i, '-') || t.is_sign(i, kMinus)) && t.joined(i + 1) &&
         (!t.joined(i) || t.is_sign(i - 1, '('));
}

// A measure before what it describes has no plural: "a 10 kg bag", "the 5 km race".
bool describes(const Tokens& t, std::size_t begin, std::size_t next) {
  if (begin == 0 || t.joined(begin)) return false;
  if (t.lower_is(begin - 1, "a") || t.lower_is(begin - 1, "an")) return true;
  if (!t.lower_is(begin - 1, "the") || !t.is_word(next) || t.joined(next)) return false;
  for (const char* word :
       {"of",  "that", "which", "in",      "from",   "to",    "and", "or", "is",   "are",
        "was", "were", "i",     "you",     "he",     "she",   "it",  "we", "they", "on",
        "at",  "for",  "with",  "between", "before", "after", "a",   "the"})
    if (t.lower_is(next, word)) return false;
  return true;
}

// What follows a number: ordinal suffix, unit, or nothing. Says all from `begin`.
std::size_t say_measured(const Tokens& t, std::size_t begin, std::size_t at, const WrittenNumber& n,
                         const std::string& sign_words, Speech& out) {
  if (n.fraction.empty() && is_ordinal_suffix(t, n.next)) {
    say(t, begin, n.next + 1, sign_words + ordinal(n.whole), out);
    return n.next + 1 - begin;
  }
  std::string one, many;
  const bool hyphen = t.joined_sign(n.next, '-') && t.joined(n.next + 1) && t.is_word(n.next + 1) &&
                      t[n.next + 1].text.size() > 1;
  const std::size_t unit = n.next + (hyphen ? 1 : 0);
  if (const std::size_t used = read_unit(t, unit, t.joined(unit), one, many)) {
    say(t, begin, n.next, sign_words + words_of(n), out);
    const bool single = n.is_one() || hyphen || describes(t, begin, unit + used);
    say(t, unit, unit + used, single ? one : many, out);
    // "in." after a number ends with a dot of its own only in the middle of a sentence
    return unit + used - begin;
  }
  const bool bare = n.fraction.empty() && !n.grouped;
  std::string words = words_of(n);
  if (bare && sign_words.empty() && reads_as_year(t, at, n.next)) {
    words = year(n.whole);
  } else if (bare) {
    words = plain_number(n.whole);
    const bool dialled = at > 0 && (t.lower_is(at - 1, "call") || t.lower_is(at - 1, "dial") ||
                                    t.lower_is(at - 1, "called"));
    if (dialled && n.whole.size() == 3) words = digits_one_by_one(n.whole);
  }
  say(t, begin, n.next, sign_words + words, out);
  return n.next - begin;
}

}  // namespace

bool read_number(const Tokens& t, std::size_t i, WrittenNumber& number) {
  number = {};
  std::size_t j = i;
  if (t.is_digits(j)) {
    number.whole = t[j++].text;
    if (number.whole.size() <= 3) {
      while (t.joined_sign(j, ',') && t.joined(j + 1) && t.is_digits(j + 1) &&
             t[j + 1].text.size() == 3) {
        number.whole += t[j + 1].text;
        number.grouped = true;
        j += 2;
      }
    }
  } else if (!t.is_sign(j, '.') || t.joined(j)) {
    return false;
  }
  if (t.is_sign(j, '.') && (t.joined(j) || j == i) && t.joined(j + 1) && t.is_digits(j + 1)) {
    number.fraction = t[j + 1].text;
    j += 2;
  } else if (j == i) {
    return false;
  }
  number.next = j;
  return true;
}

std::string words_of(const WrittenNumber& number) {
  return number.fraction.empty() ? cardinal(number.whole) : decimal(number.whole, number.fraction);
}

std::size_t fraction(const Tokens& t, std::size_t i, Speech& out) {
  if (!t.is_digits(i) || (t.joined(i) && t.is_sign(i - 1, '/'))) return 0;
  if (t.is_digits(i + 1) && !t.joined(i + 1) && t.joined_sign(i + 2, '/') && t.joined(i + 3)) {
    const std::string part = fraction_words(t, i + 1);
    const int top = small_value(t[i + 1].text);
    if (!part.empty() && top > 0 && top < small_value(t[i + 3].text)) {
      std::string one, many;
      say(t, i, i + 4, cardinal(t[i].text) + " and " + (part == "one half" ? "a half" : part), out);
      const std::size_t unit = read_unit(t, i + 4, t.joined(i + 4), one, many);
      if (unit) say(t, i + 4, i + 4 + unit, many, out);
      return 4 + unit;
    }
  }
  const std::string words = fraction_words(t, i);
  if (words.empty()) return 0;
  const bool of_one = t.lower_is(i + 3, "a") || t.lower_is(i + 3, "an") || t.lower_is(i + 3, "the");
  say(t, i, i + 3, words == "one half" && of_one ? "half" : words, out);
  return 3;
}

std::size_t ratio_or_size(const Tokens& t, std::size_t i, Speech& out) {
  WrittenNumber part;
  if (!t.is_digits(i) || !read_number(t, i, part)) return 0;
  std::size_t from = i;
  // A loop, not a recursion: the text decides how many parts there are, as in "3 x 4 x 5".
  while (true) {
    const std::size_t at = part.next;
    const bool cross =
        t.is_sign(at, kTimes) || (t[at].text == "x" && t.joined(at) == t.joined(at + 1));
    const bool ratio = t.joined_sign(at, ':') && t.joined(at + 1);
    WrittenNumber next;
    if ((!cross && !ratio) || !t.is_digits(at + 1) || !read_number(t, at + 1, next)) break;
    say(t, from, at, words_of(part), out);
    say(t, at, at + 1, cross ? "by" : "to", out);
    from = at + 1;
    part = std::move(next);
  }
  if (from == i) return 0;
  std::string one, many;
  say(t, from, part.next, words_of(part), out);
  const std::size_t unit = read_unit(t, part.next, t.joined(part.next), one, many);
  if (unit) say(t, part.next, part.next + unit, many, out);
  return part.next + unit - i;
}

std::size_t feet_and_inches(const Tokens& t, std::size_t i, Speech& out) {
  if (t.is_digits(i) && t.joined_sign(i + 1, '\'') && !t.joined(i + 2)) {
    for (const char* word : {"wide", "tall", "high", "long", "deep"}) {
      if (!t.lower_is(i + 2, word)) continue;
      say(t, i, i + 2, cardinal(t[i].text) + (t[i].text == "1" ? " foot" : " feet"), out);
      return 2;
    }
  }
  if (!t.is_digits(i) || t[i].text.size() > 2 || !t.joined_sign(i + 1, '\'') || !t.joined(i + 2) ||
      !t.is_digits(i + 2))
    return 0;
  if (small_value(t[i + 2].text) > 11) return 0;
  const std::size_t quote = t.joined_sign(i + 3, '"') ? 1 : 0;
  say(t, i, i + 3 + quote, cardinal(t[i].text) + " foot " + cardinal(t[i + 2].text), out);
  return 3 + quote;
}

std::size_t number(const Tokens& t, std::size_t i, Speech& out) {
  const bool minus = minus_before(t, i);
  const bool plus = t.is_sign(i, '+') && !t.joined(i) && t.joined(i + 1);
  const bool about = t.is_sign(i, '~') && !t.joined(i) && t.joined(i + 1);
  const bool pound = t.is_sign(i, '#') && !t.joined(i) && t.joined(i + 1) && t.is_digits(i + 1);
  const std::size_t at = i + (minus || plus || about || pound ? 1 : 0);
  WrittenNumber n;
  if (!read_number(t, at, n)) return 0;
  return say_measured(t, i, at, n,
                      minus   ? "minus "
                      : plus  ? "plus "
                      : about ? "about "
                      : pound ? "number "
                              : "",
                      out);
}

}  // namespace antiphon::tts
