// BERT's uncased WordPiece tokenizer (Devlin et al., arXiv 1810.04805): text to ids with byte
// ranges.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/base/status.h"

namespace antiphon::nlu {

// One piece of a word. `word` counts white-space- and punctuation-separated words from 0.
struct Piece {
  std::int32_t id = 0;
  std::int32_t start = 0, end = 0;  // byte range in the text as given
  std::int32_t word = 0;
  bool first_of_word = false;
};

// Immutable: any thread.
class WordPiece {
 public:
  // vocab.txt: one piece a line, its id the line's number from 0. kInvalidArgument: a special piece
  // is missing.
  static Result<WordPiece> load(const std::string& path);
  static Result<WordPiece> create(const std::vector<std::string>& pieces);

  // Lower-cases, strips accents, splits, and cuts words greedily. No special pieces are added.
  // kInvalidArgument: the text is not UTF-8.
  Result<std::vector<Piece>> encode(std::string_view text) const;

  std::int32_t cls() const { return cls_; }
  std::int32_t sep() const { return sep_; }
  std::int32_t pad() const { return pad_; }
  std::int32_t unk() const { return unk_; }
  std::size_t num_pieces() const { return ids_.size(); }

 private:
  std::int32_t find(std::string_view piece) const;
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };
  std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>> ids_;
  std::int32_t cls_ = 0, sep_ = 0, pad_ = 0, unk_ = 0;
};

}  // namespace antiphon::nlu
