// The network that tells the pitch of a mel, for the harmonics in the vocoder's audio.
#pragma once

#include "tts/vocoder/vocoder_network.h"

namespace antiphon::tts {

// Tensor names: training/vocoder/export.py. config.has_pitch() must hold.
// "mel" [1, T, mel_bins], "mask" [1, T, 1] (1 inside the utterance) -> "pitch" [1, T, 2],
// octaves above 100 Hz and the logit of being voiced, pitch_layers frames late. The state keeps
// every layer's last inputs, so that blocks of any lengths give the whole utterance's pitch.
Network pitch_network(const Weights& weights, const VocoderConfig& config);

}  // namespace antiphon::tts
