// Harmonics of the pitch that a mel tells, which join the vocoder's audio: they keep the periods of
// low voices in step.
#pragma once

#include <array>
#include <span>
#include <vector>

namespace antiphon::tts {

// Of training/vocoder/model.py, function harmonics: 48 cosines of the pitch's multiples, as loud as
// the mel's bands at their places say, less what is noise in voices there, times the probability of
// a voice.
// Harmonic-plus-noise synthesis (Stylianou 2001), as the first part of a network as in arXiv
// 1904.12088 and 2001.04643. Pitch and loudness go in straight lines from the centre of one frame's
// samples to the next's; the phase goes on from frame to frame. Any thread, one at a time.
// Allocates in the constructor and where the samples that it gives have no room.
class Harmonics {
 public:
  // hop_samples: even; mel_bins: at least 2, up to 8 kHz on Slaney's scale.
  Harmonics(int rate_hz, int hop_samples, int mel_bins);

  // Before an utterance's first frame.
  void begin();
  // mel: [frames, mel_bins] f32, natural logs; pitch: [frames, 2] f32, octaves above 100 Hz (taken
  // as 60 to 500 Hz) and the logit of being voiced. Appends what is then known: the samples up to
  // the middle of the last frame.
  void push(std::span<const float> mel, std::span<const float> pitch, std::vector<float>& samples);
  // After an utterance's last frame, which holds: appends its second half.
  void end(std::vector<float>& samples);

 private:
  static constexpr std::size_t kMultiples = 48;
  struct Frame {
    double hz = 0;
    std::array<double, kMultiples> loud = {};  // of the pitch's multiples, from 1 on
    std::size_t num_heard = 0;                 // those beyond are negligible
  };
  Frame frame_of(std::span<const float> mel, std::span<const float> pitch) const;
  void add_line(const Frame& from, const Frame& to, int first, int last,
                std::vector<float>& samples);

  int rate_hz_, hop_samples_;
  std::vector<double> centres_, widths_;  // Hz, of the mel's bands
  Frame before_;                          // the last frame pushed
  bool has_before_ = false;
  double phase_ = 0;  // periods, [0, 1)
};

}  // namespace antiphon::tts
