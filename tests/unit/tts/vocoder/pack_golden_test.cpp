// The vocoder that ships, streamed, equals PyTorch's whole utterance at every precision and ISA; so
// do its pitch network and harmonics, if it has them, and what adapters make of it for voices.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "tests/unit/tts/pack_runner.h"
#include "tts/pack/manifest.h"
#include "tts/vocoder/harmonics.h"
#include "tts/vocoder/pitch_network.h"
#include "tts/vocoder/vocoder_network.h"

namespace antiphon::tts {
namespace {

const std::string kPack = ANTIPHON_SOURCE_DIR "/models/vocoder-en";
constexpr int kBlockFrames = 8;

// A path of the engine for the vocoder of a voice; "": the pack's own.
struct Case {
  test::EnginePath path;
  std::string voice;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << (c.voice.empty() ? "the pack's own" : c.voice);
}

std::vector<Case> cases() {
  std::vector<std::string> voices = {""};
  if (const auto manifest = read_vocoder_manifest(kPack); manifest.ok())  // else SetUp() says why
    for (const VocoderVoice& voice : manifest->voices) voices.push_back(voice.name);
  std::vector<Case> all;
  for (const std::string& voice : voices)
    for (const test::EnginePath& path : test::kEnginePaths) all.push_back({path, voice});
  return all;
}

std::string case_name(const testing::TestParamInfo<Case>& info) {
  std::string name = test::engine_path_name({info.param.path, info.index});
  if (!info.param.voice.empty()) name = info.param.voice + "_" + name;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
}

test::GoldenSource source_of(const std::string& voice) {
  return {"vocoder-en" + (voice.empty() ? "" : "-" + voice) + ".safetensors",
          "vocoder-en/weights.safetensors",
          "python3 -m training.vocoder.golden models/vocoder-en tests/golden/packs"
          " --mel tests/golden/packs/tts-en.safetensors" +
              (voice.empty() ? "" : " --voice '" + voice + "'")};
}

class VocoderPackGolden : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    golden_ = test::PackGolden::load(source_of(GetParam().voice));
    ASSERT_TRUE(golden_);
    auto manifest = read_vocoder_manifest(kPack);
    ASSERT_TRUE(manifest.ok()) << manifest.status().to_string();
    config_ = manifest->network;
    rate_hz_ = manifest->rate_hz;
    auto weights = Weights::load(manifest->weights_path);
    ASSERT_TRUE(weights.ok()) << weights.status().to_string();
    weights_ = *std::move(weights);
    for (const VocoderVoice& voice : manifest->voices)
      if (voice.name == GetParam().voice) adapt(voice);
    if (HasFatalFailure()) return;
    const Status fits = check_vocoder(*weights_, config_);
    ASSERT_TRUE(fits.ok()) << fits.to_string();
  }

  void adapt(const VocoderVoice& voice) {
    const std::string file = std::filesystem::path(voice.adapter_path).filename().string();
    ASSERT_TRUE(golden_->made_from("adapter_sha256", "vocoder-en/" + file));
    const auto adapter = Weights::load(voice.adapter_path);
    ASSERT_TRUE(adapter.ok()) << adapter.status().to_string();
    auto adapted = Weights::adapted(weights_, *adapter);
    ASSERT_TRUE(adapted.ok()) << adapted.status().to_string();
    weights_ = *std::move(adapted);
    config_ = voice.network;
  }

  struct Fed {
    const char* input;
    std::size_t width;  // values a frame
    std::vector<float> values;
  };
  // The first `wanted` values that the network says after the first `skip`, fed block by block;
  // zeros follow the last frame.
  std::vector<float> stream(const Network& network, const std::vector<Fed>& inputs,
                            const char* output, std::size_t skip, std::size_t wanted) const {
    const PackRunner net(network, GetParam().path, {{"T", {1, kBlockFrames, kBlockFrames}}});
    if (!net) return {};
    std::vector<float> said;
    for (std::size_t at = 0; said.size() < skip + wanted; at += kBlockFrames) {
      for (const Fed& fed : inputs) {
        std::vector<float> part(kBlockFrames * fed.width, 0.0f);
        const std::size_t begin = std::min(at * fed.width, fed.values.size());
        std::copy_n(fed.values.begin() + static_cast<std::ptrdiff_t>(begin),
                    std::min(part.size(), fed.values.size() - begin), part.begin());
        const std::int64_t dims[] = {1, kBlockFrames, static_cast<std::int64_t>(fed.width)};
        EXPECT_TRUE(set_input(*net, fed.input, dims, part).ok());
      }
      const Status status = net->run(0);
      EXPECT_TRUE(status.ok()) << status.to_string();
      if (!status.ok()) return {};
      const auto out = net.output(output);
      said.insert(said.end(), out.begin(), out.end());
    }
    said.erase(said.begin(), said.begin() + static_cast<std::ptrdiff_t>(skip));
    said.resize(wanted);
    return said;
  }

