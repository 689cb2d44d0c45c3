// The encoder's frames that a pass collects equal PyTorch on golden data (tests/golden/asr,
// training/asr/listener.py: told()), however a stream is cut into runs and beside whom it runs.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "asr/pass.h"
#include "tests/unit/asr/tiny_pack.h"

namespace antiphon::asr {
namespace {

constexpr int kMaxSteps = 8;
constexpr std::size_t kStepFloats = AcousticConfig::kFramesPerStep * 80;

// The look of finals.
AcousticConfig final_listener() {
  AcousticConfig config = test::kTinyListener;
  config.ahead = config.lookahead = 5;  // FINAL_AHEAD of make_listener_golden.py, two blocks
  return config;
}

struct Case {
  const char* file;
  Precision precision;
  const char* isa;
  double bound;
};

class ListenerFrames : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    weights_ = test::golden_weights(GetParam().file);
    features_ = test::golden_tensor(*weights_, "golden.features");
    want_ = test::golden_tensor(*weights_, "golden.final_heard");
    model_ = made(true);
    ASSERT_TRUE(model_);
  }

  std::unique_ptr<AcousticModel> made(bool frames, bool flush = true) {
    AcousticModelOptions options;
    options.config = final_listener();
    options.precision = GetParam().precision;
    options.max_isa = GetParam().isa;
    options.max_streams = options.max_batch = 2;
    options.max_steps = kMaxSteps;
    options.spare = true;
    options.frames = frames;
    options.flush = flush;
    auto model = AcousticModel::create(*weights_, options);
    EXPECT_TRUE(model.ok()) << model.status().to_string();
    return model.ok() ? std::move(*model) : nullptr;
  }

  Pass open() {
    Pass pass(model_.get(), CtcDecoder({}, nullptr, HotWords()));
    pass.slot = *model_->acquire();
    return pass;
  }

  // The features from step `from` to before step `to`.
  std::span<const float> steps(int from, int to) const {
    return std::span(features_).subspan(static_cast<std::size_t>(from) * kStepFloats,
                                        static_cast<std::size_t>(to - from) * kStepFloats);
  }
  std::span<const float> all() const { return features_; }

  void run(Pass& pass, std::span<const float> frames, int length) {
    const AcousticItem item = pass.take(frames, length);
    const auto got = pass.model->run(std::span(&item, 1), length);
    ASSERT_TRUE(got.ok()) << got.status().to_string();
    pass.give(*got, pass.model->heard(), length);
  }
  // To the turn's end in runs of these lengths, over and over; the last one may be too long, and
  // then a part of the flush. The rest of the flush at once, if the model does that.
  void finish(Pass& pass, std::span<const float> frames, const std::vector<int>& lengths) {
    bool ended = false;
    for (std::size_t next = 0;; ++next) {
      const int length = lengths[next % lengths.size()];
      if (!ended && pass.steps_waiting(frames, false) < length) {
        pass.end();
        ended = true;
      }
      if (pass.steps_waiting(frames, ended) == 0) break;
      run(pass, frames, length);
    }
    if (!pass.flush_waiting(frames)) return;
    pass.take_flush();
    const auto got = pass.model->flush(std::span(&pass.slot, 1));
    ASSERT_TRUE(got.ok()) << got.status().to_string();
    pass.give(*got, pass.model->heard(), pass.model->config().lookahead);
  }

  static void expect_near(std::span<const float> got, std::span<const float> want, double bound) {
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < want.size(); ++i)
      ASSERT_NEAR(got[i], want[i], bound) << "value " << i;
  }

  std::shared_ptr<const Weights> weights_;
  std::vector<float> features_, want_;
  std::unique_ptr<AcousticModel> model_;
};

TEST_P(ListenerFrames, EqualPyTorchInRunsOfAnyLengthAndTurnAfterTurn) {
  for (const bool flush : {true, false}) {
    model_ = made(true, flush);
    ASSERT_TRUE(model_);
    EXPECT_EQ(model_->flushes(), flush);
    Pass pass = open();
    for (const std::vector<int>& lengths :
         std::vector<std::vector<int>>{{1}, {2}, {8}, {3, 1, 7}, {5, 8, 2, 1}}) {
      finish(pass, all(), lengths);
      expect_near(pass.heard, want_, GetParam().bound);
      model_->reset(pass.slot);
      pass.restart();
      EXPECT_TRUE(pass.heard.empty());
    }
  }
}

// A turn that is cancelled leaves nothing to the next one.
TEST_P(ListenerFrames, AResetInTheMiddleBeginsAnew) {
  Pass pass = open();
  finish(pass, all(), {4});
  const auto first = pass.heard;
  for (const int length : {3, 8}) {
    model_->reset(pass.slot);
    pass.restart();
    run(pass, all(), length);
  }
  EXPECT_EQ(pass.heard.size(), (8 - 5) * 2u * 32) << "what is late by the look-ahead is left out";
  model_->reset(pass.slot);
  pass.restart();
  finish(pass, all(), {4});
  EXPECT_EQ(pass.heard, first);
}

