// The language network: a small language model over the attention decoder's pieces, whose say is
// added to the decoder's own (shallow fusion: Gulcehre et al. 2015, arXiv 1503.03535).
#pragma once

#include "asr/piece_tower.h"

namespace antiphon::asr {

struct PieceLanguageConfig {
  int layers = 0;  // 0: there is none
  int channels = 0, heads = 0, inner = 0;
  float weight = 0;  // of its log-probabilities beside the attention decoder's
};

// Before the names of its keys and values (kept_name).
inline constexpr const char* kLanguageKind = "language_";

// Geometry of training/asr/piece_lm.py; B = 1 -> log-probabilities [1, S, pieces] of what comes
// after each piece, and keys and values of each layer as PieceTower::to_text has them.
Value piece_language(Network& net, const Weights& weights, const PieceLanguageConfig& config,
                     const TextInputs& texts);

// Every tensor is there and has its shape; errors name it. pieces, places: the speller's.
Status check_piece_language(const Weights& weights, const PieceLanguageConfig& config, int pieces,
                            int places);

}  // namespace antiphon::asr
