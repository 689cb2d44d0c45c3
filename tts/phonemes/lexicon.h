// The pack's lexicon: words and their phonemes, one zstd frame of sorted lines.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/status.h"

namespace antiphon::tts {

// Owns the expanded text. Immutable: any thread.
//
// Lines `word<TAB>phonemes`, lower case. `the(v)`, `to(v)` and `to(c)` are the forms before a vowel
// and a consonant; letters' names are `a.`, `b.`, ...
class Lexicon {
 public:
  // kNotFound: no such file. kInvalidArgument: not one zstd frame, over 64 MiB, or a line without a
  // tab; the message names the file.
  static Result<Lexicon> load(const std::string& path);
  // The expanded lines. `name` stands for the path in messages. Need not be sorted.
  static Result<Lexicon> parse(std::string text, const std::string& name);

  // Empty: unknown.
  std::string_view find(std::string_view word) const;
  std::size_t num_words() const { return lines_.size(); }

 private:
  struct Line {
    std::uint32_t word, tab, end;  // offsets
  };
  std::string_view word_of(const Line& line) const {
    return std::string_view(*text_).substr(line.word, line.tab - line.word);
  }

  std::shared_ptr<const std::string> text_;
  std::vector<Line> lines_;
};

}  // namespace antiphon::tts
