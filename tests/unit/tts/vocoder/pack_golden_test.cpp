// The vocoder that ships, streamed, equals PyTorch's whole utterance at every precision and ISA.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/tts/pack_runner.h"
#include "tts/pack/manifest.h"
#include "tts/vocoder/vocoder_network.h"

namespace antiphon::tts {
namespace {

constexpr test::GoldenSource kSource = {
    "vocoder-en.safetensors", "vocoder-en/weights.safetensors",
    "python3 -m training.vocoder.golden models/vocoder-en tests/golden/packs"
    " --mel tests/golden/packs/tts-en.safetensors"};
constexpr int kBlockFrames = 8;

class VocoderPackGolden : public testing::TestWithParam<test::EnginePath> {
 protected:
  void SetUp() override {
    golden_ = test::PackGolden::load(kSource);
    ASSERT_TRUE(golden_);
    auto manifest = read_vocoder_manifest(ANTIPHON_SOURCE_DIR "/models/vocoder-en");
    ASSERT_TRUE(manifest.ok()) << manifest.status().to_string();
    config_ = manifest->network;
    auto weights = Weights::load(manifest->weights_path);
    ASSERT_TRUE(weights.ok()) << weights.status().to_string();
    weights_ = *std::move(weights);
    ASSERT_TRUE(check_vocoder(*weights_, config_).ok());
  }

  // The golden frames and noise through the first `config.flows` flows.
  std::vector<float> speak(const VocoderConfig& config) const {
    const PackRunner net(vocoder_network(*weights_, config), GetParam(),
                         {{"T", {1, kBlockFrames, kBlockFrames}}});
    if (!net) return {};
    const std::vector<float> mel = golden_->f32("mel"), noise = golden_->f32("noise");
    const std::size_t frames = mel.size() / 80;
    std::vector<float> audio;
    const auto skip = static_cast<std::size_t>(config.delay_groups() * config.group_samples);
    for (std::size_t at = 0; audio.size() < skip + frames * 256; at += kBlockFrames) {
      // Zeros follow the last frame.
      const auto set = [&](const char* name, std::size_t width, const std::vector<float>& from) {
        std::vector<float> part(kBlockFrames * width, 0.0f);
        const std::size_t begin = std::min(at * width, from.size());
        std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(begin),
                    std::min(part.size(), from.size() - begin), part.begin());
        const std::int64_t dims[] = {1, kBlockFrames, static_cast<std::int64_t>(width)};
        EXPECT_TRUE(set_input(*net, name, dims, part).ok());
      };
      set("mel", 80, mel);
      set("mask", 1, std::vector<float>(frames, 1.0f));
      set("noise", 256, noise);
      const Status status = net->run(0);
      EXPECT_TRUE(status.ok()) << status.to_string();
      if (!status.ok()) return {};
      const auto out = net.output("audio");
      audio.insert(audio.end(), out.begin(), out.end());
    }
    audio.erase(audio.begin(), audio.begin() + static_cast<std::ptrdiff_t>(skip));
    audio.resize(frames * 256);
    return audio;
  }
  // Sixty gated layers make much of little: PyTorch's own f32 is 89 dB below the signal away from
  // its f64, and 40 dB with activations rounded to 16 bits (training/vocoder/golden.py says both).
  static double bound_db() { return GetParam().precision == Precision::kF32 ? -75 : -34; }

  std::unique_ptr<test::PackGolden> golden_;
  VocoderConfig config_;
  std::shared_ptr<const Weights> weights_;
};

TEST_P(VocoderPackGolden, FirstFlowEqualsPyTorch) {
  VocoderConfig config = config_;
  config.flows = 1;
  test::expect_error_db(speak(config), golden_->f32("flow0"), bound_db(), "flow 0");
}

TEST_P(VocoderPackGolden, AudioEqualsPyTorch) {
  test::expect_error_db(speak(config_), golden_->f32("audio"), bound_db(), "audio");
}

INSTANTIATE_TEST_SUITE_P(Paths, VocoderPackGolden, testing::ValuesIn(test::kEnginePaths),
                         test::engine_path_name);

}  // namespace
}  // namespace antiphon::tts
