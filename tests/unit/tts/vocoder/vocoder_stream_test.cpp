// The vocoder with harmonics of the pitch equals PyTorch's whole utterance, whatever the blocks.
#include "tts/vocoder/vocoder_stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/unit/tts/reference_runner.h"
#include "tests/unit/tts/vocoder/tiny_harmonics.h"
#include "tts/vocoder/pitch_network.h"

namespace antiphon::tts {
namespace {

// Both networks with a stream over them, which may leave out the pitch's.
struct Voice {
  Voice(const Weights& weights, float sigma, const VocoderConfig& config = tiny_harmonics())
      : pitch(pitch_network(weights, tiny_harmonics())),
        vocoder(vocoder_network(weights, config)),
        stream(config, sigma, 22050),
        given(config.has_pitch() ? &pitch : nullptr) {}

  // An utterance in blocks of `blocks` frames, in turn.
  std::vector<float> speak(const std::vector<float>& mel, const std::vector<int>& blocks) {
    pitch.reset(0), vocoder.reset(0);
    stream.begin(9);
    std::vector<float> samples;
    const std::size_t frames = mel.size() / 80;
    for (std::size_t at = 0, k = 0; at < frames || stream.samples_inside() > 0; ++k) {
      const int block = blocks[k % blocks.size()];
      const std::size_t inside = std::min(static_cast<std::size_t>(block), frames - at);
      const Status status =
          stream.run(given, vocoder, 0, std::span<const float>(mel).subspan(at * 80, inside * 80),
                     block, samples);
      EXPECT_TRUE(status.ok()) << status.to_string();
      if (!status.ok()) break;
      at += inside;
      EXPECT_EQ(static_cast<std::int64_t>(samples.size()) + stream.samples_inside(),
                static_cast<std::int64_t>(at) * 256);
    }
    return samples;
  }

