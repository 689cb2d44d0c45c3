// Harmonics, frame by frame: the multiples' loudness, then a sum of cosines for each sample.
#include "tts/vocoder/harmonics.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace antiphon::tts {
namespace {

constexpr double kLowestHz = 60, kHighestHz = 500;
constexpr double kCutHz = 5000, kCutSpreadHz = 500;  // above so many they fade
// Half of a voice's power is periodic there, of recordings; the rest is noise, which is the flows'.
constexpr double kPeriodicHz = 2000, kPeriodicSlope = 1.2;
// A band of unit area holds 512 / distance times the amplitude of harmonics that far apart (Hann
// window of 1024); of single ones, too far apart for the band, 512 / (2.2 widths of it).
constexpr double kWindowSum = 512, kResolvedWidths = 2.2;
constexpr double kInaudible = 1e-8;  // 48 of them are a hundredth of 16 bits' step

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

double between(double a, double b, double share) { return a + share * (b - a); }

// Slaney's scale: 200 / 3 Hz a mel up to 1000 Hz, then 27 mels for a factor of 6.4.
double hz_of(double mels) {
  const double log_step = std::log(6.4) / 27;
  return mels < 15 ? mels * 200 / 3 : 1000 * std::exp(log_step * (mels - 15));
}

// Samples that are summed side by side.
struct Lanes {
  static constexpr int kCount = 8;
  double share[kCount] = {}, cosine[kCount] = {}, sum[kCount] = {};
};

// The sums of loud[k - 1] cos(k angle) over k from 1 to `count`, loud being `share` of the way from
// `from` to `to`, by Clenshaw's recurrence: in doubles its error is below 1e-12 of the loudest.
void sum_cosines(const double* from, const double* to, std::size_t count, Lanes& lanes) {
  double next[Lanes::kCount] = {}, after[Lanes::kCount] = {};
  for (std::size_t k = count; k > 0; --k) {
    const double loud = from[k - 1], slope = to[k - 1] - from[k - 1];
    for (int i = 0; i < Lanes::kCount; ++i) {
      const double now = loud + lanes.share[i] * slope + 2 * lanes.cosine[i] * next[i] - after[i];
      after[i] = next[i];
      next[i] = now;
    }
  }
  for (int i = 0; i < Lanes::kCount; ++i) lanes.sum[i] = lanes.cosine[i] * next[i] - after[i];
}

}  // namespace

Harmonics::Harmonics(int rate_hz, int hop_samples, int mel_bins)
    : rate_hz_(rate_hz), hop_samples_(hop_samples) {
  const double top = 15 + std::log(8.0) / (std::log(6.4) / 27);  // 8 kHz
  const auto edge = [&](int i) { return hz_of(top * i / (mel_bins + 1)); };
  for (int band = 0; band < mel_bins; ++band) {
    centres_.push_back(edge(band + 1));
    widths_.push_back((edge(band + 2) - edge(band)) / 2);
  }
}

void Harmonics::begin() {
  has_before_ = false;
  phase_ = 0;
}

Harmonics::Frame Harmonics::frame_of(std::span<const float> mel,
                                     std::span<const float> pitch) const {
  Frame frame;
  frame.hz = std::clamp(100 * std::exp2(double{pitch[0]}), kLowestHz, kHighestHz);
  const double voice = sigmoid(pitch[1]);
  if (voice < kInaudible) return frame;
  std::size_t upper = 1;
  for (std::size_t k = 1; k <= kMultiples; ++k) {
    const double hz = static_cast<double>(k) * frame.hz;
    while (upper + 1 < centres_.size() && centres_[upper] < hz) ++upper;
    const std::size_t lower = upper - 1;
    const double share =
        std::clamp((hz - centres_[lower]) / (centres_[upper] - centres_[lower]), 0.0, 1.0);
    const double width = between(widths_[lower], widths_[upper], share);
    const double periodic = 1 / (1 + std::pow(hz / kPeriodicHz, kPeriodicSlope));
    const double loud = std::exp(between(mel[lower], mel[upper], share)) * std::sqrt(periodic) *
                        std::min(frame.hz, kResolvedWidths * width) / kWindowSum * voice *
                        sigmoid((kCutHz - hz) / kCutSpreadHz);
    frame.loud[k - 1] = loud;
    if (loud > kInaudible) frame.num_heard = k;
  }
  return frame;
}

// Samples first to last - 1 of the hop from the centre of a frame to the centre of the next.
void Harmonics::add_line(const Frame& from, const Frame& to, int first, int last,
                         std::vector<float>& samples) {
  const std::size_t num_heard = std::max(from.num_heard, to.num_heard);
  for (int begin = first; begin < last; begin += Lanes::kCount) {
    const int count = std::min(last - begin, Lanes::kCount);
    Lanes lanes;
    for (int i = 0; i < count; ++i) {
      lanes.share[i] = (begin + i + 0.5) / hop_samples_;
      phase_ += between(from.hz, to.hz, lanes.share[i]) / rate_hz_;
      phase_ -= std::floor(phase_);
      if (num_heard > 0) lanes.cosine[i] = std::cos(2 * std::numbers::pi * phase_);
    }
    sum_cosines(from.loud.data(), to.loud.data(), num_heard, lanes);
    for (int i = 0; i < count; ++i) samples.push_back(static_cast<float>(lanes.sum[i]));
  }
}

void Harmonics::push(std::span<const float> mel, std::span<const float> pitch,
                     std::vector<float>& samples) {
  const std::size_t bins = centres_.size();
  for (std::size_t t = 0; t < mel.size() / bins; ++t) {
    const Frame frame = frame_of(mel.subspan(t * bins, bins), pitch.subspan(2 * t, 2));
    if (has_before_) {
      add_line(before_, frame, 0, hop_samples_, samples);
    } else {
      add_line(frame, frame, hop_samples_ / 2, hop_samples_, samples);
    }
    before_ = frame;
    has_before_ = true;
  }
}

void Harmonics::end(std::vector<float>& samples) {
  if (has_before_) add_line(before_, before_, 0, hop_samples_ / 2, samples);
  has_before_ = false;
}

}  // namespace antiphon::tts