// Two streams of which the second begins later and ends first, step by step.
TEST_P(ListenerFrames, BatchedStreamsTellWhatTheSingleOnesDo) {
  model_ = made(true, false);
  ASSERT_TRUE(model_);
  Pass first = open(), second = open();
  const auto short_one = steps(6, 21);
  finish(second, short_one, {3});
  const auto want = second.heard;
  model_->reset(second.slot);
  second.restart();
  run(first, all(), 3);
  for (int at = 0; at < 21; at += 3) {  // 15 steps, 5 of flush, one that means nothing
    if (at == 15) second.end();
    const AcousticItem items[] = {first.take(all(), 3), second.take(short_one, 3)};
    const auto got = model_->run(items, 3);
    ASSERT_TRUE(got.ok()) << got.status().to_string();
    const std::size_t rows = got->size() / 2, frames = model_->heard().size() / 2;
    ASSERT_EQ(frames, 3u * 2 * 32);
    first.give(got->first(rows), model_->heard().first(frames), 3);
    second.give(got->last(rows), model_->heard().last(frames), 3);
  }
  finish(first, all(), {2});
  expect_near(second.heard, want, GetParam().precision == Precision::kInt8 ? 0 : 1e-5);
  expect_near(first.heard, want_, GetParam().bound);
}

// What a stream does in a pause: a copy hears the end, and the stream goes on.
TEST_P(ListenerFrames, ACopyThatEndsLeavesTheStreamAsItWas) {
  Pass pass = open();
  const std::vector<int> lengths = {4};
  for (int at = 0; at < 12; at += 4) run(pass, all(), 4);
  for (int pause = 0; pause < 2; ++pause) {
    Pass trial = pass;
    trial.slot = model_->spare();
    model_->copy(pass.slot, trial.slot);
    finish(trial, steps(0, 12), lengths);
    Pass alone = open();
    finish(alone, steps(0, 12), lengths);
    EXPECT_EQ(trial.heard.size(), 12u * 2 * 32);
    EXPECT_EQ(trial.heard, alone.heard);
    model_->release(alone.slot);
  }
  finish(pass, all(), lengths);
  expect_near(pass.heard, want_, GetParam().bound);
}

TEST_P(ListenerFrames, AreToldOnlyIfAskedForAndChangeNothingElse) {
  EXPECT_TRUE(model_->heard().empty()) << "nothing was run";
  const auto silent = made(false);
  ASSERT_TRUE(silent);
  const int slot = *silent->acquire(), same = *model_->acquire();
  for (int at = 0; at < 24; at += 3) {
    const AcousticItem item = {slot, steps(at, at + 3)}, other = {same, item.frames};
    const auto got = silent->run(std::span(&item, 1), 3);
    const auto want = model_->run(std::span(&other, 1), 3);
    ASSERT_TRUE(got.ok() && want.ok());
    EXPECT_TRUE(std::ranges::equal(*got, *want)) << at;
    EXPECT_TRUE(silent->heard().empty());
    EXPECT_EQ(model_->heard().size(), 3u * 2 * 32);
  }
  Pass pass(silent.get(), CtcDecoder({}, nullptr, HotWords()));
  pass.slot = slot;
  silent->reset(slot);
  finish(pass, all(), {8});
  EXPECT_TRUE(pass.heard.empty());
}

// Bounds as those of the log-probabilities (listener_test.cpp).
INSTANTIATE_TEST_SUITE_P(All, ListenerFrames,
                         testing::Values(Case{"listener_f32", Precision::kF32, "", 1e-4},
                                         Case{"listener_i8", Precision::kF32, "", 1e-4},
                                         Case{"listener_f32", Precision::kF32, "portable", 1e-4},
                                         Case{"listener_i8", Precision::kInt8, "", 0.01},
                                         Case{"listener_i8", Precision::kInt8, "avx2", 0.01},
                                         Case{"listener_i8", Precision::kInt8, "portable", 0.01}),
                         [](const auto& param) {
                           const std::string isa = param.param.isa;
                           return std::string(param.param.file) +
                                  (param.param.precision == Precision::kF32 ? "_as_f32"
                                                                            : "_as_int8") +
                                  (isa.empty() ? "" : "_" + isa);
                         });

TEST(ListenerFramesOptions, ANetworkWithoutBlocksTellsNone) {
  AcousticModelOptions options;
  options.config = test::kTinyNetwork;
  options.frames = true;
  const auto made = AcousticModel::create(*test::golden_weights("tiny"), options);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(made.status().message(), "acoustic model: only a network with blocks tells frames");
}

}  // namespace
}  // namespace antiphon::asr
