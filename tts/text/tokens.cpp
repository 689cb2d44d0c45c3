// Cuts folded text into tokens.
#include "tts/text/tokens.h"

#include <algorithm>

namespace antiphon::tts {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string to_lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

Tokens::Tokens(const FoldedText& folded) {
  const std::string& s = folded.text;
  bool space = true;
  for (std::size_t i = 0; i < s.size();) {
    if (s[i] == ' ') {
      space = true;
      ++i;
      continue;
    }
    std::size_t j = i + 1;
    TokenKind kind = TokenKind::kSign;
    if (is_letter(s[i])) {
      kind = TokenKind::kWord;
      while (j < s.size() &&
             (is_letter(s[j]) || (s[j] == '\'' && j + 1 < s.size() && is_letter(s[j + 1]))))
        ++j;
    } else if (is_digit(s[i])) {
      kind = TokenKind::kDigits;
      while (j < s.size() && is_digit(s[j])) ++j;
    }
    Token token;
    token.kind = kind;
    token.text = s.substr(i, j - i);
    token.lower = to_lower(token.text);
    token.space_before = space;
    token.begin = folded.begin[i];
    token.end = folded.end[j - 1];
    tokens_.push_back(std::move(token));
    space = false;
    i = j;
  }
}

bool Tokens::is_capital(std::size_t i) const {
  return is_word(i) && tokens_[i].text[0] >= 'A' && tokens_[i].text[0] <= 'Z';
}

bool Tokens::is_upper(std::size_t i) const {
  return is_word(i) && std::none_of(tokens_[i].text.begin(), tokens_[i].text.end(),
                                    [](char c) { return c >= 'a' && c <= 'z'; });
}

}  // namespace antiphon::tts
