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
  // Of the pitch network, kernel 3; 0: the pack has none, the flows' audio is all.
  int pitch_channels = 0;
  int pitch_layers = 0;
  int pitch_flows = 0;  // last flows that hear the harmonics; 0: none, they join the audio alone

  bool has_pitch() const { return pitch_layers > 0; }
  bool hears_harmonics(int flow) const { return has_pitch() && flow >= flows - pitch_flows; }
  int groups_per_frame() const { return hop_samples / group_samples; }
  // Every layer looks one group ahead. A pitch network adds nothing: is_told_in_time().
  int delay_groups() const { return flows * layers; }
  // The same in whole frames, rounded up.
  int delay_frames() const {
    return (delay_groups() + groups_per_frame() - 1) / groups_per_frame();
  }
  // Harmonics come so late: with what the first flow that hears them works on.
  int harmonics_delay_groups() const { return (flows - pitch_flows) * layers; }
  // Every layer of the pitch network looks one frame ahead and harmonics another one: they must be
  // there when they are first heard.
  bool is_told_in_time() const {
    return (pitch_layers + 1) * groups_per_frame() <= harmonics_delay_groups();
  }
};

// kInvalidArgument: a tensor is absent or its shape does not fit `config`; names it, wanted and
// got.
Status check_vocoder(const Weights& weights, const VocoderConfig& config);

// Tensor names: training/vocoder/export.py.
// "mel" [1, T, mel_bins], "mask" [1, T, 1] (1 inside the utterance), "noise" [1, T, hop_samples]
// (zero outside) -> "audio" [1, T * groups_per_frame, group_samples], delay_groups() groups late.
// Where config.has_pitch() also "harmonics" [1, T, hop_samples] (zero outside), which come
// harmonics_delay_groups() groups late and are part of "audio". The state keeps every layer's last
// inputs, so that blocks of any lengths give the whole utterance's samples.
Network vocoder_network(const Weights& weights, const VocoderConfig& config);

}  // namespace antiphon::tts
