// Letter-to-sound: a small bidirectional LSTM with CTC, for words that the lexicon does not know.
#pragma once

#include <memory>
#include <string>

#include "engine/engine.h"
#include "tts/phonemes/phonemiser.h"

namespace antiphon::tts {

// Classes of the output: 0 blank, then one for each code point of `phonemes`.
struct G2pConfig {
  std::string letters = "abcdefghijklmnopqrstuvwxyz'";  // id 1 is the first
  Phonemes phonemes;
  int repeat = 3;        // so often each letter stands in the input
  int layers = 2;
  std::size_t max_letters = 40;  // longer words are cut
};

// ids [1, "T"] i32 -> "logits" [1, T, classes].
Network g2p_network(const Weights& weights, const G2pConfig& config);

// Merges repeats and drops blanks.
Phonemes ctc_greedy(std::span<const std::int32_t> best, const Phonemes& phonemes);

// Owns the plan and one context: one call at a time.
class G2p final : public LetterToSound {
 public:
  static Result<std::unique_ptr<G2p>> create(const Weights& weights, const G2pConfig& config, const BuildOptions& options, ThreadTeam* team);
  // Shares the plan of `other`.
  static Result<std::unique_ptr<G2p>> share(const G2p& other, ThreadTeam* team);
  Result<Phonemes> say(std::string_view letters) override;

 private:
  G2pConfig config_;
  std::shared_ptr<const Plan> plan_;
  std::unique_ptr<Context> context_;
};

}  // namespace antiphon::tts
