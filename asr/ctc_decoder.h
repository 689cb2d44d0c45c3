// CTC prefix beam search with a word n-gram model and hot words, step by step.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "asr/hot_words.h"
#include "asr/language_model.h"
#include "asr/letter_tree.h"
#include "asr/phrase_model.h"
#include "asr/word_confidence.h"
#include "engine/base/status.h"

namespace antiphon::asr {

struct CtcDecoderConfig {
  std::string alphabet = " 'abcdefghijklmnopqrstuvwxyz";  // class i + 1; class 0 is the blank
  int beam_width = 32;
  float prune = 9.0f;  // classes and hypotheses this far (log) below the best are dropped
  float lm_weight = 0.6f;
  float unknown_word = -3.0f;  // added at each word that the model does not know
  float unknown_letter = 0;    // and for each of its letters
  float word_bonus = 1.2f;     // added at each word: balances the model's length bias
  float phrase_share = 0.1f;   // of a word's probability that the phrase model decides
  float phrase_gain = 1.0f;    // times what a word's score gains by that; an attention decoder that
                               // halves it wants 2
  float hot_gain = 1.0f;  // times hot words' boosts, where texts are scored for others' searches
  int commit_steps = 40;  // hypotheses that disagree on words older than this are dropped
  float delay_ms = 0;     // by which the network hears letters late; word times leave it out
  ConfidenceWeights confidence;
};

struct DecodedWord {
  std::string text;
  int first_step = 0, last_step = 0;  // steps at which its first and last letters were heard
  float confidence = 0;               // [0, 1]: see word_confidence.h
};

// The two parts of a text's score.
struct TextScore {
  float heard = 0;     // log P of the text under CTC
  float language = 0;  // language model, word bonus, phrases and hot words
};

struct DecodedText {
  std::string text;
  float log_score = 0;             // acoustic + model + hot words
  float share = 0;                 // of the beam's probability
  std::vector<DecodedWord> words;  // of the best text alone
};

// After Hannun et al., "First-Pass Large Vocabulary Continuous Speech Recognition using
// Bi-Directional Recurrent DNNs" (arXiv 1408.2873). A step is one row of log-probabilities, of
// which a step of the acoustic network may give several. One a stream; not thread-safe; reuses its
// buffers: after the first utterances advance() allocates no more.
class CtcDecoder {
 public:
  // lm and phrases may be null; they must outlive the decoder.
  CtcDecoder(const CtcDecoderConfig& config, const LanguageModel* lm, HotWords hot_words,
             const PhraseModel* phrases = nullptr);

  // log_probs: [num_steps, alphabet + 1], natural logarithms.
  void advance(std::span<const float> log_probs, int num_steps);
  // The best text so far, and how many of its bytes every hypothesis agrees on for ever.
  std::string best(int* stable_bytes) const;
  // The best text if nothing more were said: what finish() would give first.
  std::string best_ended() const;
  // Ends the words and gives up to `count` texts, best first.
  std::vector<DecodedText> finish(int count) const;
  // The same without words.
  std::vector<DecodedText> best_texts(int count) const;
  // When the words of a text were heard, and how surely.
  std::vector<DecodedWord> words_of(const std::string& text) const;
  // Each text's, as the beam would score it if it forgot nothing and hot_gain were 1: all
  // alignments of all steps since reset() count. texts: words of the alphabet's letters with single
  // spaces. `heard` is -infinity for anything else, an empty text, more letters than the steps can
  // tell, or a step that hears none of them. Allocates; num_steps x letters time.
  std::vector<TextScore> scores(std::span<const std::string> texts) const;
  // Texts letter by letter, for searches of others: the text of no letters is kNoText, every other
  // one is the child of a shorter one. They live until the next advance() or reset().
  static constexpr std::int32_t kNoText = LetterTree::kRoot;
  std::int32_t longer(std::int32_t text, std::uint8_t letter);
  // Of a beginning of texts, with what its last word can become at best; of a whole text. Hot words
  // count hot_gain times, here and in scores().
  float language_score(std::int32_t text) const {
    return letters_[text].extra + (config_.hot_gain - 1) * letters_[text].boosts;
  }
  float whole_language_score(std::int32_t text) const;
  bool has_hot_words() const { return !hot_words_.empty(); }
  int num_steps() const { return step_; }
  // All steps since reset(): [num_steps, num_classes].
  std::span<const float> log_probs() const { return heard_; }
  std::size_t num_classes() const { return config_.alphabet.size() + 1; }
  bool empty() const;  // nothing but blanks so far
  void reset();

 private:
  struct Hypothesis {
    std::int32_t letter = LetterTree::kRoot;
    float blank = 0, label = 0;  // log probability of ending in a blank, in the last letter
    float acoustic = 0;          // of both
    float score = 0;             // with the letter's extra
  };

  void step(const float* log_probs);
  void stay(const float* log_probs);
  void grow(const float* log_probs, float floor);
  std::int32_t extend(std::int32_t letter, std::uint8_t symbol);
  float close_word(std::int32_t letter, LmState& lm, std::int32_t& phrases) const;
  float score_word(std::string_view word, LmState& lm, std::int32_t& phrases) const;
  float score_language(std::string_view text) const;
  float ending(std::int32_t letter) const;
  float last_boost(std::int32_t letter) const;
  float look_ahead(std::int32_t letter) const;
  void prune();
  void commit();
  void collect();
  std::vector<Hypothesis> ended() const;
  std::string text_of(const Hypothesis& hypothesis) const;
  // 0: not a letter of the alphabet.
  std::vector<std::uint8_t> classes_of(std::string_view text) const;

  CtcDecoderConfig config_;
  const LanguageModel* lm_;
  const PhraseModel* phrases_;
  HotWords hot_words_;
  LetterTree letters_;
  std::vector<Hypothesis> beam_, next_;
  std::vector<std::uint8_t> symbols_;   // of this step: probable enough to grow by
  std::vector<std::int32_t> children_;  // of the letter that grows, by class
  std::vector<std::int32_t*> live_;     // the beam's letters, for a collection
  std::vector<float> heard_;            // all steps since reset(): [num_steps, alphabet + 1]
  std::size_t collect_at_ = 0;          // letters
  int step_ = 0;
};

}  // namespace antiphon::asr
