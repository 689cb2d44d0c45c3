// Runs encoder and decoder, and watches the walk between blocks.
#include "tts/acoustic/acoustic_decoder.h"

#include <algorithm>
#include <string>

namespace antiphon::tts {
namespace {

// SplitMix64: the masks are the same for the same seed on every machine.
std::uint64_t next_random(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9E3779B97F4A7C15ull);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

}  // namespace

Status AcousticDecoder::begin(NetRunner& encoder, std::span<const std::int32_t> ids,
                              std::uint64_t seed, int speaker) {
  done_ = true;
  symbols_ = ids.size();
  if (ids.empty()) return invalid_argument("acoustic: wanted at least one symbol");
  if (speaker < 0 || speaker >= std::max(geometry_.speakers, 1))
    return invalid_argument("acoustic: speaker: wanted 0 to " +
                            std::to_string(std::max(geometry_.speakers, 1) - 1) + ", got " +
                            std::to_string(speaker));
  const auto n = static_cast<std::int64_t>(symbols_);
  const std::int64_t dims[] = {1, n};
  ANTIPHON_ASSIGN_OR_RETURN(void* input, encoder.input("ids", dims));
  std::copy(ids.begin(), ids.end(), static_cast<std::int32_t*>(input));
  if (geometry_.speakers > 0) {
    const std::int64_t one[] = {1, 1};
    ANTIPHON_ASSIGN_OR_RETURN(void* voice, encoder.input("speaker", one));
    *static_cast<std::int32_t*>(voice) = speaker;
  }
  ANTIPHON_RETURN_IF_ERROR(encoder.run(-1));
  ANTIPHON_ASSIGN_OR_RETURN(const auto encoded, encoder.output("encoder"));
  encoder_.assign(encoded.begin(), encoded.end());
  ANTIPHON_ASSIGN_OR_RETURN(const auto key, encoder.output("key"));
  key_.assign(key.begin(), key.end());
  std::span<const float> log_frames;
  if (geometry_.has_durations) {
    ANTIPHON_ASSIGN_OR_RETURN(log_frames, encoder.output("log_frames"));
  }
  limits_ = guard_limits(log_frames, symbols_, guard_config_);
  if (config_.alignment == Alignment::kDurations)
    plan_ = plan_alignment(limits_.expected, alignment_width_, guard_config_.max_frames);
  const auto sizes = carried_sizes(geometry_);
  for (std::size_t i = 0; i < kNumCarried; ++i)
    carried_[i].assign(sizes[i] < 0 ? symbols_ : static_cast<std::size_t>(sizes[i]), 0.0f);
  positions_.clear();
  random_ = seed;
  stuck_frames_ = num_forced_ = 0;
  done_ = false;
  return {};
}

void AcousticDecoder::fill_masks() {
  masks_.resize(static_cast<std::size_t>(config_.block_frames) * 2 *
                static_cast<std::size_t>(geometry_.prenet));
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < masks_.size(); ++i) {
    if (i % 64 == 0) bits = next_random(random_);
    masks_[i] = (bits >> (i % 64)) & 1 ? 2.0f : 0.0f;
  }
}

Status AcousticDecoder::set_inputs(NetRunner& decoder) {
  const auto n = static_cast<std::int64_t>(symbols_);
  const std::int64_t block = config_.block_frames;
  const auto set = [&](const char* name, std::vector<std::int64_t> dims,
                       std::span<const float> values) {
    return set_input(decoder, name, dims, values);
  };
  ANTIPHON_RETURN_IF_ERROR(set("encoder", {1, n, geometry_.encoder}, encoder_));
  for (std::size_t i = 0; i < kNumCarried; ++i) {
    ANTIPHON_RETURN_IF_ERROR(
        set(kCarriedNames[i], {1, static_cast<std::int64_t>(carried_[i].size())}, carried_[i]));
  }
  if (config_.dropout) {
    fill_masks();
    ANTIPHON_RETURN_IF_ERROR(set("masks", {1, block, 2 * geometry_.prenet}, masks_));
  }
  if (config_.alignment == Alignment::kDurations) {
    planned_block_.assign(static_cast<std::size_t>(block) * symbols_, 0.0f);
    for (std::size_t t = 0; t < static_cast<std::size_t>(block); ++t) {
      const std::size_t row =
          std::min(positions_.size() + t, static_cast<std::size_t>(plan_.frames) - 1);
      std::copy_n(plan_.weights.begin() + static_cast<std::ptrdiff_t>(row * symbols_), symbols_,
                  planned_block_.begin() + static_cast<std::ptrdiff_t>(t * symbols_));
    }
    return set("planned", {1, block, n}, planned_block_);
  }
  ANTIPHON_RETURN_IF_ERROR(set("key", {1, n, geometry_.attention}, key_));
  ANTIPHON_RETURN_IF_ERROR(set("index", {1, n}, limits_.index));
  ANTIPHON_RETURN_IF_ERROR(set("limit", {1, n}, limits_.limit));
  ANTIPHON_RETURN_IF_ERROR(set("expected", {1, n}, limits_.expected));
  return set("reach", {1, n}, limits_.reach);
}

