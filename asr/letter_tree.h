// The letters that a beam search has tried, as a tree: hypotheses that begin alike share their
// start.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "asr/hot_words.h"
#include "asr/language_model.h"

namespace antiphon::asr {

// A letter and what the text up to it decides: nothing here depends on how it was heard, but for
// `step`.
struct Letter {
  std::int32_t parent = -1;
  std::int32_t first_child = -1, next_sibling = -1;
  std::int32_t length = 0;      // letters up to here
  std::int32_t word_start = 0;  // the last space before it, or the root
  std::uint8_t symbol = 0;      // class of the network; 0: the root
  char c = ' ';
  std::int32_t step = 0;     // at which it was tried first
  float extra = 0;           // language model, word bonus, hot words, and `ahead`
  float boosts = 0;          // of it: what hot words earned
  float ahead = 0;           // of it: what the word in progress can become at best
  WordRange words;           // of the language model that begin like the word in progress
  LmState lm;                // before the word in progress
  std::int32_t phrases = 0;  // state of the phrase model, likewise
  HotWords::State hot;
  std::int32_t place = -1;  // in the beam that is being made; meaningful if `stamp` is its number
  std::int32_t stamp = -1;
};

// Not thread-safe. Grows to what an utterance needs and keeps its memory.
class LetterTree {
 public:
  static constexpr std::int32_t kRoot = 0;

  LetterTree() { clear(Letter{}); }
  void clear(const Letter& root);

  Letter& operator[](std::int32_t at) { return letters_[static_cast<std::size_t>(at)]; }
  const Letter& operator[](std::int32_t at) const { return letters_[static_cast<std::size_t>(at)]; }
  std::size_t size() const { return letters_.size(); }

  // out: [classes], the child of `parent` for each; -1: it was not tried yet.
  void children(std::int32_t parent, std::span<std::int32_t> out) const;
  // Appends a child; references to letters are void afterwards.
  std::int32_t add(std::int32_t parent, std::uint8_t symbol, char c);
  // The last letter that two texts share.
  std::int32_t common(std::int32_t a, std::int32_t b) const;
  // The text up to a letter.
  std::string text(std::int32_t at) const;
  // The letters from the last space on, written to `out`; a longer word loses its end.
  std::span<const char> word(std::int32_t at, std::span<char> out) const;
  // Drops every letter that none of `kept` reaches, and renumbers them.
  void collect(std::span<std::int32_t* const> kept);

 private:
  std::vector<Letter> letters_, spare_;
  std::vector<std::int32_t> moved_;
};

}  // namespace antiphon::asr
