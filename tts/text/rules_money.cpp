// Amounts of money.
#include "tts/text/number_words.h"
#include "tts/text/rules.h"

namespace antiphon::tts {
namespace {

struct Currency {
  char sign;
  const char *one, *many, *small_one, *small_many;
};
constexpr Currency kCurrencies[] = {{'$', "dollar", "dollars", "cent", "cents"},
                                    {kPound, "pound", "pounds", "penny", "pence"},
                                    {kEuro, "euro", "euros", "cent", "cents"},
                                    {kYen, "yen", "yen", "", ""},
                                    {kRupee, "rupee", "rupees", "paisa", "paise"}};

struct Code {
  const char *code, *one, *many;
};
constexpr Code kCodes[] = {{"USD", "dollar", "dollars"},
                           {"EUR", "euro", "euros"},
                           {"GBP", "pound", "pounds"},
                           {"JPY", "yen", "yen"},
                           {"CHF", "swiss franc", "swiss francs"},
                           {"CAD", "canadian dollar", "canadian dollars"},
                           {"AUD", "australian dollar", "australian dollars"},
                           {"INR", "rupee", "rupees"},
                           {"CNY", "yuan", "yuan"}};

const Currency* currency_at(const Tokens& t, std::size_t i) {
  for (const Currency& c : kCurrencies) {
    if (t.is_sign(i, c.sign)) return &c;
  }
  return nullptr;
}

// "million", or a joined "k", "M", "bn"; returns the tokens used.
std::size_t read_scale(const Tokens& t, std::size_t i, std::string& scale) {
  for (const char* word : {"hundred", "thousand", "million", "billion", "trillion"}) {
    if (t.lower_is(i, word)) {
      scale = word;
      return 1;
    }
  }
  if (!t.joined(i)) return 0;
  const std::string& s = t[i].lower;
  scale = s == "k"                ? "thousand"
          : s == "m" || s == "mn" ? "million"
          : s == "b" || s == "bn" ? "billion"
          : s == "tn"             ? "trillion"
                                  : "";
  return scale.empty() ? 0 : 1;
}

std::string amount_words(const WrittenNumber& n, const std::string& scale, const Currency& c) {
  if (!scale.empty()) return words_of(n) + " " + scale + " " + c.many;
  if (n.fraction.empty()) return cardinal(n.whole) + " " + (n.is_one() ? c.one : c.many);
  if (n.fraction.size() != 2 || !*c.small_one) return words_of(n) + " " + c.many;
  const int small = small_value(n.fraction);
  const std::string parts =
      small == 0 ? "" : cardinal(n.fraction) + " " + (small == 1 ? c.small_one : c.small_many);
  if (small_value(n.whole) == 0 && small > 0) return parts;
  const std::string whole = cardinal(n.whole) + " " + (small_value(n.whole) == 1 ? c.one : c.many);
  return parts.empty() ? whole : whole + " and " + parts;
}

// "a $5 bill", "a $2 million deal"
bool describes(const Tokens& t, std::size_t i, std::size_t end) {
  return i > 0 && !t.joined(i) && (t.lower_is(i - 1, "a") || t.lower_is(i - 1, "an")) &&
         (t.joined_sign(end, '-') || (t.is_word(end) && !t.joined(end)));
}

// "US$5" -> five U-S dollars
std::size_t dollars_of(const Tokens& t, std::size_t i, Speech& out) {
  WrittenNumber n;
  std::string scale;
  if (!t.is_upper(i) || t[i].text.size() > 2 || !t.joined_sign(i + 1, '$') || !t.joined(i + 2) ||
      !read_number(t, i + 2, n))
    return 0;
  const std::size_t end = n.next + read_scale(t, n.next, scale);
  say(t, i, end, words_of(n) + (scale.empty() ? "" : " " + scale), out);
  out.spell(t[i].text, t[i].begin, t[end - 1].end);
  say(t, i, end, n.is_one() && scale.empty() ? "dollar" : "dollars", out);
  return end - i;
}

}  // namespace

std::size_t money(const Tokens& t, std::size_t i, Speech& out) {
  const bool minus = (t.is_sign(i, '-') || t.is_sign(i, kMinus)) && !t.joined(i) && t.joined(i + 1);
  const std::size_t at = i + (minus ? 1 : 0);
  WrittenNumber n;
  std::string scale;
  if (const std::size_t used = dollars_of(t, i, out)) return used;
  for (const Code& code : kCodes) {  // "CHF 20"
    if (t[i].text != code.code || !read_number(t, i + 1, n)) continue;
    const std::size_t end = n.next + read_scale(t, n.next, scale);
    say(t, i, end, amount_words(n, scale, {0, code.one, code.many, "", ""}), out);
    return end - i;
  }
  if (const Currency* c = currency_at(t, at); c && read_number(t, at + 1, n)) {
    const std::size_t end = n.next + read_scale(t, n.next, scale);
    Currency named = *c;
    if (describes(t, i, end)) named.many = named.one;
    say(t, i, end, (minus ? "minus " : "") + amount_words(n, scale, named), out);
    return end - i;
  }
  if (!read_number(t, i, n)) return 0;
  const std::size_t unit = n.next + read_scale(t, n.next, scale);
  if (const Currency* c = currency_at(t, unit);
      c && !(t.joined(unit + 1) && t.is_digits(unit + 1))) {
    say(t, i, unit + 1, amount_words(n, scale, *c), out);
    return unit + 1 - i;
  }
  for (const Code& code : kCodes) {
    if (t[unit].text != code.code) continue;
    const Currency named = {0, code.one, code.many, "", ""};
    say(t, i, unit + 1, amount_words(n, scale, named), out);
    return unit + 1 - i;
  }
  return 0;
}

}  // namespace antiphon::tts