Status AcousticDecoder::read_outputs(NetRunner& decoder, std::vector<float>& mel) {
  for (std::size_t i = 0; i < kNumCarried; ++i) {
    ANTIPHON_ASSIGN_OR_RETURN(const auto values,
                              decoder.output(std::string("next_") + kCarriedNames[i]));
    carried_[i].assign(values.begin(), values.end());
  }
  std::size_t frames = static_cast<std::size_t>(config_.block_frames);
  ANTIPHON_ASSIGN_OR_RETURN(const auto made, decoder.output("mel"));
  ANTIPHON_ASSIGN_OR_RETURN(const auto peaks, decoder.output("position"));
  if (config_.alignment == Alignment::kDurations) {
    frames = std::min(frames, static_cast<std::size_t>(plan_.frames) - positions_.size());
    done_ = positions_.size() + frames >= static_cast<std::size_t>(plan_.frames);
  } else {
    ANTIPHON_ASSIGN_OR_RETURN(const auto ended, decoder.output("ended"));
    const auto end = std::find_if(ended.begin(), ended.end(), [](float x) { return x > 0; });
    done_ = end != ended.end();
    if (done_) frames = static_cast<std::size_t>(end - ended.begin()) + 1;
    const std::size_t left =
        static_cast<std::size_t>(limits_.max_frames) -
        std::min(positions_.size(), static_cast<std::size_t>(limits_.max_frames));
    if (frames >= left) frames = left, done_ = true;
  }
  for (std::size_t t = 0; t < frames; ++t) {
    const auto peak =
        static_cast<std::int32_t>(std::clamp(peaks[t], 0.0f, static_cast<float>(symbols_ - 1)));
    positions_.push_back(positions_.empty() ? peak : std::max(peak, positions_.back()));
  }
  mel.insert(mel.end(), made.begin(),
             made.begin() + static_cast<std::ptrdiff_t>(
                                frames * static_cast<std::size_t>(geometry_.mel_bins)));
  return {};
}

// The network leaves a symbol that is held for too long; going to and fro between two would escape
// it.
void AcousticDecoder::watch(std::size_t frames_before) {
  for (std::size_t t = frames_before; t < positions_.size(); ++t) {
    const bool further = t == 0 || positions_[t] > positions_[t - 1];
    stuck_frames_ = further ? 0 : stuck_frames_ + 1;
  }
  if (positions_.empty()) return;
  const auto furthest = static_cast<std::size_t>(positions_.back());
  num_forced_ += carried_[kForced][0] > 0;
  // Far behind the predicted durations as a whole: they lead, symbol by symbol, until it has caught
  // up.
  float predicted = 0;
  for (std::size_t i = 0; i <= furthest; ++i) predicted += limits_.expected[i];
  if (static_cast<float>(positions_.size()) >
      1.5f * predicted + 2.0f * static_cast<float>(config_.block_frames))
    carried_[kForced][0] = 1;
  if (static_cast<float>(stuck_frames_) <=
      limits_.limit[furthest] + static_cast<float>(config_.block_frames))
    return;
  ++num_forced_;
  stuck_frames_ = 0;
  if (furthest + 1 >= symbols_) {
    done_ = true;
    return;
  }
  carried_[kPosition][0] = static_cast<float>(furthest);
  carried_[kHeld][0] = limits_.limit[furthest] + 1;
  carried_[kForced][0] = 1;
}

Status AcousticDecoder::block(NetRunner& decoder, std::vector<float>& mel) {
  if (done_) return internal_error("acoustic: the utterance has ended");
  const std::size_t before = positions_.size();
  ANTIPHON_RETURN_IF_ERROR(set_inputs(decoder));
  ANTIPHON_RETURN_IF_ERROR(decoder.run(-1));
  ANTIPHON_RETURN_IF_ERROR(read_outputs(decoder, mel));
  if (config_.alignment == Alignment::kAttention && !done_) watch(before);
  return {};
}

}  // namespace antiphon::tts
