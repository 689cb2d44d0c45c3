// Streaming log-mel features: mono PCM in, one frame out per hop.
#pragma once

#include <complex>
#include <span>
#include <vector>

#include "engine/base/status.h"

namespace antiphon::asr {

struct LogMelConfig {
  int sample_rate_hz = 16000;
  int window_samples = 400;   // 25 ms at 16 kHz, periodic Hann, centred in the transform
  int hop_samples = 160;      // 10 ms at 16 kHz
  int fft_samples = 512;      // a power of two
  int lead_in_samples = 200;  // zeros before the first sample: frame t starts at t * hop - lead_in
  int mel_bins = 80;          // HTK mel scale, triangles without area normalisation
  double low_hz = 20.0, high_hz = 7600.0;
  float floor = 1e-6f;  // feature = log(power + floor) * gain + offset
  float gain = 0.25f, offset = 1.5f;
};

// Owns all its buffers; keeps no caller memory after a call returns. One per stream; not
// thread-safe. Allocates in create(), and in push() while its queue grows to the largest push seen.
class LogMel {
 public:
  // kInvalidArgument: a field is out of range; it is named.
  static Result<LogMel> create(const LogMelConfig& config);

  // pcm: [samples] f32 in [-1, 1], any length; copied.
  void push(std::span<const float> pcm);
  // Frames that pop() can give now.
  int num_ready() const;
  // out: [mel_bins]. False: no full window is waiting (not an error).
  bool pop(std::span<float> out);
  // Back to the state after create().
  void reset();

 private:
  LogMel() = default;
  void transform();

  LogMelConfig config_;
  std::vector<float> window_;                 // [fft_samples], zeros around the Hann window
  std::vector<std::complex<float>> twiddle_;  // [fft_samples / 2]
  std::vector<int> reversed_;                 // bit reversal
  std::vector<std::complex<float>> spectrum_;
  struct Band {
    int first = 0;
    std::vector<float> weight;  // of power bins first, first + 1, ...
  };
  std::vector<Band> bands_;
  std::vector<float> queue_;  // samples from the start of the next frame
  std::size_t begin_ = 0;     // of the next frame in queue_
};

}  // namespace antiphon::asr
