// CTC prefix beam search with a word n-gram model and hot words, step by step.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "asr/hot_words.h"
#include "asr/language_model.h"
#include "engine/base/status.h"

namespace antiphon::asr {

struct CtcDecoderConfig {
  std::string alphabet = " 'abcdefghijklmnopqrstuvwxyz";  // class i + 1; class 0 is the blank
  int beam_width = 32;
  float prune = 9.0f;  // classes and hypotheses this far (log) below the best are dropped
  float lm_weight = 0.6f;
  float unknown_word = -3.0f;  // added at each word that the model does not know
  float word_bonus = 1.2f;     // added at each word: balances the model's length bias
  int commit_steps = 40;       // hypotheses that disagree on words older than this are dropped
};

struct DecodedWord {
  std::string text;
  int first_step = 0, last_step = 0;  // steps at which its first and last letters were heard
  float confidence = 0;               // [0, 1]: mean probability of its letters
};

struct DecodedText {
  std::string text;
  float log_score = 0;  // acoustic + model + hot words
  float share = 0;      // of the beam's probability
  std::vector<DecodedWord> words;
};

// After Hannun et al., "First-Pass Large Vocabulary Continuous Speech Recognition using
// Bi-Directional Recurrent DNNs" (arXiv 1408.2873). One a stream; not thread-safe; reuses its
// buffers.
class CtcDecoder {
 public:
  // lm may be null; it must outlive the decoder.
  CtcDecoder(const CtcDecoderConfig& config, const LanguageModel* lm, HotWords hot_words);

  // log_probs: [num_steps, alphabet + 1], natural logarithms.
  void advance(std::span<const float> log_probs, int num_steps);
  // The best text so far, and how many of its bytes every hypothesis agrees on for ever.
  std::string best(int* stable_bytes) const;
  // Ends the words and gives up to `count` texts, best first.
  std::vector<DecodedText> finish(int count) const;
  int num_steps() const { return step_; }
  bool empty() const;  // nothing but blanks so far
  void reset();

 private:
  // A letter on the path to the root; shared by all hypotheses that begin alike.
  struct Letter {
    std::int32_t parent = -1;
    char c = 0;
    std::int32_t step = 0;    // of its highest probability
    float log_prob = -1e30f;  // at that step
    std::int32_t length = 0;  // letters up to here
  };
  struct Hypothesis {
    std::int32_t letter = -1;    // last letter; -1: nothing yet
    float blank = 0, label = 0;  // log probability of ending in a blank, in the last letter
    float extra = 0;             // language model, word bonus, hot words
    LmState lm;
    HotWords::State hot;
    float acoustic() const;
    float score() const { return acoustic() + extra; }
  };

  void step(const float* log_probs);
  Hypothesis& target(std::int32_t parent, char c, const Hypothesis& from, float log_prob);
  float close_word(Hypothesis& h, std::int32_t letter) const;
  void prune();
  void commit();
  void collect_letters();
  std::string text_of(std::int32_t letter) const;
  std::string last_word(std::int32_t letter) const;
  DecodedText describe(const Hypothesis& h) const;

  CtcDecoderConfig config_;
  const LanguageModel* lm_;
  HotWords hot_words_;
  std::vector<Letter> letters_;
  std::vector<Hypothesis> beam_, next_;
  std::vector<int> classes_;  // of this step, most probable first
  struct Child {
    std::int32_t parent;
    char c;
    std::int32_t letter;
    std::int32_t index;
  };
  std::vector<Child> children_;  // new letters of this step, and where they are in next_
  int step_ = 0;
};

}  // namespace antiphon::asr
