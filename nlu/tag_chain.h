// Tags of the words of a sentence as a chain: which may follow which, and how well.
#pragma once

#include <span>
#include <vector>

#include "engine/weights.h"
#include "nlu/labels.h"

namespace antiphon::nlu {

// An I- tag only goes on after B- or I- of its own name and never begins a sentence; what else
// follows is a matter of learnt scores. Immutable, safe to share.
class TagChain {
 public:
  // next: [tags, tags] row-major, score of the column's tag behind the row's; empty: all 0.
  explicit TagChain(const Labels& labels, std::span<const float> next = {});

  // The tags of the best labelling, among the rows of `tags` (at least one of them no I-).
  // words: each word's logits, [all tags of the pack].
  std::vector<int> best(std::span<const int> tags, std::span<const float* const> words) const;

 private:
  std::vector<bool> begins_;  // whether a sentence may begin with the tag
  std::vector<float> step_;   // [tag, tag before it]
};

// Learnt scores of a pack for TagChain: its tensor slot_next, I8 [tags, tags] with a scale a row;
// empty where it has none. kInvalidArgument: another type or shape; names the file.
Result<std::vector<float>> read_next_tags(const Weights& weights);

}  // namespace antiphon::nlu
