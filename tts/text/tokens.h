// The folded text cut into words, digit runs and single signs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tts/text/fold.h"

namespace antiphon::tts {

enum class TokenKind : std::uint8_t { kWord, kDigits, kSign };

// kWord: letters with apostrophes between them; kDigits: ASCII digits; kSign: one other character.
struct Token {
  TokenKind kind = TokenKind::kSign;
  std::string text;  // as written
  std::string lower;
  bool space_before = true;  // also at the start of the text
  std::int32_t begin = 0;    // byte range in the original text
  std::int32_t end = 0;
};

// A list that answers for any index: beyond the end it gives an empty sign after a space.
class Tokens {
 public:
  explicit Tokens(const FoldedText& folded);
  std::size_t count() const { return tokens_.size(); }
  const Token& operator[](std::size_t i) const { return i < tokens_.size() ? tokens_[i] : end_; }

  bool is_word(std::size_t i) const { return i < count() && tokens_[i].kind == TokenKind::kWord; }
  bool is_digits(std::size_t i) const {
    return i < count() && tokens_[i].kind == TokenKind::kDigits;
  }
  bool is_sign(std::size_t i, char c) const {
    return i < count() && tokens_[i].kind == TokenKind::kSign && tokens_[i].text[0] == c;
  }
  // Directly after the token before it, without a space.
  bool joined(std::size_t i) const { return i < count() && i > 0 && !tokens_[i].space_before; }
  // A sign directly joined to what is before it.
  bool joined_sign(std::size_t i, char c) const { return joined(i) && is_sign(i, c); }
  bool lower_is(std::size_t i, std::string_view word) const {
    return i < count() && tokens_[i].lower == word;
  }
  bool is_capital(std::size_t i) const;  // a word that begins with a capital
  bool is_upper(std::size_t i) const;    // a word all in capitals

 private:
  std::vector<Token> tokens_;
  Token end_;
};

bool is_letter(char c);
bool is_digit(char c);
std::string to_lower(std::string_view text);

}  // namespace antiphon::tts
