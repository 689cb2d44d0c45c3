// How probable it is under CTC that a text begins so, letter by letter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace antiphon::asr {

// After Watanabe et al. 2017, "Hybrid CTC/Attention Architecture for End-to-End Speech
// Recognition", algorithm 2 (prefix probabilities: Graves 2008, "Supervised Sequence
// Labelling", 7.5.2). Linear, each step relative to its most probable class, so that the best texts
// are near 1 however long a turn is. Immutable: any thread.
class CtcPrefixScorer {
 public:
  // Where it is no wider than f64, half a minute of nothing but noise may count as impossible.
  using Number = long double;

  // A beginning: how probable it is that exactly its letters were heard up to each step.
  struct Prefix {
    // By step from `first` on: that the last step is the last letter, a blank. Elsewhere both are
    // 0.
    std::size_t first = 0;
    std::vector<Number> label, blank;
    std::uint8_t last = 0;  // class of the last letter; 0: there is none
    double log_begun = 0;   // log P(the text begins so), up to a constant of the turn
  };

  // log_probs: [num_steps, num_classes], natural logarithms, class 0 the blank.
  CtcPrefixScorer(std::span<const float> log_probs, std::size_t num_classes);

  Prefix empty() const;
  Prefix extended(const Prefix& prefix, std::uint8_t letter) const;
  // log P(the text is this), up to the same constant.
  double log_whole(const Prefix& prefix) const;
  std::size_t num_steps() const { return behind_.size(); }

 private:
  std::size_t num_classes_;
  double log_all_ = 0;          // of every text together
  std::vector<Number> p_;       // [num_steps, num_classes]
  std::vector<Number> behind_;  // [num_steps]: what the steps behind one add up to
};

}  // namespace antiphon::asr
