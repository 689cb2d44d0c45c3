// The slim WaveGlow as a streamed network.
#pragma once

#include "engine/network.h"
#include "engine/weights.h"

namespace antiphon::tts {

struct VocoderConfig {
  int flows = 6;
  int layers = 10;  // of each flow's coupling network, kernel 3
  int channels = 256;
  int group_samples = 64;
  int hop_samples = 256;
  int mel_bins = 80;

  int groups_per_frame() const { return hop_samples / group_samples; }
  // Every layer looks one group ahead.
  int delay_groups() const { return flows * layers; }
  // The same in whole frames, rounded up.
  int delay_frames() const {
    return (delay_groups() + groups_per_frame() - 1) / groups_per_frame();
  }
};

// kInvalidArgument: a tensor is absent or its shape does not fit `config`; names it, wanted and
// got.
Status check_vocoder(const Weights& weights, const VocoderConfig& config);

// Tensor names: training/vocoder/export.py.
// "mel" [1, T, mel_bins], "mask" [1, T, 1] (1 inside the utterance), "noise" [1, T, hop_samples]
// (zero outside) -> "audio" [1, T * groups_per_frame, group_samples], delay_groups() groups late.
// The state keeps every layer's last inputs, so that blocks of any lengths give the whole
// utterance's samples.
Network vocoder_network(const Weights& weights, const VocoderConfig& config);

}  // namespace antiphon::tts
