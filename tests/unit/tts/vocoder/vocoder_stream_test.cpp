// The vocoder with harmonics of the pitch equals PyTorch's whole utterance, whatever the blocks.
#include "tts/vocoder/vocoder_stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/unit/tts/reference_runner.h"
#include "tts/vocoder/pitch_network.h"

namespace antiphon::tts {
namespace {

VocoderConfig tiny() {
  VocoderConfig config;
  config.flows = 2, config.layers = 6, config.channels = 8;
  config.pitch_channels = 6, config.pitch_layers = 2;
  return config;
}
VocoderConfig flows_alone() {
  VocoderConfig config = tiny();
  config.pitch_channels = config.pitch_layers = 0;
  return config;
}

// Both networks with a stream over them, which may leave out the pitch's.
struct Voice {
  Voice(const Weights& weights, float sigma, const VocoderConfig& config = tiny())
      : pitch(pitch_network(weights, tiny())),
        vocoder(vocoder_network(weights, tiny())),
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
    // PyTorch's f32: 2e-6 of mels of 9 and twelve gated layers, and its pitch 1e-6 octaves off,
    // 1e-3 radians of the highest multiples in the end.
    expect_near(voice.speak(mel, blocks), golden(*weights_, "audio_without_noise"), 1e-4, "audio");
    if (HasFatalFailure()) FAIL() << "block " << blocks[0];
  }
}

TEST_F(PitchedStream, HarmonicsJoinWhatTheFlowsSay) {
  const std::vector<float> mel = golden(*weights_, "mel"), noise = golden(*weights_, "noise");
  const std::vector<float> harmonics = golden(*weights_, "harmonics");
  // With noise of its own the stream says the flows' samples and the harmonics on them.
  Voice with(*weights_, 0.3f), without(*weights_, 0.3f, flows_alone());
  std::vector<float> want = without.speak(mel, {5, 2});
  ASSERT_EQ(want.size(), harmonics.size());
  for (std::size_t i = 0; i < want.size(); ++i) want[i] += harmonics[i];
  expect_near(with.speak(mel, {5, 2}), want, 2e-5, "audio");
  // So does PyTorch with the golden noise.
  ReferenceRunner net(vocoder_network(*weights_, tiny()));
  const int frames = 19 + 3;  // three of them give the flows' delay
  std::vector<float> padded_mel = mel, padded_noise = noise, mask(frames, 1.0f);
  padded_mel.resize(frames * 80), padded_noise.resize(frames * 256);
  std::fill(mask.begin() + 19, mask.end(), 0.0f);
  const std::int64_t mel_dims[] = {1, frames, 80}, mask_dims[] = {1, frames, 1},
                     noise_dims[] = {1, frames, 256};
  ASSERT_TRUE(set_input(net, "mel", mel_dims, padded_mel).ok());
  ASSERT_TRUE(set_input(net, "mask", mask_dims, mask).ok());
  ASSERT_TRUE(set_input(net, "noise", noise_dims, padded_noise).ok());
  ASSERT_TRUE(net.run(0).ok());
  const auto out = *net.output("audio");
  std::vector<float> said(out.end() - 19 * 256, out.end());
  for (std::size_t i = 0; i < said.size(); ++i) said[i] += harmonics[i];
  expect_near(said, golden(*weights_, "audio"), 1e-4, "audio");
}

TEST_F(PitchedStream, GivesEverySampleOnce) {
  Voice voice(*weights_, 0.3f);
  for (const int frames : {1, 2, 3, 4, 5, 24, 30}) {
    std::vector<float> mel(static_cast<std::size_t>(frames) * 80);
    for (std::size_t i = 0; i < mel.size(); ++i)
      mel[i] = static_cast<float>(std::sin(static_cast<double>(i))) - 6;
    const std::vector<float> whole = voice.speak(mel, {frames + tiny().delay_frames()});
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
  EXPECT_EQ(tiny().delay_frames(), 3);
  EXPECT_TRUE(tiny().is_told_in_time());
  VocoderConfig late = tiny();
  late.pitch_layers = 3;
  EXPECT_FALSE(late.is_told_in_time());
  Voice with(*weights_, 0), without(*weights_, 0, flows_alone());
  with.stream.begin(1), without.stream.begin(1);
  std::vector<float> samples, plain;
  const std::vector<float> mel(80, -5.5f);
  for (int t = 0; t < 12; ++t) {
    const auto frame = std::span<const float>(mel).first(t < 8 ? 80 : 0);
    ASSERT_TRUE(with.stream.run(with.given, with.vocoder, 0, frame, 1, samples).ok());
    ASSERT_TRUE(without.stream.run(nullptr, without.vocoder, 0, frame, 1, plain).ok());
    EXPECT_EQ(samples.size(), plain.size()) << t;
    EXPECT_EQ(samples.size(), static_cast<std::size_t>(std::clamp(t - 2, 0, 8)) * 256) << t;
  }
  EXPECT_NE(samples, plain);
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
