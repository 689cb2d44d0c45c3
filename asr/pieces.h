// The vocabulary of the attention decoder: pieces of words.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/status.h"

namespace antiphon::asr {

// The first pieces of every vocabulary.
enum Mark : std::int32_t { kEndMark = 0, kBeginMark = 1, kTextMark = 2, kNumMarks = 3 };

// Numbers of pieces <-> text (training/asr/pieces.py). Immutable: any thread.
class Pieces {
 public:
  // A file of one piece a line, its number is the line's; the first are <end>, <begin> and <text>;
  // an underscore stands for the space before a word. Every letter of `alphabet` is there alone,
  // with and without it. kNotFound; kInvalidArgument: names file and line.
  static Result<Pieces> load(const std::string& path, std::string_view alphabet);

  int size() const { return static_cast<int>(names_.size()); }
  // Its letters, with the space before a word; a mark's name.
  const std::string& name(std::int32_t number) const {
    return names_[static_cast<std::size_t>(number)];
  }
  // The longest piece first, word by word. text: words of the alphabet's letters.
  std::vector<std::int32_t> split(std::string_view text) const;
  // Without marks, and without a space at its begin.
  std::string text(std::span<const std::int32_t> numbers) const;

 private:
  std::vector<std::string> names_;
  std::map<std::string, std::int32_t, std::less<>> numbers_;
  std::size_t longest_ = 0;
};

}  // namespace antiphon::asr
