// The user's text as checked UTF-8, folded to ASCII with every character's place in the original
// kept.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/status.h"

namespace antiphon::tts {

// Characters outside ASCII that the rules know, as control bytes of the folded text.
inline constexpr char kDegree = '\x01';
inline constexpr char kPound = '\x02';
inline constexpr char kEuro = '\x03';
inline constexpr char kYen = '\x04';
inline constexpr char kTimes = '\x05';
inline constexpr char kEnDash = '\x06';     // – between numbers
inline constexpr char kParagraph = '\x07';  // a blank line, or a line that begins a list item
inline constexpr char kSuperTwo = '\x08';
inline constexpr char kSuperThree = '\x0b';
inline constexpr char kPlusMinus = '\x0c';
inline constexpr char kMicro = '\x0e';
inline constexpr char kRupee = '\x0f';
inline constexpr char kMinus = '\x10';  // U+2212

// text[i] was made from the original bytes [begin[i], end[i]).
struct FoldedText {
  std::string text;
  std::vector<std::int32_t> begin;
  std::vector<std::int32_t> end;

  void push(char c, std::int32_t from, std::int32_t to) {
    text += c;
    begin.push_back(from);
    end.push_back(to);
  }
};

inline constexpr std::size_t kMaxTextBytes = 20000;

// kInvalidArgument: over kMaxTextBytes, or not UTF-8 (the message gives the byte).
Status check_text(std::string_view text);

// text: as check_text() accepts it. Letters lose their accents, quotes and dashes become plain,
// signs that have a name are spelled out, emoji and other scripts leave a space. `offset` is added
// to all places. Appends, so that SSML can fold piece by piece.
void fold(std::string_view text, std::int32_t offset, FoldedText& out);

}  // namespace antiphon::tts
