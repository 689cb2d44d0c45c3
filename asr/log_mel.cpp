// Windowed power spectra by a radix-2 transform, summed into mel bands.
#include "asr/log_mel.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

namespace antiphon::asr {
namespace {

double hz_to_mel(double hz) { return 2595.0 * std::log10(1.0 + hz / 700.0); }
double mel_to_hz(double mel) { return 700.0 * (std::pow(10.0, mel / 2595.0) - 1.0); }

Status check(const LogMelConfig& c) {
  const auto bad = [](const char* field, long long got, const char* wanted) {
    return invalid_argument(std::string("log_mel: ") + field + " is " + std::to_string(got) +
                            ", wanted " + wanted);
  };
  if (c.fft_samples < 8 || (c.fft_samples & (c.fft_samples - 1)) != 0 || c.fft_samples > 65536)
    return bad("fft_samples", c.fft_samples, "a power of two, 8 to 65536");
  if (c.window_samples < 1 || c.window_samples > c.fft_samples)
    return bad("window_samples", c.window_samples, "1 to fft_samples");
  if (c.hop_samples < 1 || c.hop_samples > c.fft_samples)
    return bad("hop_samples", c.hop_samples, "1 to fft_samples");
  if (c.lead_in_samples < 0 || c.lead_in_samples > c.fft_samples)
    return bad("lead_in_samples", c.lead_in_samples, "0 to fft_samples");
  if (c.mel_bins < 1 || c.mel_bins > 512) return bad("mel_bins", c.mel_bins, "1 to 512");
  if (c.sample_rate_hz < 1000) return bad("sample_rate_hz", c.sample_rate_hz, ">= 1000");
  if (!(c.low_hz >= 0 && c.low_hz < c.high_hz && c.high_hz <= c.sample_rate_hz / 2.0))
    return bad("high_hz", static_cast<long long>(c.high_hz), "above low_hz, at most half the rate");
  return {};
}

}  // namespace

Result<LogMel> LogMel::create(const LogMelConfig& config) {
  ANTIPHON_RETURN_IF_ERROR(check(config));
  LogMel mel;
  mel.config_ = config;
  const int n = config.fft_samples;
  mel.window_.assign(static_cast<std::size_t>(n), 0.0f);
  const int left = (n - config.window_samples) / 2;
  for (int i = 0; i < config.window_samples; ++i)
    mel.window_[static_cast<std::size_t>(left + i)] =
        static_cast<float>(0.5 - 0.5 * std::cos(2 * std::numbers::pi * i / config.window_samples));
  for (int i = 0; i < n / 2; ++i) {
    const double angle = -2 * std::numbers::pi * i / n;
    mel.twiddle_.emplace_back(static_cast<float>(std::cos(angle)),
                              static_cast<float>(std::sin(angle)));
  }
  mel.reversed_.assign(static_cast<std::size_t>(n), 0);
  for (int i = 1, j = 0; i < n; ++i) {
    int bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j |= bit;
    mel.reversed_[static_cast<std::size_t>(i)] = j;
  }
  mel.spectrum_.resize(static_cast<std::size_t>(n));

  const double low = hz_to_mel(config.low_hz), high = hz_to_mel(config.high_hz);
  const auto edge = [&](int i) {
    return mel_to_hz(low + (high - low) * i / (config.mel_bins + 1));
  };
  for (int b = 0; b < config.mel_bins; ++b) {
    Band band;
    const double l = edge(b), c = edge(b + 1), r = edge(b + 2);
    for (int k = 0; k <= n / 2; ++k) {
      const double hz = static_cast<double>(k) * config.sample_rate_hz / n;
      const double weight = std::min((hz - l) / (c - l), (r - hz) / (r - c));
      if (weight <= 0) continue;
      if (band.weight.empty()) band.first = k;
      band.weight.push_back(static_cast<float>(weight));
    }
    mel.bands_.push_back(std::move(band));
  }
  mel.reset();
  return mel;
}

void LogMel::reset() {
  queue_.assign(static_cast<std::size_t>(config_.lead_in_samples), 0.0f);
  begin_ = 0;
}

void LogMel::push(std::span<const float> pcm) {
  if (begin_ > 0) {
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(begin_));
    begin_ = 0;
  }
  queue_.insert(queue_.end(), pcm.begin(), pcm.end());
}

int LogMel::num_ready() const {
  // The window ends before the transform does: the zeros behind it need no samples.
  const std::size_t needed = static_cast<std::size_t>(
      (config_.fft_samples - config_.window_samples) / 2 + config_.window_samples);
  const std::size_t have = queue_.size() - begin_;
  if (have < needed) return 0;
  return static_cast<int>((have - needed) / static_cast<std::size_t>(config_.hop_samples)) + 1;
}

void LogMel::transform() {
  const int n = config_.fft_samples;
  for (int half = 1; half < n; half *= 2) {
    const int stride = n / (2 * half);
    for (int block = 0; block < n; block += 2 * half)
      for (int k = 0; k < half; ++k) {
        auto& a = spectrum_[static_cast<std::size_t>(block + k)];
        auto& b = spectrum_[static_cast<std::size_t>(block + k + half)];
        const auto w = twiddle_[static_cast<std::size_t>(k * stride)];
        // Plain arithmetic: std::complex's product also checks for infinities.
        const std::complex<float> t(b.real() * w.real() - b.imag() * w.imag(),
                                    b.real() * w.imag() + b.imag() * w.real());
        b = a - t;
        a = a + t;
      }
  }
}

bool LogMel::pop(std::span<float> out) {
  if (num_ready() == 0) return false;
  ANTIPHON_CHECK(out.size() == static_cast<std::size_t>(config_.mel_bins));
  const float* in = queue_.data() + begin_;
  const std::size_t have = queue_.size() - begin_;
  for (int i = 0; i < config_.fft_samples; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const float sample = at < have ? in[at] * window_[at] : 0.0f;
    spectrum_[static_cast<std::size_t>(reversed_[at])] = sample;
  }
  transform();
  for (std::size_t b = 0; b < bands_.size(); ++b) {
    float power = 0;
    for (std::size_t k = 0; k < bands_[b].weight.size(); ++k)
      power +=
          bands_[b].weight[k] * std::norm(spectrum_[static_cast<std::size_t>(bands_[b].first) + k]);
    out[b] = std::log(power + config_.floor) * config_.gain + config_.offset;
  }
  begin_ += static_cast<std::size_t>(config_.hop_samples);
  return true;
}

}  // namespace antiphon::asr
