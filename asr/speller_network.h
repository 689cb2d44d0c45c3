// The attention decoder's networks for builders of plans, and what their weights must be.
#pragma once

#include "asr/speller.h"

namespace antiphon::asr {

// Geometry of training/asr/speller.py, the decoder of Whisper (Radford et al. 2022, arXiv
// 2212.04356). Both have one row, B = 1.
//
// What every piece hears of a turn, once a turn: heard [1, T, channels] -> heard_keys.K and
// heard_values.K [1, T, channels] of each layer K.
Network speller_memory_network(const Weights& weights, const SpellerConfig& config);

// S pieces of a tree of texts, P pieces that were run before: numbers and places i32 [1, S];
// seen [1, S, P + S], added to the scores of pieces, kOutside (acoustic_network.h) where one is not
// an ancestor; heard [1, T], the same for frames; heard_keys.K, heard_values.K [1, T, channels];
// past_keys.K, past_values.K [1, P, channels] -> log_probs [1, S, pieces] of what comes after each,
// keys.K and values.K [1, S, channels]; what was heard and what was run before also as kept_NAME,
// so that it stays in the inputs.
//
// With a language network (config.language, `language` its weights) log_probs are the attention
// decoder's and, times language.weight, its own, and it has past_language_keys.K,
// past_language_values.K, language_keys.K and language_values.K of its channels.
Network speller_network(const Weights& weights, const SpellerConfig& config,
                        const Weights* language = nullptr);

// Every tensor is there and has its shape; errors name it.
Status check_speller_weights(const Weights& weights, const SpellerConfig& config);

}  // namespace antiphon::asr
