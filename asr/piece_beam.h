// The most probable texts by the attention decoder.
#pragma once

#include <cstdint>
#include <vector>

#include "asr/speller.h"

namespace antiphon::asr {

struct PieceBeamConfig {
  int width = 4;
  int most = SpellerConfig::kPlaces - 2;  // pieces of a text
};

struct SpelledText {
  std::vector<std::int32_t> pieces;
  float log_prob = 0;  // of all of it and its end
};

// The first pieces of every vocabulary (training/asr/pieces.py).
enum Mark : std::int32_t { kEndMark = 0, kBeginMark = 1, kTextMark = 2, kNumMarks = 3 };

// Beam search over pieces of what `speller` heard last (Sutskever et al. 2014, arXiv 1409.3215): of
// every length the `width` most probable beginnings go on, ended texts leave the beam, and it ends
// when nothing that goes on can be among the best `width`. Best first; none is empty.
// kExhausted: the speller's tree is full.
Result<std::vector<SpelledText>> most_probable_texts(Speller& speller,
                                                     const PieceBeamConfig& config);

}  // namespace antiphon::asr
