// The most probable texts by the speller, or by it and CTC.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "asr/ctc_decoder.h"
#include "asr/ctc_prefix.h"
#include "asr/pieces.h"
#include "asr/speller.h"

namespace antiphon::asr {

struct PieceBeamConfig {
  int width = 4;
  // Of scores: what is further below the best one is left.
  float margin = std::numeric_limits<float>::infinity();
  int most = SpellerConfig::kPlaces - 2;  // pieces of a text
  int tried = 12;  // of the pieces that may follow, those that CTC and the language are asked for
  // Beside what the speller tells: of CTC's log-probabilities, and of the language's score.
  float ctc_weight = 0.2f, language_weight = 0.5f;
};

struct SpelledText {
  std::vector<std::int32_t> pieces;
  float log_prob = 0;  // of all of it and its end, as the speller tells it
  float score = 0;     // the same with what CTC and the language add
};

// What CTC heard of the turn and what its decoder makes of words.
struct CtcEvidence {
  CtcDecoder* decoder = nullptr;  // its texts grow
  const CtcPrefixScorer* scorer = nullptr;
  const std::vector<std::vector<std::uint8_t>>* letters = nullptr;  // classes [pieces]
  std::uint8_t space = 0;
};

// Beam search over pieces of what `speller` heard last (Sutskever et al. 2014, arXiv 1409.3215): of
// every length the `width` best beginnings go on; a text that ends is one of them and leaves the
// beam, which is over when `width` have, or nothing is left within `margin` of the best. With `ctc`
// a beginning is also scored by how probable it is that what CTC heard begins so (ctc_prefix.h), so
// that nothing is left out and nothing told twice, and by its words. Best first; none is empty.
// kExhausted: the speller's tree is full.
Result<std::vector<SpelledText>> most_probable_texts(Speller& speller,
                                                     const PieceBeamConfig& config,
                                                     const CtcEvidence& ctc = {});

}  // namespace antiphon::asr
