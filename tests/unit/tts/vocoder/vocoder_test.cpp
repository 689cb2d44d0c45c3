// The streamed vocoder equals PyTorch's whole utterance, whatever the blocks.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/unit/tts/reference_runner.h"
#include "tts/vocoder/vocoder_stream.h"

namespace antiphon::tts {
namespace {

VocoderConfig tiny() {
  VocoderConfig config;
  config.flows = 2, config.layers = 5, config.channels = 8;
  return config;
}

class Vocoder : public testing::Test {
 protected:
  void SetUp() override {
    weights_ = golden_weights("tiny_vocoder.safetensors");
    ASSERT_TRUE(weights_);
    ASSERT_TRUE(check_vocoder(*weights_, tiny()).ok());
  }

  // The network fed `blocks` frames at a time, in turn, with the golden noise.
  std::vector<float> stream(const std::vector<int>& blocks) {
    const VocoderConfig config = tiny();
    ReferenceRunner net(vocoder_network(*weights_, config));
    const std::vector<float> mel = golden(*weights_, "mel"), noise = golden(*weights_, "noise");
    const std::size_t frames = mel.size() / 80;
    std::vector<float> audio;
    std::size_t at = 0;
    for (std::size_t k = 0; audio.size() < (frames + 3) * 256 + 640; ++k) {
      const auto n = static_cast<std::size_t>(blocks[k % blocks.size()]);
      const std::size_t inside = at < frames ? std::min(n, frames - at) : 0;
      const auto part = [&](const std::vector<float>& from, std::size_t width) {
        std::vector<float> values(n * width, 0.0f);
        std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(std::min(at, frames) * width),
                    inside * width, values.begin());
        return values;
      };
      std::vector<float> mask(n, 0.0f);
      std::fill_n(mask.begin(), inside, 1.0f);
      const auto set = [&](const char* name, std::int64_t width, const std::vector<float>& values) {
        const std::int64_t dims[] = {1, static_cast<std::int64_t>(n), width};
        EXPECT_TRUE(set_input(net, name, dims, values).ok());
      };
      set("mel", 80, part(mel, 80));
      set("mask", 1, mask);
      set("noise", 256, part(noise, 256));
      const Status status = net.run(0);
      EXPECT_TRUE(status.ok()) << status.to_string();
      if (!status.ok()) return {};
      const auto out = *net.output("audio");
      audio.insert(audio.end(), out.begin(), out.end());
      at += n;
    }
    const auto skip = static_cast<std::ptrdiff_t>(config.delay_groups() * config.group_samples);
    return {audio.begin() + skip, audio.begin() + skip + static_cast<std::ptrdiff_t>(frames * 256)};
  }

  std::shared_ptr<const Weights> weights_;
};

TEST_F(Vocoder, StreamEqualsTheWholeUtterance) {
  const std::vector<float> whole = golden(*weights_, "audio");
  for (const std::vector<int>& blocks :
       {std::vector<int>{64}, {1}, {2, 3}, {7}, {9, 1, 4}, {19}, {24}}) {
    expect_near(stream(blocks), whole, 2e-4, "audio");  // PyTorch's f32 over ten layers and exp
    if (HasFatalFailure()) FAIL() << "block " << blocks[0];
  }
}

TEST_F(Vocoder, StreamGivesEverySampleOnce) {
  const VocoderConfig config = tiny();
  for (const int frames : {1, 2, 5, 24, 30}) {
    ReferenceRunner a(vocoder_network(*weights_, config)), b(vocoder_network(*weights_, config));
    VocoderStream one(config, 0.3f, 22050), parts(config, 0.3f, 22050);
    std::vector<float> mel(static_cast<std::size_t>(frames) * 80), whole, pieces;
    for (std::size_t i = 0; i < mel.size(); ++i)
      mel[i] = static_cast<float>(std::sin(static_cast<double>(i)));
    one.begin(9), parts.begin(9);
    ASSERT_TRUE(one.run(nullptr, a, 0, mel, frames + config.delay_frames(), whole).ok());
    for (int at = 0; at < frames; at += 3) {
      const auto n = static_cast<std::size_t>(std::min(3, frames - at));
      ASSERT_TRUE(
          parts
              .run(nullptr, b, 0,
                   std::span<const float>(mel).subspan(static_cast<std::size_t>(at) * 80, n * 80),
                   static_cast<int>(n), pieces)
              .ok());
    }
    EXPECT_GT(parts.samples_inside(), 0);
    while (parts.samples_inside() > 0) ASSERT_TRUE(parts.run(nullptr, b, 0, {}, 2, pieces).ok());
    EXPECT_EQ(whole.size(), static_cast<std::size_t>(frames) * 256);
    expect_near(pieces, whole, 1e-6, "audio");
  }
}

TEST_F(Vocoder, WrongShapesAreNamed) {
  VocoderConfig config = tiny();
  config.channels = 16;
  const Status status = check_vocoder(*weights_, config);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.message().find("flow.0.start.weight: wanted [16, 32], got [8, 32]"),
            std::string::npos)
      << status.message();
  config = tiny();
  config.flows = 3;
  EXPECT_NE(check_vocoder(*weights_, config).message().find("flow.2.mix"), std::string::npos);
}

TEST(Noise, IsGaussianAndRepeats) {
  std::vector<float> a(20000), b(20000);
  Noise(4).fill(a, 0.5f);
  Noise(4).fill(b, 0.5f);
  EXPECT_EQ(a, b);
  double sum = 0, squares = 0;
  for (const float x : a) sum += x, squares += static_cast<double>(x) * x;
  EXPECT_NEAR(sum / 20000, 0, 0.02);
  EXPECT_NEAR(std::sqrt(squares / 20000), 0.5, 0.02);
  Noise(4).fill(a, 0);
  EXPECT_EQ(*std::max_element(a.begin(), a.end()), 0);
}

}  // namespace
}  // namespace antiphon::tts
