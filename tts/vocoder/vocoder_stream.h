// The vocoder over a stream of mel frames.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tts/stream/net_runner.h"
#include "tts/vocoder/vocoder_network.h"

namespace antiphon::tts {

// Gaussian noise, the same for the same seed on every machine.
class Noise {
 public:
  explicit Noise(std::uint64_t seed) : state_(seed) {}
  void fill(std::span<float> out, float sigma);

 private:
  double uniform();  // (0, 1]
  std::uint64_t state_;
};

// Gives every sample of the utterance once, delay_groups() behind the frames it was fed. The state
// slot must be zeroed by the owner before an utterance begins.
class VocoderStream {
 public:
  VocoderStream(const VocoderConfig& config, float sigma)
      : config_(config), sigma_(sigma), noise_(0) {}

  void begin(std::uint64_t seed);
  // Runs `frames` frames: those of `mel` ([n, mel_bins], n <= frames), then frames after the
  // utterance's end. Appends the samples that are ready.
  Status run(NetRunner& vocoder, int slot, std::span<const float> mel, int frames,
             std::vector<float>& samples);
  // Samples of the frames fed so far that are still to come.
  std::int64_t samples_inside() const { return fed_samples_ - given_samples_; }

 private:
  VocoderConfig config_;
  float sigma_;
  Noise noise_;
  std::int64_t fed_samples_ = 0, given_samples_ = 0, skip_samples_ = 0;
  std::vector<float> mel_, mask_, noise_block_;
};

}  // namespace antiphon::tts
