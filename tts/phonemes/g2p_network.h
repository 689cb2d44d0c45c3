// Letter-to-sound: a small bidirectional LSTM with CTC, for words that the lexicon does not know.
#pragma once

#include <span>
#include <string>

#include "engine/network.h"
#include "tts/phonemes/phonemiser.h"
#include "tts/stream/net_runner.h"

namespace antiphon::tts {

// Classes of the output: 0 blank, then one for each code point of `phonemes`.
struct G2pConfig {
  std::string letters = "abcdefghijklmnopqrstuvwxyz'";  // id 1 is the first
  Phonemes phonemes;
  int repeat = 3;  // so often each letter stands in the input
  int layers = 2;
  std::size_t max_letters = 40;  // longer words are cut
};

// ids [1, "T"] i32 -> "logits" [1, T, classes].
Network g2p_network(const Weights& weights, const G2pConfig& config);

// Merges repeats and drops blanks.
Phonemes ctc_greedy(std::span<const std::int32_t> best, const Phonemes& phonemes);

// kInvalidArgument: the classes do not fit the phonemes; names both counts.
Status check_g2p(const Weights& weights, const G2pConfig& config);

// Both borrowed. One call at a time.
class G2p final : public LetterToSound {
 public:
  G2p(NetRunner& net, const G2pConfig& config) : net_(net), config_(config) {}
  Result<Phonemes> say(std::string_view letters) override;

 private:
  NetRunner& net_;
  const G2pConfig& config_;
};

}  // namespace antiphon::tts