  ReferenceRunner pitch, vocoder;
  VocoderStream stream;
  NetRunner* given;
};

// The network on the golden frames, noise and harmonics in one block.
std::vector<float> with_golden_noise(const Weights& weights, const VocoderConfig& config) {
  ReferenceRunner net(vocoder_network(weights, config));
  const int frames = 19 + config.delay_frames();
  const auto set = [&](const char* name, std::vector<float> values, int width, int late) {
    values.insert(values.begin(), static_cast<std::size_t>(late), 0.0f);
    values.resize(static_cast<std::size_t>(frames * width));
    const std::int64_t dims[] = {1, frames, width};
    EXPECT_TRUE(set_input(net, name, dims, values).ok());
  };
  set("mel", golden(weights, "mel"), 80, 0);
  set("mask", std::vector<float>(19, 1.0f), 1, 0);
  set("noise", golden(weights, "noise"), 256, 0);
  set("harmonics", golden(weights, "harmonics"), 256, config.harmonics_delay_groups() * 64);
  const Status status = net.run(0);
  EXPECT_TRUE(status.ok()) << status.to_string();
  if (!status.ok()) return {};
  const auto out = *net.output("audio");
  const auto first = out.begin() + config.delay_groups() * 64;
  return {first, first + 19 * 256};
}

class PitchedStream : public testing::Test {
 protected:
  void SetUp() override {
    weights_ = golden_weights("tiny_harmonics.safetensors");
    ASSERT_TRUE(weights_);
  }
  std::shared_ptr<const Weights> weights_;
};

TEST_F(PitchedStream, EqualsTheWholeUtterance) {
  const std::vector<float> mel = golden(*weights_, "mel");
  Voice voice(*weights_, 0);
  for (const std::vector<int>& blocks :
       {std::vector<int>{64}, {1}, {2, 3}, {7}, {9, 1, 4}, {19}, {22}, {24}}) {
    // PyTorch's f32: 2e-6 of mels of 9 and eighteen gated layers, and its pitch 1e-6 octaves off,
    // 1e-3 radians of the highest multiples in the end.
    expect_near(voice.speak(mel, blocks), golden(*weights_, "audio_without_noise"), 1e-4, "audio");
    if (HasFatalFailure()) FAIL() << "block " << blocks[0];
  }
}

TEST_F(PitchedStream, HarmonicsJoinWhatTheFlowsSay) {
  const std::vector<float> mel = golden(*weights_, "mel");
  const std::vector<float> harmonics = golden(*weights_, "harmonics");
  const DeafWeights cut(weights_, 2, 32), zero(weights_, 2, 96);
  VocoderConfig joining = tiny_harmonics();
  joining.pitch_flows = 0;
  EXPECT_EQ(joining.harmonics_delay_groups(), joining.delay_groups());
  Voice alone(cut, 0.3f, tiny_flows_alone()), joined(cut, 0.3f, joining), deaf(zero, 0.3f);
  // With noise of its own the stream says the flows' samples and the harmonics on them.
  std::vector<float> want = alone.speak(mel, {5, 2});
  ASSERT_EQ(want.size(), harmonics.size());
  for (std::size_t i = 0; i < want.size(); ++i) want[i] += harmonics[i];
  const std::vector<float> said = joined.speak(mel, {5, 2});
  // PyTorch's have the highest multiples 1e-3 radians off, and are up to 0.12.
  expect_near(said, want, 1e-4, "audio");
  expect_near(joined.speak(mel, {1, 3, 24}), said, 1e-4, "audio");  // as in GivesEverySampleOnce
  // So does a flow that hears them with zeros as weights, and one with others says other things.
  expect_near(deaf.speak(mel, {5, 2}), said, 1e-6, "audio");
  Voice hearing(*weights_, 0.3f);
  const std::vector<float> heard = hearing.speak(mel, {5, 2});
  ASSERT_EQ(heard.size(), said.size());
  double most = 0;
  for (std::size_t i = 0; i < said.size(); ++i)
    most = std::max(most, std::abs(double{heard[i]} - said[i]));
  EXPECT_GT(most, 5e-3);
}

TEST_F(PitchedStream, NetworkEqualsTheWholeUtteranceWithNoise) {
  expect_near(with_golden_noise(*weights_, tiny_harmonics()), golden(*weights_, "audio"), 1e-4,
              "audio");
  // Harmonics come earlier when another flow would hear them, had it ears.
  VocoderConfig earlier = tiny_harmonics();
  earlier.pitch_flows = 2;
  EXPECT_EQ(earlier.harmonics_delay_groups(), 6);
  expect_near(with_golden_noise(DeafWeights(weights_, 1, 96), earlier), golden(*weights_, "audio"),
              1e-4, "audio");
}

TEST_F(PitchedStream, GivesEverySampleOnce) {
  Voice voice(*weights_, 0.3f);
  for (const int frames : {1, 2, 3, 4, 5, 24, 30}) {
    std::vector<float> mel(static_cast<std::size_t>(frames) * 80);
    for (std::size_t i = 0; i < mel.size(); ++i)
      mel[i] = static_cast<float>(std::sin(static_cast<double>(i))) - 6;
    const std::vector<float> whole = voice.speak(mel, {frames + tiny_harmonics().delay_frames()});
    EXPECT_EQ(whole.size(), mel.size() / 80 * 256);
    // The interpreter's doubles, kept as f32 between blocks.
    expect_near(voice.speak(mel, {3, 1, 2}), whole, 1e-4, "audio");
    EXPECT_EQ(voice.speak(mel, {3, 1, 2}), voice.speak(mel, {3, 1, 2}));  // begin() forgets all
  }
}

TEST_F(PitchedStream, BeginForgetsAnUtteranceLeftInTheMiddle) {
  const std::vector<float> mel = golden(*weights_, "mel");
  Voice voice(*weights_, 0);
  const std::vector<float> once = voice.speak(mel, {5});
  voice.stream.begin(3);
  std::vector<float> samples;
  ASSERT_TRUE(
      voice.stream
          .run(voice.given, voice.vocoder, 0, std::span<const float>(mel).first(7 * 80), 7, samples)
          .ok());
  EXPECT_EQ(voice.speak(mel, {5}), once);
}

TEST_F(PitchedStream, SamplesComeWhenTheFlowsGiveThem) {
  const DeafWeights deaf(weights_, 2, 32);
  Voice with(*weights_, 0), without(deaf, 0, tiny_flows_alone());
  with.stream.begin(1), without.stream.begin(1);
  std::vector<float> samples, plain;
  const std::vector<float> mel(80, -5.5f);
  for (int t = 0; t < 13; ++t) {
    const auto frame = std::span<const float>(mel).first(t < 8 ? 80 : 0);
    ASSERT_TRUE(with.stream.run(with.given, with.vocoder, 0, frame, 1, samples).ok());
    ASSERT_TRUE(without.stream.run(nullptr, without.vocoder, 0, frame, 1, plain).ok());
    EXPECT_EQ(samples.size(), plain.size()) << t;
    const int groups = std::clamp(4 * (t + 1) - tiny_harmonics().delay_groups(), 0, 4 * 8);
    EXPECT_EQ(samples.size(), static_cast<std::size_t>(groups) * 64) << t;
  }
  EXPECT_NE(samples, plain);
}

TEST_F(PitchedStream, HarmonicsThatComeTooLateAreNamed) {
  EXPECT_TRUE(tiny_harmonics().is_told_in_time());
  VocoderConfig late = tiny_harmonics();
  late.pitch_layers = 3;
  EXPECT_FALSE(late.is_told_in_time());
  late = tiny_harmonics();
  late.pitch_flows = 2;
  EXPECT_EQ(late.harmonics_delay_groups(), 6);
  EXPECT_FALSE(late.is_told_in_time());
  Voice voice(*weights_, 0);  // whose networks fit the stream but for this
  VocoderStream stream(late, 0, 22050);
  stream.begin(1);
  std::vector<float> samples;
  const std::vector<float> mel(160, -5.5f);
  const Status status = stream.run(&voice.pitch, voice.vocoder, 0, mel, 2, samples);
  EXPECT_EQ(status.code(), StatusCode::kInternal);
  EXPECT_NE(status.message().find("wanted harmonics of 512 samples, got 384"), std::string::npos)
      << status.message();
}

TEST_F(PitchedStream, NeedsItsPitchNetwork) {
  Voice voice(*weights_, 0);
  voice.stream.begin(1);
  std::vector<float> samples;
  const Status status = voice.stream.run(nullptr, voice.vocoder, 0, {}, 2, samples);
  EXPECT_EQ(status.code(), StatusCode::kInternal);
  EXPECT_NE(status.message().find("pitch network"), std::string::npos) << status.message();
}

}  // namespace
}  // namespace antiphon::tts
