// The voice activity network equals ONNX Runtime on golden audio (tests/golden/vad,
// training/vad/fold_silero.py).
#include "asr/voice_activity.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "engine/weights.h"

namespace antiphon::asr {
namespace {

class VoiceActivityGolden : public testing::TestWithParam<const char*> {};

TEST_P(VoiceActivityGolden, EqualsOnnxRuntime) {
  const std::string root = ANTIPHON_SOURCE_DIR;
  const auto golden = Weights::load(root + "/tests/golden/vad/" + GetParam() + ".safetensors");
  ASSERT_TRUE(golden.ok()) << golden.status().to_string();
  auto voice = VoiceActivity::create({.pack_dir = root + "/models/vad", .max_streams = 2});
  ASSERT_TRUE(voice.ok()) << voice.status().to_string();
  const auto audio = (*golden)->tensor("audio")->f32();
  const auto want = (*golden)->tensor("probability")->f32();
  // A second stream runs between the chunks of the first: their states must not mix.
  const int slot = *(*voice)->acquire(), other = *(*voice)->acquire();
  for (std::size_t i = 0; i < want.size(); ++i) {
    const auto chunk =
        audio.subspan(i * VoiceActivity::kChunkSamples, VoiceActivity::kChunkSamples);
    const auto got = (*voice)->run(slot, chunk);
    ASSERT_TRUE(got.ok()) << got.status().to_string();
    // f32 sums of some 1,000 terms through six layers; the probability's slope is at most 1/4.
    ASSERT_NEAR(*got, want[i], 2e-5) << "chunk " << i;
    ASSERT_TRUE((*voice)->run(other, audio.first(VoiceActivity::kChunkSamples)).ok());
  }
}

INSTANTIATE_TEST_SUITE_P(All, VoiceActivityGolden, testing::Values("speech", "noise", "synthetic"),
                         [](const auto& param) { return std::string(param.param); });

TEST(VoiceActivity, KeepsItsPlanBetweenStarts) {
  const std::filesystem::path folder = testing::TempDir() + "voice_activity_plans";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const VoiceActivityConfig config = {.pack_dir = ANTIPHON_SOURCE_DIR "/models/vad",
                                      .plans = {.dir = folder.string()}};
  const std::vector<float> chunk(VoiceActivity::kChunkSamples, 0.1f);
  const auto probability = [&] {
    const auto voice = VoiceActivity::create(config);
    return voice.ok() ? *(*voice)->run(*(*voice)->acquire(), chunk) : -1.0f;
  };
  const float built = probability();
  const std::filesystem::path plan = folder / "voice_activity.plan";
  ASSERT_TRUE(std::filesystem::exists(plan));
  const auto written = std::filesystem::last_write_time(plan);
  EXPECT_EQ(probability(), built);
  EXPECT_EQ(std::filesystem::last_write_time(plan), written) << "the plan was built again";
  std::filesystem::resize_file(plan, std::filesystem::file_size(plan) / 2);
  EXPECT_EQ(probability(), built) << "half a plan is built anew";
}

TEST(VoiceActivity, MissingPackIsNamed) {
  const auto voice = VoiceActivity::create({.pack_dir = "/nonexistent"});
  EXPECT_EQ(voice.status().code(), StatusCode::kNotFound);
  EXPECT_NE(voice.status().message().find("/nonexistent"), std::string::npos);
}

}  // namespace
}  // namespace antiphon::asr
