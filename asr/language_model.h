// A pruned word n-gram language model in one small file (format: training/asr/LM_FORMAT.md).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/status.h"

namespace antiphon::asr {

// The last words of a hypothesis, newest first; -1: none, or unknown to the model.
struct LmState {
  std::int32_t last = -1, before = -1;
  bool operator==(const LmState&) const = default;
};

// The words of the vocabulary that begin alike: ids [begin, end).
struct WordRange {
  std::int32_t begin = 0, end = 0;
  bool empty() const { return begin >= end; }
};

// Immutable: any thread. Natural logarithms.
class LanguageModel {
 public:
  virtual ~LanguageModel() = default;
  // kNotFound: no such file; kInvalidArgument: damaged, naming the field.
  static Result<std::unique_ptr<LanguageModel>> load(const std::string& path);

  virtual LmState start() const = 0;
  // Id of a word, -1: not in the vocabulary.
  virtual std::int32_t word(std::string_view text) const = 0;
  // log P(word | state); the unknown word's share for -1. `next` is the state after it.
  virtual float score(const LmState& state, std::int32_t word, LmState* next) const = 0;
  // log P(end of sentence | state).
  virtual float end(const LmState& state) const = 0;
  // All words; those of `range`, alike in their first `depth` letters, whose next letter is `c`.
  virtual WordRange all_words() const = 0;
  virtual WordRange narrowed(const WordRange& range, std::size_t depth, char c) const = 0;
  // The largest log P(word) of a range without regard to history; the unknown word's if it is
  // empty.
  virtual float most_likely(const WordRange& range) const = 0;
};

}  // namespace antiphon::asr
