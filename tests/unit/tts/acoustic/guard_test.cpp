// The guard: attention that skips, repeats, stalls or runs away is led to the end all the same.
#include "tts/acoustic/guard.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "tests/unit/tts/reference_runner.h"
#include "tts/acoustic/acoustic_decoder.h"

namespace antiphon::tts {
namespace {

TEST(GuardLimits, FollowTheDurations) {
  const std::vector<float> log_frames = {std::log(10.0f), std::log(1.0f), std::log(1.0f),
                                         std::log(30.0f), std::log(2.0f), std::log(2.0f)};
  const GuardLimits g = guard_limits(log_frames, 6, {});
  EXPECT_NEAR(g.limit[0], 45, 1e-3);
  EXPECT_EQ(g.reach[0], 3);  // over two short ones, not over the long one
  EXPECT_EQ(g.reach[2], 1);
  EXPECT_EQ(g.reach[3], 4);  // the end is near
}

TEST(GuardLimits, BadPredictionsAreHarmless) {
  const std::vector<float> log_frames = {NAN, INFINITY, -INFINITY, 1e9f, -1e9f};
  const GuardLimits g = guard_limits(log_frames, 5, {});
  for (const float x : g.limit) EXPECT_TRUE(std::isfinite(x) && x > 0);
  EXPECT_LE(g.max_frames, 1500);
  EXPECT_GE(guard_limits({}, 3, {}).max_frames, 3);
}

TEST(PlanAlignment, CoversEverySymbolInOrder) {
  const std::vector<float> expected = {3, 0.2f, 5, 2.5f};
  const PlannedAlignment plan = plan_alignment(expected, 0.5f, 1500);
  EXPECT_EQ(plan.frames, 11);
  int before = 0;
  for (int t = 0; t < plan.frames; ++t) {
    const auto row = plan.weights.begin() + t * 4;
    float sum = 0;
    for (int k = 0; k < 4; ++k) sum += row[k];
    EXPECT_NEAR(sum, 1, 1e-5);
    const int peak = static_cast<int>(std::max_element(row, row + 4) - row);
    EXPECT_GE(peak, before);
    before = peak;
  }
  EXPECT_EQ(before, 3);
}

// Random networks in place of trained ones: their attention has no idea where to go.
class AdversarialAttention : public testing::Test {
 protected:
  void SetUp() override {
    weights_ = golden_weights("tiny_tacotron.safetensors");
    ASSERT_TRUE(weights_);
    geometry_ = *read_geometry(*weights_);
  }
  std::shared_ptr<const Weights> weights_;
  AcousticGeometry geometry_;
};

// An encoder that hands out what the test wants: every symbol expects `frames` frames.
class FixedEncoder final : public NetRunner {
 public:
  FixedEncoder(ReferenceRunner& net, float frames) : net_(net), frames_(frames) {}
  Result<void*> input(std::string_view name, std::span<const std::int64_t> dims) override {
    symbols_ = static_cast<std::size_t>(dims[1]);
    return net_.input(name, dims);
  }
  Status run(int slot) override {
    log_frames_.assign(symbols_, std::log(frames_));
    return net_.run(slot);
  }
  Result<std::span<const float>> output(std::string_view name) override {
    if (name == "log_frames") return std::span<const float>(log_frames_);
    return net_.output(name);
  }

 private:
  ReferenceRunner& net_;
  float frames_;
  std::size_t symbols_ = 0;
  std::vector<float> log_frames_;
};

TEST_F(AdversarialAttention, StallsAreLedByTheDurations) {
  DecoderConfig config;
  GuardConfig guard;
  guard.stall_factor = 2, guard.stall_frames = 4;
  ReferenceRunner net(encoder_network(*weights_, geometry_)),
      decoder(decoder_network(*weights_, geometry_, config));
  FixedEncoder encoder(net, 6.0f);
  std::vector<std::int32_t> ids(25);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(1 + i * 7 % 11);
  AcousticDecoder acoustic(geometry_, config, guard, 0.5f);
  ASSERT_TRUE(acoustic.begin(encoder, ids, 1).ok());
  std::vector<float> mel;
  while (!acoustic.done()) ASSERT_TRUE(acoustic.block(decoder, mel).ok());
  const auto positions = acoustic.positions();
  // It reached the end, not much later than predicted (150 frames), and never jumped further than
  // the window allows.
  EXPECT_GE(positions.back(), 23);
  EXPECT_LE(positions.size(), 2u * 150 + 48);
  EXPECT_EQ(positions.size() * 80, mel.size());
  for (std::size_t t = 1; t < positions.size(); ++t) EXPECT_LE(positions[t] - positions[t - 1], 4);
}

// A decoder that walks as the test says, whatever it is given.
class ScriptedDecoder final : public NetRunner {
 public:
  ScriptedDecoder(const AcousticGeometry& g, int block, int (*walk)(int frame, int last))
      : geometry_(g), block_(block), walk_(walk) {}
  Result<void*> input(std::string_view name, std::span<const std::int64_t> dims) override {
    std::size_t n = 1;
    for (const std::int64_t d : dims) n *= static_cast<std::size_t>(d);
    auto& values = inputs_[std::string(name)];
    values.assign(n, 0);
    return static_cast<void*>(values.data());
  }
  Status run(int) override {
    outputs_ = {};
    for (const auto& [name, values] : inputs_) outputs_["next_" + name] = values;
    const int last = static_cast<int>(inputs_["index"].size()) - 1;
    const float forced = inputs_["forced"][0];
    if (forced > 0) ++floor_;
    auto& position = outputs_["position"];
    for (int t = 0; t < block_; ++t)
      position.push_back(
          static_cast<float>(std::min(last, std::max(floor_, walk_(frame_++, last)))));
    outputs_["mel"].assign(static_cast<std::size_t>(block_ * geometry_.mel_bins), 0);
    outputs_["ended"].assign(static_cast<std::size_t>(block_), 0);
    outputs_["next_forced"] = {0};
    return {};
  }
  Result<std::span<const float>> output(std::string_view name) override {
    const auto& values = outputs_[std::string(name)];
    return std::span<const float>(values);
  }

 private:
  AcousticGeometry geometry_;
  int block_, frame_ = 0, floor_ = 0;
  int (*walk_)(int, int);
  std::map<std::string, std::vector<float>> inputs_, outputs_;
};

TEST_F(AdversarialAttention, ToAndFroStillEnds) {
  for (int (*walk)(int, int) :
       {+[](int frame, int) { return 3 + frame % 2; }, +[](int, int) { return 0; },
        +[](int frame, int last) { return frame > 5 ? last : 0; }}) {
    DecoderConfig config;
    GuardConfig guard;
    ReferenceRunner net(encoder_network(*weights_, geometry_));
    FixedEncoder encoder(net, 5.0f);
    ScriptedDecoder decoder(geometry_, config.block_frames, walk);
    AcousticDecoder acoustic(geometry_, config, guard, 0.5f);
    const std::vector<std::int32_t> ids(12, 1);
    ASSERT_TRUE(acoustic.begin(encoder, ids, 1).ok());
    std::vector<float> mel;
    int blocks = 0;
    while (!acoustic.done() && ++blocks < 200) ASSERT_TRUE(acoustic.block(decoder, mel).ok());
    EXPECT_TRUE(acoustic.done());
    EXPECT_LE(acoustic.positions().size(), static_cast<std::size_t>(acoustic.limits().max_frames));
  }
}

}  // namespace
}  // namespace antiphon::tts