  // The golden frames, noise and harmonics, if config wants them, through its flows.
  std::vector<float> speak(const VocoderConfig& config) const {
    const auto samples_of = [&](int groups) {
      return static_cast<std::size_t>(groups * config.group_samples);
    };
    const std::vector<float> mel = golden_->f32("mel"), noise = golden_->f32("noise");
    const std::size_t frames = mel.size() / 80;
    std::vector<Fed> inputs = {
        {"mel", 80, mel}, {"mask", 1, std::vector<float>(frames, 1.0f)}, {"noise", 256, noise}};
    if (config.has_pitch()) {
      std::vector<float> late = golden_->f32("harmonics");
      late.insert(late.begin(), samples_of(config.harmonics_delay_groups()), 0.0f);
      inputs.push_back({"harmonics", 256, late});
    }
    return stream(vocoder_network(*weights_, config), inputs, "audio",
                  samples_of(config.delay_groups()), frames * 256);
  }
  // Sixty gated layers make much of little: PyTorch's own f32 is 89 dB below the signal away from
  // its f64, and 40 dB with activations rounded to 16 bits (training/vocoder/golden.py says both).
  static double bound_db() { return GetParam().path.precision == Precision::kF32 ? -75 : -34; }

  std::unique_ptr<test::PackGolden> golden_;
  VocoderConfig config_;
  int rate_hz_ = 0;
  std::shared_ptr<const Weights> weights_;
};

TEST_P(VocoderPackGolden, FirstFlowEqualsPyTorch) {
  VocoderConfig config = config_;
  config.flows = 1;
  config.pitch_channels = config.pitch_layers = config.pitch_flows = 0;
  test::expect_error_db(speak(config), golden_->f32("flow0"), bound_db(), "flow 0");
}

TEST_P(VocoderPackGolden, AudioEqualsPyTorch) {
  test::expect_error_db(speak(config_), golden_->f32("audio"), bound_db(), "audio");
}

TEST_P(VocoderPackGolden, PitchEqualsPyTorch) {
  if (!config_.has_pitch()) GTEST_SKIP() << "this vocoder has no pitch network";
  const std::vector<float> mel = golden_->f32("mel"), want = golden_->f32("pitch");
  const std::vector<float> mask(mel.size() / 80, 1.0f);
  const auto late = static_cast<std::size_t>(2 * config_.pitch_layers);
  // Its weights are F16 in the pack and f32 on every path; frames are sums of 80 products of up
  // to 11.5, in other orders.
  test::expect_near(stream(pitch_network(*weights_, config_), {{"mel", 80, mel}, {"mask", 1, mask}},
                           "pitch", late, want.size()),
                    want, 1e-4, "pitch");
}

TEST_P(VocoderPackGolden, HarmonicsEqualPyTorch) {
  if (!config_.has_pitch()) GTEST_SKIP() << "this vocoder has no pitch network";
  const std::vector<float> want = golden_->f32("harmonics");
  std::vector<float> got;
  Harmonics harmonics(rate_hz_, config_.hop_samples, config_.mel_bins);
  harmonics.push(golden_->f32("mel"), golden_->f32("pitch"), got);
  harmonics.end(got);
  // Its f32 puts the highest multiples 1e-3 radians off (harmonics_test.cpp).
  test::expect_error_db(got, want, -60, "harmonics");
}

INSTANTIATE_TEST_SUITE_P(Paths, VocoderPackGolden, testing::ValuesIn(cases()), case_name);

}  // namespace
}  // namespace antiphon::tts
