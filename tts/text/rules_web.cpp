// Web addresses, e-mail addresses, hashtags and mentions.
#include <algorithm>
#include <array>

#include "tts/text/number_words.h"
#include "tts/text/rules.h"

namespace antiphon::tts {
namespace {

constexpr std::array kDomains = {"com",  "org", "net", "edu", "gov", "io",  "ai", "dev", "app",
                                 "info", "tv",  "me",  "uk",  "de",  "fr",  "eu", "us",  "ca",
                                 "au",   "co",  "biz", "gg",  "ly",  "mil", "int"};
constexpr std::size_t kMaxRun = 200;  // tokens of one address

bool is_domain(std::string_view lower) {
  return std::find(kDomains.begin(), kDomains.end(), lower) != kDomains.end();
}

const char* name_of(char c) {
  switch (c) {
    case '.': return "dot";
    case '/': return "slash";
    case '-': return "dash";
    case '_': return "underscore";
    case '@': return "at";
    case '?': return "question mark";
    case '=': return "equals";
    case '&': return "and";
    case '#': return "hash";
    case ':': return "colon";
    case '~': return "tilde";
    case '%': return "percent";
    case '+': return "plus";
    default: return "";
  }
}

// The end of the run of joined tokens from i, without the punctuation that follows it.
std::size_t run_end(const Tokens& t, std::size_t i) {
  std::size_t j = i + 1;
  while (j < t.count() && t.joined(j) && j - i < kMaxRun &&
         (t[j].kind != TokenKind::kSign || *name_of(t[j].text[0])))
    ++j;
  while (j > i + 1 && t[j - 1].kind == TokenKind::kSign && !t.is_sign(j - 1, '/')) --j;
  return j;
}

// Letters of a name: a word if it can be read, else its letters.
void say_name(const Token& token, Speech& out) {
  const bool spelled = token.text.size() == 1 || !pronounceable(token.lower) ||
                       (token.lower.size() <= 2 && is_domain(token.lower)) || token.lower == "edu";
  if (spelled) {
    out.spell(token.text, token.begin, token.end);
  } else {
    out.say(token.lower, token.begin, token.end);
  }
}

void say_address(const Tokens& t, std::size_t i, std::size_t j, Speech& out) {
  if (t.is_sign(j - 1, '/')) --j;
  for (; i < j; ++i) {
    if (t.is_word(i)) {
      say_name(t[i], out);
    } else if (t.is_digits(i)) {
      const bool one_by_one = t[i].text.size() > 4 || t[i].text.size() == 3 || t[i].text[0] == '0';
      out.say(one_by_one              ? digits_one_by_one(t[i].text)
              : t[i].text.size() == 4 ? year(t[i].text)
                                      : cardinal(t[i].text),
              t[i].begin, t[i].end);
    } else {
      out.say(name_of(t[i].text[0]), t[i].begin, t[i].end);
    }
  }
}

// "HelloWorld2024" -> hello world twenty twenty four
void say_camel(const Token& token, Speech& out) {
  std::size_t from = 0;
  const std::string& s = token.text;
  for (std::size_t i = 1; i <= s.size(); ++i) {
    const bool cut = i == s.size() || (s[i] >= 'A' && s[i] <= 'Z' && s[i - 1] >= 'a');
    if (!cut) continue;
    const std::string part = s.substr(from, i - from);
    if (pronounceable(to_lower(part))) {
      out.say(part, token.begin, token.end);
    } else {
      out.spell(part, token.begin, token.end);
    }
    from = i;
  }
}

}  // namespace

std::size_t web_address(const Tokens& t, std::size_t i, Speech& out) {
  if (t[i].kind == TokenKind::kSign || (t.joined(i) && t[i - 1].kind != TokenKind::kSign)) return 0;
  std::size_t begin = i;
  const bool scheme = (t.lower_is(i, "http") || t.lower_is(i, "https") || t.lower_is(i, "ftp")) &&
                      t.joined_sign(i + 1, ':') && t.joined_sign(i + 2, '/') &&
                      t.joined_sign(i + 3, '/') && t.joined(i + 4);
  if (scheme) begin = i + 4;
  const std::size_t end = run_end(t, begin);
  if (end - begin < 3) return 0;
  std::size_t at = 0, dots = 0;
  bool domain = false;
  for (std::size_t k = begin; k < end; ++k) {
    if (t.is_sign(k, '/') && at == 0) break;
    at += t.is_sign(k, '@');
    const bool dot =
        t.is_sign(k, '.') && t[k + 1].kind != TokenKind::kSign && k + 1 < end && k > begin;
    dots += dot;
    const bool last =
        k + 2 == end || t.is_sign(k + 2, '/') || t.is_sign(k + 2, ':') || t.is_sign(k + 2, '?');
    domain =
        domain || (dot && last && is_domain(t[k + 1].lower) && t[k + 1].lower == t[k + 1].text);
  }
  const bool email = at == 1 && dots > 0 && !t.is_sign(end - 1, '@');
  const bool www = t.lower_is(begin, "www") && dots > 0;
  if (!scheme && !email && !www && !(domain && at == 0)) return 0;
  say_address(t, begin, end, out);
  return end - i;
}

std::size_t hashtag_or_mention(const Tokens& t, std::size_t i, Speech& out) {
  const bool tag = t.is_sign(i, '#');
  if (!(tag || (t.is_sign(i, '@') && !t.joined(i))) || !t.joined(i + 1) || !t.is_word(i + 1))
    return 0;
  out.say(tag ? "hashtag" : "at", t[i].begin, t[i + 1].end);
  std::size_t j = i + 1;
  for (; j == i + 1 || t.joined(j); ++j) {
    if (t.is_word(j)) {
      say_camel(t[j], out);
    } else if (t.is_digits(j)) {
      out.say(t[j].text.size() == 4 ? year(t[j].text) : plain_number(t[j].text), t[j].begin,
              t[j].end);
    } else if (!t.is_sign(j, '_')) {
      break;
    }
  }
  return j - i;
}

}  // namespace antiphon::tts
