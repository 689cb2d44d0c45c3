// The streamed pitch network equals PyTorch's whole utterance, whatever the blocks.
#include "tts/vocoder/pitch_network.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/tts/reference_runner.h"
#include "tests/unit/tts/vocoder/tiny_harmonics.h"

namespace antiphon::tts {
namespace {

class PitchNetwork : public testing::Test {
 protected:
  void SetUp() override {
    weights_ = golden_weights("tiny_harmonics.safetensors");
    ASSERT_TRUE(weights_);
    ASSERT_TRUE(check_vocoder(*weights_, tiny_harmonics()).ok());
  }
  std::string error(const VocoderConfig& config) const {
    return check_vocoder(*weights_, config).message();
  }

  std::shared_ptr<const Weights> weights_;
};

TEST_F(PitchNetwork, StreamEqualsTheWholeUtterance) {
  const std::vector<float> mel = golden(*weights_, "mel"), whole = golden(*weights_, "pitch");
  const auto frames = static_cast<int>(mel.size() / 80), late = tiny_harmonics().pitch_layers;
  for (const std::vector<int>& blocks :
       {std::vector<int>{64}, {1}, {2, 3}, {7}, {9, 1, 4}, {19}, {24}}) {
    ReferenceRunner net(pitch_network(*weights_, tiny_harmonics()));
    std::vector<float> told;
    for (int at = 0, k = 0; at < frames + late; ++k) {
      const int block = blocks[static_cast<std::size_t>(k) % blocks.size()];
      const auto inside = static_cast<std::size_t>(std::clamp(frames - at, 0, block));
      std::vector<float> part(static_cast<std::size_t>(block) * 80, 5.0f);  // the mask hides it
      std::copy_n(mel.begin() + std::min(at, frames) * 80, inside * 80, part.begin());
      std::vector<float> mask(static_cast<std::size_t>(block), 0.0f);
      std::fill_n(mask.begin(), inside, 1.0f);
      const std::int64_t mel_dims[] = {1, block, 80}, mask_dims[] = {1, block, 1};
      ASSERT_TRUE(set_input(net, "mel", mel_dims, part).ok());
      ASSERT_TRUE(set_input(net, "mask", mask_dims, mask).ok());
      ASSERT_TRUE(net.run(0).ok());
      const auto out = *net.output("pitch");
      told.insert(told.end(), out.begin(), out.end());
      at += block;
    }
    told.erase(told.begin(), told.begin() + 2 * late);
    told.resize(whole.size());
    expect_near(told, whole, 5e-5, "pitch");  // PyTorch's f32: sums of 80 products of up to 9
    if (HasFatalFailure()) FAIL() << "block " << blocks[0];
  }
}

TEST_F(PitchNetwork, WrongShapesAreNamed) {
  VocoderConfig config = tiny_harmonics();
  config.pitch_channels = 16;
  EXPECT_NE(error(config).find("pitch.start.weight: wanted [16, 80], got [6, 80]"),
            std::string::npos)
      << error(config);
  config = tiny_harmonics();
  config.pitch_layers = 3;
  EXPECT_NE(error(config).find("pitch.depth.2"), std::string::npos) << error(config);
  config.flows = 2, config.layers = 5, config.pitch_flows = 0;  // as this one's flows are
  weights_ = golden_weights("tiny_vocoder.safetensors");
  EXPECT_NE(error(config).find("pitch.start.weight"), std::string::npos) << error(config);
  config.pitch_channels = config.pitch_layers = 0;
  EXPECT_EQ(error(config), "");
}

TEST_F(PitchNetwork, FlowsThatHearHarmonicsHaveColumnsForThem) {
  VocoderConfig config = tiny_harmonics();
  config.pitch_flows = 2;
  EXPECT_NE(error(config).find("flow.1.start.weight: wanted [8, 96], got [8, 32]"),
            std::string::npos)
      << error(config);
  for (VocoderConfig deaf : {tiny_harmonics(), tiny_flows_alone()}) {
    deaf.pitch_flows = 0;
    EXPECT_NE(error(deaf).find("flow.2.start.weight: wanted [8, 32], got [8, 96]"),
              std::string::npos)
        << error(deaf);
    EXPECT_TRUE(check_vocoder(DeafWeights(weights_, 2, 32), deaf).ok());
  }
}

}  // namespace
}  // namespace antiphon::tts
