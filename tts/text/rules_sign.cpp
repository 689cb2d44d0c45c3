// Punctuation and signs: everything that no other rule took.
#include "tts/text/rules.h"

namespace antiphon::tts {
namespace {

bool is_closing(const Tokens& t, std::size_t i) {
  return t.joined_sign(i, '"') || t.joined_sign(i, '\'') || t.joined_sign(i, ')') ||
         t.joined_sign(i, ']');
}

// A dot at i: the end of a sentence, dots of omission, or one inside a name.
std::size_t dot(const Tokens& t, std::size_t i, Speech& out) {
  std::size_t j = i + 1;
  while (t.joined_sign(j, '.')) ++j;
  std::size_t next = j;
  while (is_closing(t, next)) ++next;
  const bool inside =
      t.joined(i) && t.joined(next) && next == j && t[next].kind != TokenKind::kSign && j == i + 1;
  if (inside && t.is_word(next) && !t.is_capital(next)) {
    say(t, i, i + 1, "dot", out);
    return 1;
  }
  const bool lower_follows = t.is_word(next) && !t.is_capital(next);
  out.mark(j > i + 1 && lower_follows ? ',' : '.');
  return j - i;
}

std::size_t hyphen(const Tokens& t, std::size_t i, Speech& out) {
  const bool joined_both = t.joined(i) && t.joined(i + 1);
  const bool number_next = t.is_digits(i + 1) || t.is_sign(i + 1, '$') ||
                           t.is_sign(i + 1, kPound) || t.is_sign(i + 1, kEuro);
  const bool number_before =
      i > 0 &&
      (t.is_digits(i - 1) || t.is_sign(i - 1, '%') || t.is_sign(i - 1, kDegree) ||
       t[i - 1].lower == "am" || t[i - 1].lower == "pm" ||
       ((t.is_sign(i - 1, '.') || t.is_word(i - 1)) && t.is_sign(i, kEnDash) && joined_both));
  const bool in_row =
      joined_both && ((i > 2 && t.is_sign(i - 2, '-') && t.joined(i - 1)) ||
                      (t.joined_sign(i + 2, '-') && t.joined(i + 3) && t.is_digits(i + 3)));
  if (in_row && number_next && number_before) return 1;  // "1-2-3"
  if (number_next && number_before && (joined_both || t.is_sign(i, kEnDash))) {
    say(t, i, i + 1, "to", out);
  } else if (!t.joined(i) && !t.joined(i + 1) && t.is_digits(i + 1) && i > 0 &&
             t.is_digits(i - 1)) {
    say(t, i, i + 1, "minus", out);
  } else if (!joined_both && (!t.joined(i) || t.is_sign(i, kEnDash) || t.is_sign(i + 1, '-'))) {
    out.mark(',');
  } else if (joined_both && t.is_sign(i + 1, '-')) {
    out.mark(',');
  }
  return 1;
}

std::size_t slash(const Tokens& t, std::size_t i, Speech& out) {
  if (!t.joined(i) || !t.joined(i + 1)) return 1;
  if (t.lower_is(i - 1, "and") && t.lower_is(i + 1, "or")) return 1;
  if (t.is_upper(i - 1) && t.is_upper(i + 1) && t[i + 1].text.size() > 1)
    return 1;  // AC/DC, TCP/IP
  const bool measured =
      !out.words.empty() &&
      (t.is_digits(i - 1) || t.lower_is(i + 1, "hour") || t.lower_is(i + 1, "day") ||
       t.lower_is(i + 1, "month") || t.lower_is(i + 1, "year") || t.lower_is(i + 1, "week")) &&
      t.is_word(i + 1);
  say(t, i, i + 1, measured ? "per" : "slash", out);
  return 1;
}

// The name of a sign that stands for a word, or null.
const char* sign_name(const Tokens& t, std::size_t i) {
  const bool spaced = !t.joined(i) && !t.joined(i + 1);
  const bool before = i > 0;
  const bool after = i + 1 < t.count();
  switch (t[i].text[0]) {
    case '&': return "and";
    case '@': return "at";
    case '%': return "percent";
    case '+': return (t.joined(i) || spaced) && before ? "plus" : "plus";
    case '=':
      return before && after ? (t.is_sign(i + 1, '=') || t.is_sign(i - 1, '=') ? nullptr : "equals")
                             : nullptr;
    case '<': return before && after && (spaced || t.is_digits(i + 1)) ? "less than" : nullptr;
    case '>': return before && after && (spaced || t.is_digits(i + 1)) ? "greater than" : nullptr;
    case '^': return t.joined(i) && t.joined(i + 1) ? "to the power of" : nullptr;
    case '*': return before && t.is_digits(i - 1) && t.is_digits(i + 1) ? "times" : nullptr;
    case '$': return "dollar";
    case '#':
      return t.joined(i) && before && t.is_word(i - 1) && t[i - 1].text.size() == 1 ? "sharp"
                                                                                    : nullptr;
    case kPound: return "pound";
    case kEuro: return "euro";
    case kYen: return "yen";
    case kRupee: return "rupee";
    case kDegree: return "degrees";
    case kTimes: return "times";
    case kPlusMinus: return "plus or minus";
    case kMicro: return "micro";
    case kMinus: return "minus";
    case kSuperTwo: return t.joined(i) ? "squared" : nullptr;
    case kSuperThree: return t.joined(i) ? "cubed" : nullptr;
    default: return nullptr;
  }
}

}  // namespace

std::size_t sign(const Tokens& t, std::size_t i, Speech& out) {
  const char c = t[i].text.empty() ? ' ' : t[i].text[0];
  switch (c) {
    case '.': return dot(t, i, out);
    case ',':
    case ';':
    case ':':
    case '!':
    case '?': out.mark(c); return 1;
    case '-':
    case kEnDash: return hyphen(t, i, out);
    case '/': return slash(t, i, out);
    case '(':
    case '[':
    case '{':
    case '|':
      if (!t.joined(i) || c == '|') out.mark(',');
      return 1;
    case ')':
    case ']':
    case '}':
      if (!t.joined(i + 1)) out.mark(',');
      return 1;
    case kParagraph: {
      const bool bullet = !t.joined(i + 1) && t.is_sign(i + 1, '-');
      out.mark('.');
      return bullet ? 2 : 1;
    }
    default: break;
  }
  // A row of the same sign ("-----", "####") is decoration.
  std::size_t j = i + 1;
  while (j < t.count() && t.joined_sign(j, c)) ++j;
  if (j - i >= 3) return j - i;
  if (const char* name = sign_name(t, i)) say(t, i, i + 1, name, out);
  return 1;
}

}  // namespace antiphon::tts
