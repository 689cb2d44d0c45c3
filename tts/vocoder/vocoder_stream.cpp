// Feeds the networks, the harmonics of one to the other, and drops what lies outside the utterance.
#include "tts/vocoder/vocoder_stream.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace antiphon::tts {

double Noise::uniform() {
  std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ull);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  z ^= z >> 31;
  return (static_cast<double>(z >> 11) + 1) * 0x1.0p-53;
}

void Noise::fill(std::span<float> out, float sigma) {
  if (sigma == 0) {
    std::fill(out.begin(), out.end(), 0.0f);
    return;
  }
  for (std::size_t i = 0; i < out.size(); i += 2) {  // Box-Muller
    const double radius = sigma * std::sqrt(-2 * std::log(uniform()));
    const double angle = 2 * std::numbers::pi * uniform();
    out[i] = static_cast<float>(radius * std::cos(angle));
    if (i + 1 < out.size()) out[i + 1] = static_cast<float>(radius * std::sin(angle));
  }
}

void VocoderStream::begin(std::uint64_t seed) {
  noise_ = Noise(seed);
  harmonics_.begin();
  untold_.clear();
  all_told_ = false;
  const int early_groups = config_.has_pitch() ? config_.harmonics_delay_groups() : 0;
  waiting_.assign(static_cast<std::size_t>(early_groups * config_.group_samples), 0.0f);
  skip_pitch_frames_ = static_cast<std::size_t>(config_.pitch_layers);
  fed_samples_ = given_samples_ = 0;
  skip_samples_ = static_cast<std::int64_t>(config_.delay_groups()) * config_.group_samples;
}

void VocoderStream::begin(std::uint64_t seed, const VocoderConfig& config) {
  config_ = config;
  begin(seed);
}

Status VocoderStream::run(NetRunner* pitch, NetRunner& vocoder, int slot,
                          std::span<const float> mel, int frames, std::vector<float>& samples) {
  const auto bins = static_cast<std::size_t>(config_.mel_bins);
  const auto count = static_cast<std::size_t>(frames);
  const std::size_t inside = mel.size() / bins;
  if (inside > count)
    return internal_error("vocoder: wanted at most " + std::to_string(frames) + " frames, got " +
                          std::to_string(inside));
  if (config_.has_pitch() && pitch == nullptr)
    return internal_error("vocoder: wanted its pitch network, got none");
  mel_.assign(count * bins, 0.0f);
  std::copy(mel.begin(), mel.end(), mel_.begin());
  mask_.assign(count, 0.0f);
  std::fill_n(mask_.begin(), inside, 1.0f);
  if (config_.has_pitch()) {
    ANTIPHON_RETURN_IF_ERROR(run_pitch(*pitch, slot, count, inside));
    ANTIPHON_RETURN_IF_ERROR(set_harmonics(vocoder, frames));
  }
  const auto hop = static_cast<std::size_t>(config_.hop_samples);
  noise_block_.assign(count * hop, 0.0f);
  noise_.fill(std::span(noise_block_).first(inside * hop), sigma_);
  const std::int64_t mel_dims[] = {1, frames, config_.mel_bins};
  const std::int64_t mask_dims[] = {1, frames, 1};
  const std::int64_t noise_dims[] = {1, frames, config_.hop_samples};
  ANTIPHON_RETURN_IF_ERROR(set_input(vocoder, "mel", mel_dims, mel_));
  ANTIPHON_RETURN_IF_ERROR(set_input(vocoder, "mask", mask_dims, mask_));
  ANTIPHON_RETURN_IF_ERROR(set_input(vocoder, "noise", noise_dims, noise_block_));
  ANTIPHON_RETURN_IF_ERROR(vocoder.run(slot));
  ANTIPHON_ASSIGN_OR_RETURN(const auto audio, vocoder.output("audio"));
  fed_samples_ += static_cast<std::int64_t>(inside * hop);
  const std::int64_t skipped =
      std::min<std::int64_t>(skip_samples_, static_cast<std::int64_t>(audio.size()));
  skip_samples_ -= skipped;
  const std::int64_t ready = std::min<std::int64_t>(
      static_cast<std::int64_t>(audio.size()) - skipped, fed_samples_ - given_samples_);
  if (ready > 0) {
    samples.insert(samples.end(), audio.begin() + skipped, audio.begin() + skipped + ready);
    given_samples_ += ready;
  }
  return {};
}

// The block in mel_ and mask_, its first `inside` frames being the utterance's.
Status VocoderStream::run_pitch(NetRunner& pitch, int slot, std::size_t frames,
                                std::size_t inside) {
  const auto bins = static_cast<std::size_t>(config_.mel_bins);
  const std::int64_t mel_dims[] = {1, static_cast<std::int64_t>(frames), config_.mel_bins};
  const std::int64_t mask_dims[] = {1, static_cast<std::int64_t>(frames), 1};
  ANTIPHON_RETURN_IF_ERROR(set_input(pitch, "mel", mel_dims, mel_));
  ANTIPHON_RETURN_IF_ERROR(set_input(pitch, "mask", mask_dims, mask_));
  ANTIPHON_RETURN_IF_ERROR(pitch.run(slot));
  ANTIPHON_ASSIGN_OR_RETURN(const auto told, pitch.output("pitch"));
  const auto block = std::span<const float>(mel_).first(inside * bins);
  untold_.insert(untold_.end(), block.begin(), block.end());
  const std::size_t skipped = std::min(skip_pitch_frames_, frames);
  skip_pitch_frames_ -= skipped;
  const std::size_t heard = std::min(frames - skipped, untold_.size() / bins);
  harmonics_.push(std::span<const float>(untold_).first(heard * bins),
                  told.subspan(2 * skipped, 2 * heard), waiting_);
  untold_.erase(untold_.begin(), untold_.begin() + static_cast<std::ptrdiff_t>(heard * bins));
  if (heard < frames - skipped) {  // the network tells of what is outside
    harmonics_.end(waiting_);
    all_told_ = true;
  }
  return {};
}

Status VocoderStream::set_harmonics(NetRunner& vocoder, int frames) {
  const auto wanted = static_cast<std::size_t>(frames * config_.hop_samples);
  if (waiting_.size() < wanted) {
    if (!all_told_)
      return internal_error("vocoder: wanted harmonics of " + std::to_string(wanted) +
                            " samples, got " + std::to_string(waiting_.size()));
    waiting_.resize(wanted, 0.0f);
  }
  const std::int64_t dims[] = {1, frames, config_.hop_samples};
  ANTIPHON_RETURN_IF_ERROR(
      set_input(vocoder, "harmonics", dims, std::span<const float>(waiting_).first(wanted)));
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(wanted));
  return {};
}

}  // namespace antiphon::tts
