// UTF-8 check and folding to ASCII.
#include "tts/text/fold.h"

#include <unicode/unorm2.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>

namespace antiphon::tts {
namespace {

struct Named {
  char32_t code;
  const char* text;  // what it becomes; a leading space marks a spoken word
};

// Sorted by code.
constexpr Named kNamed[] = {{0xA2, " cents "},
                            {0xA3, "\x02"},
                            {0xA5, "\x04"},
                            {0xA7, " section "},
                            {0xA9, " copyright "},
                            {0xAB, "\""},
                            {0xAE, " "},
                            {0xB0, "\x01"},
                            {0xB1, "\x0c"},
                            {0xB2, "\x08"},
                            {0xB3, "\x0b"},
                            {0xB5, "\x0e"},
                            {0xB7, " "},
                            {0xBB, "\""},
                            {0xC6, "Ae"},
                            {0xD0, "D"},
                            {0xD7, "\x05"},
                            {0xD8, "O"},
                            {0xDE, "Th"},
                            {0xDF, "ss"},
                            {0xE6, "ae"},
                            {0xF0, "d"},
                            {0xF7, " divided by "},
                            {0xF8, "o"},
                            {0xFE, "th"},
                            {0x110, "D"},
                            {0x111, "d"},
                            {0x131, "i"},
                            {0x141, "L"},
                            {0x142, "l"},
                            {0x152, "Oe"},
                            {0x153, "oe"},
                            {0x2010, "-"},
                            {0x2011, "-"},
                            {0x2012, "\x06"},
                            {0x2013, "\x06"},
                            {0x2014, " - "},
                            {0x2015, " - "},
                            {0x2018, "'"},
                            {0x2019, "'"},
                            {0x201A, "'"},
                            {0x201C, "\""},
                            {0x201D, "\""},
                            {0x201E, "\""},
                            {0x2022, "\x07"},
                            {0x2026, "... "},
                            {0x2030, " per mille "},
                            {0x2032, "'"},
                            {0x2033, "\""},
                            {0x2044, "/"},
                            {0x20AC, "\x03"},
                            {0x20B9, "\x0f"},
                            {0x2116, " number "},
                            {0x2120, " "},
                            {0x2122, " "},
                            {0x2190, " "},
                            {0x2192, " to "},
                            {0x2194, " "},
                            {0x21D2, " "},
                            {0x2211, " sum "},
                            {0x2212, "\x10"},
                            {0x221A, " square root of "},
                            {0x221E, " infinity "},
                            {0x2248, " approximately "},
                            {0x2260, " is not equal to "},
                            {0x2264, " less than or equal to "},
                            {0x2265, " greater than or equal to "},
                            {0x3001, ","},
                            {0x3002, "."},
                            {0xFF0C, ","}};

constexpr const char* kGreek[] = {
    "alpha", "beta",   "gamma",   "delta", "epsilon", "zeta",    "eta",  "theta", "iota",
    "kappa", "lambda", "mu",      "nu",    "xi",      "omicron", "pi",   "rho",   "sigma",
    "sigma", "tau",    "upsilon", "phi",   "chi",     "psi",     "omega"};

bool is_greek(char32_t c) { return c >= 0x370 && c < 0x400; }

const char* greek_name(char32_t c) {
  if (c >= 0x391 && c <= 0x3A9) c += 0x20;
  if (c < 0x3B1 || c > 0x3C9) return nullptr;
  return kGreek[c - 0x3B1];
}

void push_all(std::string_view text, std::int32_t from, std::int32_t to, FoldedText& out) {
  for (const char c : text) out.push(c, from, to);
}

// Compatibility decomposition, ASCII kept, marks dropped. False: nothing of it is ASCII.
bool push_decomposed(char32_t code, std::int32_t from, std::int32_t to, FoldedText& out) {
  UErrorCode error = U_ZERO_ERROR;
  const UNormalizer2* nfkd = unorm2_getNFKDInstance(&error);
  if (U_FAILURE(error)) return false;
  std::array<UChar, 32> buffer;
  const int n = unorm2_getDecomposition(nfkd, static_cast<UChar32>(code), buffer.data(),
                                        buffer.size(), &error);
  if (U_FAILURE(error) || n <= 0) return false;
  const auto ascii = [](UChar c) { return (c >= 0x20 && c < 0x7F) || c == 0x2044 || c == 0xB0; };
  const auto letter_or_digit = [](UChar c) {
    return c < 0x7F && std::isalnum(static_cast<int>(c)) != 0;
  };
  bool any = false;
  // A vulgar fraction after a digit: "2½" is "2 1/2".
  const bool fraction = std::find(buffer.begin(), buffer.begin() + n, 0x2044) != buffer.begin() + n;
  if (fraction) out.push(' ', from, from);
  for (int i = 0; i < n; ++i) {
    const UChar c = buffer[static_cast<std::size_t>(i)];
    if (!ascii(c)) continue;
    any = any || letter_or_digit(c) || c == 0xB0;
    out.push(c == 0x2044 ? '/' : c == 0xB0 ? kDegree : static_cast<char>(c), from, to);
  }
  return any;
}

void push_ascii(char c, std::int32_t at, FoldedText& out) {
  const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  out.push(control ? ' ' : c, at, at + 1);
}

// A line break ends the sentence when a blank line or a list item follows.
bool begins_paragraph(std::string_view rest) {
  std::size_t i = 0;
  int breaks = 0;
  while (i < rest.size() &&
         (rest[i] == ' ' || rest[i] == '\t' || rest[i] == '\r' || rest[i] == '\n')) {
    breaks += rest[i] == '\n';
    ++i;
  }
  if (breaks > 1) return true;
  if (i + 1 >= rest.size()) return false;
  if ((rest[i] == '-' || rest[i] == '*') && rest[i + 1] == ' ') return true;
  std::size_t digits = i;
  while (digits < rest.size() && digits < i + 3 &&
         std::isdigit(static_cast<unsigned char>(rest[digits])))
    ++digits;
  return digits > i && digits + 1 < rest.size() && (rest[digits] == '.' || rest[digits] == ')') &&
         rest[digits + 1] == ' ';
}

}  // namespace

Status check_text(std::string_view text) {
  if (text.size() > kMaxTextBytes) {
    return invalid_argument("text: wanted at most " + std::to_string(kMaxTextBytes) +
                            " bytes, got " + std::to_string(text.size()));
  }
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  const auto size = static_cast<std::int32_t>(text.size());
  for (std::int32_t i = 0; i < size;) {
    const std::int32_t at = i;
    UChar32 code;
    U8_NEXT(bytes, i, size, code);
    if (code < 0) return invalid_argument("text: not UTF-8 at byte " + std::to_string(at));
  }
  return {};
}

void fold(std::string_view text, std::int32_t offset, FoldedText& out) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  const auto size = static_cast<std::int32_t>(text.size());
  char32_t before = 0;
  for (std::int32_t i = 0; i < size;) {
    const std::int32_t at = i;
    UChar32 next;
    U8_NEXT(bytes, i, size, next);
    const char32_t code = next < 0 ? U' ' : static_cast<char32_t>(next);
    const std::int32_t from = offset + at;
    const std::int32_t to = offset + i;
    const auto* named = std::lower_bound(std::begin(kNamed), std::end(kNamed), code,
                                         [](const Named& a, char32_t c) { return a.code < c; });
    if (code == U'\n' && begins_paragraph(text.substr(static_cast<std::size_t>(at)))) {
      out.push(kParagraph, from, to);
    } else if (code < 0x80) {
      push_ascii(static_cast<char>(code), from, out);
    } else if (named != std::end(kNamed) && named->code == code) {
      push_all(named->text, from, to, out);
    } else if (is_greek(code)) {
      std::int32_t peek = i;
      UChar32 after = 0;
      if (peek < size) U8_NEXT(bytes, peek, size, after);
      const char* name = greek_name(code);
      const bool alone = !is_greek(before) && !is_greek(static_cast<char32_t>(after));
      if (name != nullptr && alone) {
        push_all(std::string(" ") + name + " ", from, to, out);
      } else {
        out.push(' ', from, to);
      }
    } else if (!(code >= 0x300 && code < 0x370) && code != 0xAD && code != 0xFEFF &&
               !(code >= 0x200B && code <= 0x200D)) {
      if (!push_decomposed(code, from, to, out)) out.push(' ', from, to);
    }
    before = code;
  }
}

}  // namespace antiphon::tts
