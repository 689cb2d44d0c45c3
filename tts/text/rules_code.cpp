// Telephone numbers, versions, addresses of four numbers, and codes of letters and digits.
#include "tts/text/number_words.h"
#include "tts/text/rules.h"

namespace antiphon::tts {
namespace {

// A group of a telephone number: "800" is "eight hundred", the others digit by digit.
std::string group_words(const std::string& digits) {
  if (digits.size() == 3 && digits.ends_with("00") && digits[0] != '0') return cardinal(digits);
  return digits_one_by_one(digits);
}

void say_groups(const Tokens& t, std::size_t i, std::size_t j, Speech& out) {
  for (std::size_t k = i; k < j; ++k) {
    if (t.is_sign(k, '+')) say(t, k, k + 1, "plus", out);
    if (!t.is_digits(k)) continue;
    say(t, k, k + 1, group_words(t[k].text), out);
    if (k + 1 < j) out.mark(',');
  }
}

// A number of digits read in pairs, as in the names of things: "747" -> seven forty seven.
std::string code_words(const std::string& digits) {
  if (digits[0] == '0' || digits.size() > 4) return digits_one_by_one(digits);
  if (digits.size() == 4) return year(digits);
  if (digits.size() == 3 && !digits.ends_with("00")) {
    const std::string tail = digits.substr(1);
    return cardinal(digits.substr(0, 1)) + " " +
           (tail[0] == '0' ? "oh " + cardinal(tail) : cardinal(tail));
  }
  return cardinal(digits);
}

// "Apt. 4B", "seat 12B": a letter, not billions.
bool names_place(const Tokens& t, std::size_t i) {
  if (i == 0) return false;
  const std::size_t before = i - (i > 1 && t.is_sign(i - 1, '.') ? 2 : 1);
  for (const char* word : {"apt", "apartment", "flat", "room", "suite", "seat", "gate", "unit",
                           "bus", "row", "building", "platform", "figure", "fig", "section"})
    if (t.lower_is(before, word)) return true;
  return false;
}

}  // namespace

std::size_t telephone(const Tokens& t, std::size_t i, Speech& out) {
  if (t.joined(i) && t[i - 1].kind != TokenKind::kSign) return 0;
  const bool plus = t.is_sign(i, '+') && t.joined(i + 1) && t.is_digits(i + 1);
  std::size_t j = i + (plus ? 1 : 0), groups = 0, digits = 0, area = 0;
  bool spaced = false;
  const bool trunk = t.is_digits(i) && t[i].text[0] == '0' && t[i].text.size() >= 3;
  while (j < t.count() && j - i < 24) {
    if (t.is_sign(j, '(') && area == 0 && t.is_digits(j + 1) && t[j + 1].text.size() <= 4 &&
        t.is_sign(j + 2, ')') && t.is_digits(j + 3)) {
      area = 1, digits += t[j + 1].text.size(), ++groups, j += 3;
      continue;
    }
    if (!t.is_digits(j) || t[j].text.size() > (plus ? 12u : 4u)) break;
    if (groups > 0 && !t.joined(j)) {
      if (!plus && !area && !trunk) break;
      spaced = true;
    }
    digits += t[j].text.size(), ++groups, ++j;
    const bool separator =
        (t.joined_sign(j, '-') || t.joined_sign(j, '.')) && t.joined(j + 1) && t.is_digits(j + 1);
    if (separator) ++j;
  }
  while (j > i && !t.is_digits(j - 1)) --j;
  const bool local = !plus && !area && groups == 2 && digits == 7 && t[i].text.size() == 3 &&
                     t.is_sign(i + 1, '-');
  const bool full = groups >= 3 && digits >= 9 && digits <= 15 && !spaced &&
                    t[j - 1].text.size() == 4 && t[i].text.size() <= 3;
  if (!local && !full && !(area && digits >= 9 && digits <= 15) &&
      !(plus && digits >= 7 && digits <= 15) &&
      !(trunk && groups >= 2 && digits >= 9 && digits <= 12))
    return 0;
  say_groups(t, i, j, out);
  return j - i;
}

std::size_t dotted_number(const Tokens& t, std::size_t i, Speech& out) {
  const bool version = t.lower_is(i, "v") && t.joined(i + 1) && t.is_digits(i + 1);
  std::size_t j = i + (version ? 1 : 0);
  if (!t.is_digits(j) || (!version && t.joined(j) && t[j - 1].kind != TokenKind::kSign)) return 0;
  const std::size_t first = j;
  std::size_t groups = 1;
  while (t.joined_sign(j + 1, '.') && t.joined(j + 2) && t.is_digits(j + 2)) j += 2, ++groups;
  if (groups < 3 && !version) return 0;
  if (version) say(t, i, i + 1, "version", out);
  for (std::size_t k = first; k <= j; k += 2) {
    if (k > first) say(t, k - 1, k, groups == 4 ? "dot" : "point", out);
    say(t, k, k + 1, plain_number(t[k].text), out);
  }
  return j + 1 - i;
}

std::size_t code_with_digits(const Tokens& t, std::size_t i, Speech& out) {
  if (t.is_digits(i) && t.joined(i)) {
    const bool after_word = t.is_word(i - 1);
    const bool after_hyphen = i > 1 && t.is_sign(i - 1, '-') && t.joined(i - 1) && t.is_word(i - 2);
    if (after_word || after_hyphen) {
      say(t, i, i + 1, code_words(t[i].text), out);
      return 1;
    }
  }
  // "5G", "3D", "4K": one capital after the digits; "10x".
  if (t.is_digits(i) && t.joined(i + 1) && t.is_word(i + 1)) {
    const std::string& letters = t[i + 1].text;
    if (letters.size() == 1 && letters != "m" && letters != "g" && letters != "s" &&
        letters != "h" && letters != "l" && !(letters == "x" && t.is_digits(i + 2))) {
      std::string one, many;
      if (read_unit(t, i + 1, true, one, many)) return 0;
      say(t, i, i + 1, plain_number(t[i].text), out);
      if (letters == "x") {
        say(t, i + 1, i + 2, "times", out);
      } else if ((letters == "M" || letters == "B") && !names_place(t, i)) {
        say(t, i + 1, i + 2, letters == "M" ? "million" : "billion", out);
      } else {
        out.spell(letters, t[i + 1].begin, t[i + 1].end);
      }
      return 2;
    }
  }
  return 0;
}

}  // namespace antiphon::tts
