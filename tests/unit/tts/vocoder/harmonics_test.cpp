// Harmonics equal those of the model in Python, however the frames come.
#include "tts/vocoder/harmonics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tests/unit/tts/reference_runner.h"

namespace antiphon::tts {
namespace {

constexpr int kRateHz = 22050, kHop = 256, kBins = 80;

struct Frames {
  std::vector<float> mel, pitch;
  std::size_t count() const { return mel.size() / kBins; }
};

// Frames at these octaves above 100 Hz, all bands at one level.
Frames frames_of(const std::vector<float>& octaves, float logit = 30, float level = -3) {
  Frames frames;
  for (const float o : octaves) {
    frames.mel.insert(frames.mel.end(), kBins, level);
    frames.pitch.insert(frames.pitch.end(), {o, logit});
  }
  return frames;
}

void push(Harmonics& harmonics, const Frames& frames, std::size_t at, std::size_t count,
          std::vector<float>& samples) {
  harmonics.push(std::span<const float>(frames.mel).subspan(at * kBins, count * kBins),
                 std::span<const float>(frames.pitch).subspan(2 * at, 2 * count), samples);
}

std::vector<float> made(Harmonics& harmonics, const Frames& frames) {
  std::vector<float> samples;
  harmonics.begin();
  push(harmonics, frames, 0, frames.count(), samples);
  harmonics.end(samples);
  return samples;
}
std::vector<float> made(const Frames& frames) {
  Harmonics harmonics(kRateHz, kHop, kBins);
  return made(harmonics, frames);
}

float peak(const std::vector<float>& samples) {
  float most = 0;
  for (const float x : samples) most = std::max(most, std::abs(x));
  return most;
}

class GoldenHarmonics : public testing::Test {
 protected:
  void SetUp() override {
    const auto weights = golden_weights("tiny_harmonics.safetensors");
    ASSERT_TRUE(weights);
    frames_ = {golden(*weights, "mel"), golden(*weights, "pitch")};
    samples_ = golden(*weights, "harmonics");
    ASSERT_EQ(samples_.size(), frames_.count() * kHop);
  }
  Frames frames_;
  std::vector<float> samples_;
};

// PyTorch's f32: a place between two bands, up to 6000 Hz / 300 Hz, is off by 20 * 2^-24 widths and
// bands differ by up to 6 nats, so 7e-6 of what is at most 0.13 loud; the pitch by 2^-23 of it,
// which is 2 pi * 6000 Hz * 0.22 s * 2^-23 = 1e-3 radians in the end, of the few high multiples
// that reach 0.003 each.
constexpr double kBound = 1e-5;

TEST_F(GoldenHarmonics, EqualTheModels) { expect_near(made(frames_), samples_, kBound, "samples"); }

TEST_F(GoldenHarmonics, FrameByFrameIsTheSame) {
  Harmonics harmonics(kRateHz, kHop, kBins);
  const std::vector<float> whole = made(harmonics, frames_);
  std::vector<float> parts;
  harmonics.begin();
  for (std::size_t t = 0; t < frames_.count(); ++t) {
    push(harmonics, frames_, t, 1, parts);
    EXPECT_EQ(parts.size(), t * kHop + kHop / 2);  // up to the middle of the last frame
  }
  harmonics.end(parts);
  EXPECT_EQ(parts, whole);
}

// Every sample by its definition: all 48 multiples, each a cosine, places from the whole utterance.
TEST(Harmonics, EqualTheirDefinition) {
  const Frames frames = frames_of({0.1f, 0.4f, 0.3f}, 0.5f, -1.75f);
  const std::vector<float> got = made(frames);
  ASSERT_EQ(got.size(), 3u * kHop);
  const double octaves[] = {frames.pitch[0], frames.pitch[2], frames.pitch[4]};
  const auto edge = [](int i) {
    const double log_step = std::log(6.4) / 27, mels = (15 + std::log(8.0) / log_step) * i / 81;
    return mels < 15 ? mels * 200 / 3 : 1000 * std::exp(log_step * (mels - 15));
  };
  const auto loud = [&](double hz, int k) {
    int upper = 1;
    while (upper < kBins - 1 && edge(upper + 1) < k * hz) ++upper;
    const double share =
        std::clamp((k * hz - edge(upper)) / (edge(upper + 1) - edge(upper)), 0.0, 1.0);
    const double width = (1 - share) * (edge(upper + 1) - edge(upper - 1)) / 2 +
                         share * (edge(upper + 2) - edge(upper)) / 2;
    return std::exp(-1.75) / std::sqrt(1 + std::pow(k * hz / 2000, 1.2)) *
           std::min(hz, 2.2 * width) / 512 / (1 + std::exp(-0.5)) /
           (1 + std::exp((k * hz - 5000) / 500));
  };
  double phase = 0;
  for (int i = 0; i < 3 * kHop; ++i) {
    const double place = std::clamp((i + 0.5) / kHop - 0.5, 0.0, 2.0);
    const int t = std::min(static_cast<int>(place), 1);
    const double from = 100 * std::exp2(octaves[t]), to = 100 * std::exp2(octaves[t + 1]);
    phase += ((1 - (place - t)) * from + (place - t) * to) / kRateHz;
    double want = 0;
    for (int k = 1; k <= 48; ++k)
      want += ((1 - (place - t)) * loud(from, k) + (place - t) * loud(to, k)) *
              std::cos(2 * std::numbers::pi * k * phase);
    ASSERT_NEAR(got[static_cast<std::size_t>(i)], want, 1e-6) << i;  // what is negligible, f32
  }
}

// 689 frames are 8 s: the phase still says where the periods are.
TEST(Harmonics, KeepTheirPeriod) {
  constexpr int kFrames = 689;
  const std::vector<float> samples = made(frames_of(std::vector<float>(kFrames, 1.0f)));
  const float top = peak(samples);
  int tops = 0;
  double last = 0;
  for (std::size_t i = 1; i + 1 < samples.size(); ++i)
    if (samples[i] > 0.6f * top && samples[i] >= samples[i - 1] && samples[i] > samples[i + 1]) {
      ++tops;
      last = static_cast<double>(i + 1) / kRateHz;
    }
  EXPECT_EQ(tops, static_cast<int>(kFrames * kHop / static_cast<double>(kRateHz) * 200));
  EXPECT_NEAR(last, tops / 200.0, 0.6 / kRateHz);
}

TEST(Harmonics, AreAsLoudAsTheVoiceIsProbable) {
  const std::vector<float> sure = made(frames_of({0.3f, 0.4f}));
  std::vector<float> half = made(frames_of({0.3f, 0.4f}, 0));
  for (float& x : half) x *= 2;
  expect_near(half, sure, 1e-6, "half as sure");
  EXPECT_GT(peak(sure), 0.1f);
  const std::vector<float> none(2 * kHop, 0.0f);
  EXPECT_EQ(made(frames_of({0.3f, 0.4f}, -200)), none);
  EXPECT_EQ(made(frames_of({0.3f, 0.4f}, 30, -30)), none);
}

TEST(Harmonics, PitchStaysWithinVoices) {
  const auto at = [](float octaves) { return made(frames_of({octaves, octaves})); };
  expect_near(at(90), at(std::log2(5.0f)), 1e-5, "500 Hz");
  expect_near(at(-90), at(std::log2(0.6f)), 1e-5, "60 Hz");
}

TEST(Harmonics, BeginForgetsAll) {
  Harmonics harmonics(kRateHz, kHop, kBins);
  std::vector<float> samples;
  harmonics.end(samples);
  EXPECT_TRUE(samples.empty());
  const Frames frames = frames_of({0.3f, 1.0f, 0.2f});
  const std::vector<float> once = made(harmonics, frames);
  harmonics.begin();
  push(harmonics, frames, 0, 2, samples);  // no end()
  EXPECT_EQ(made(harmonics, frames), once);
}

}  // namespace
}  // namespace antiphon::tts
