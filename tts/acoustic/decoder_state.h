// What the decoder carries from one block of frames to the next.
#pragma once

#include <array>

#include "tts/acoustic/networks.h"

namespace antiphon::tts {

enum Carried : int {
  kFrame,
  kContext,
  kAttentionH,
  kAttentionC,
  kDecoderH,
  kDecoderC,
  kPrevious,
  kCumulative,
  kPosition,
  kHeld,
  kForced,
  kNumCarried
};

inline constexpr std::array<const char*, kNumCarried> kCarriedNames = {
    "frame",    "context",    "attention_h", "attention_c", "decoder_h", "decoder_c",
    "previous", "cumulative", "at",          "held",        "forced"};

// Extent of each; -1: the number of symbols.
inline std::array<int, kNumCarried> carried_sizes(const AcousticGeometry& g) {
  return {g.mel_bins, g.encoder, g.rnn, g.rnn, g.rnn, g.rnn, -1, -1, 1, 1, 1};
}

}  // namespace antiphon::tts
