// The vocoder over a stream of mel frames.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tts/stream/net_runner.h"
#include "tts/vocoder/harmonics.h"
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

// Gives every sample of the utterance once, delay_groups() behind the frames it was fed. Harmonics
// of the pitch, where config has a pitch network, are known before the first flow that hears them
// gets as far (is_told_in_time() must hold) and wait for it. The state slot must be zeroed by the
// owner, in both networks, before an utterance begins. Not thread-safe. Allocates when a block is
// longer than all before it.
class VocoderStream {
 public:
  // sigma: deviation of the noise.
  VocoderStream(const VocoderConfig& config, float sigma, int rate_hz)
      : config_(config),
        sigma_(sigma),
        noise_(0),
        harmonics_(rate_hz, config.hop_samples, config.mel_bins) {}

  void begin(std::uint64_t seed);
  // From now on with another voice's config, which differs in its pitch alone.
  void begin(std::uint64_t seed, const VocoderConfig& config);
  // Runs `frames` frames: those of `mel` ([n, mel_bins], n <= frames), then frames after the
  // utterance's end. Appends the samples that are ready. pitch: null where config has none.
  // kInternal: more of `mel` than `frames`, no pitch network, harmonics told too late; the
  // utterance cannot go on.
  Status run(NetRunner* pitch, NetRunner& vocoder, int slot, std::span<const float> mel, int frames,
             std::vector<float>& samples);
  // Samples of the frames fed so far that are still to come.
  std::int64_t samples_inside() const { return fed_samples_ - given_samples_; }

 private:
  Status run_pitch(NetRunner& pitch, int slot, std::size_t frames, std::size_t inside);
  Status set_harmonics(NetRunner& vocoder, int frames);

  VocoderConfig config_;
  float sigma_;
  Noise noise_;
  std::int64_t fed_samples_ = 0, given_samples_ = 0, skip_samples_ = 0;
  std::vector<float> mel_, mask_, noise_block_;

  Harmonics harmonics_;
  std::size_t skip_pitch_frames_ = 0;  // that the network still tells of before the first frame
  std::vector<float> untold_;          // [n, mel_bins], frames whose pitch is yet to be told
  std::vector<float> waiting_;         // harmonics that the vocoder is still to be fed
  bool all_told_ = false;              // up to the utterance's end; zeros follow
};

}  // namespace antiphon::tts
