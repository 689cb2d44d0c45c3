// Phrases that a session wants to hear more easily: a character trie that scores hypotheses as they
// grow.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/base/status.h"
#include "pipeline/stages.h"

namespace antiphon::asr {

// Immutable once made. A phrase earns its boost in equal parts, character by character, so that it
// stays in the beam; what was earned is taken back when the hypothesis leaves the phrase before its
// end.
class HotWords {
 public:
  struct State {
    std::int32_t node = 0;  // 0: outside of any phrase
    float earned = 0;       // not yet kept
  };

  // kInvalidArgument: a phrase without letters, over 100 characters, more than 1,000 phrases, or a
  // boost outside [-20, 20]; the phrase is named. Letters outside the alphabet (given in lower
  // case) are dropped.
  static Result<HotWords> create(std::span<const HotWord> words, std::string_view alphabet);

  bool empty() const { return nodes_.size() <= 1; }
  // The hypothesis grows by `c`; at_word_start: `c` is the first letter of a word. Returns what to
  // add to its score and moves the state.
  float advance(State& state, char c, bool at_word_start) const;
  // The hypothesis ends (or a word ends here): keeps a complete phrase, takes back an incomplete
  // one.
  float finish(State& state) const;
  // A phrase is this word, or begins with it.
  bool listed(std::string_view word) const;

 private:
  struct Node {
    std::vector<std::pair<char, std::int32_t>> next;
    float step = 0;   // earned on entering this node
    float boost = 0;  // of the phrase that ends here
    bool ends = false;
  };
  std::int32_t child(std::int32_t node, char c) const;
  std::vector<Node> nodes_{1};
};

}  // namespace antiphon::asr
