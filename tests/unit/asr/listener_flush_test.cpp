// The end of a stream in one flush equals what runs without frames tell step by step, and PyTorch's
// (tests/golden/asr), whatever is left of the stream and beside whom it ends.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "asr/acoustic_model.h"
#include "engine/weights.h"
#include "tests/unit/asr/tiny_pack.h"

namespace antiphon::asr {
namespace {

constexpr int kMaxSteps = 8;
constexpr std::size_t kStepFloats = AcousticConfig::kFramesPerStep * 80;

// Rows of log-probabilities and frames of the encoder, [steps, ...].
struct Told {
  std::vector<float> log_probs, heard;

  void add(std::span<const float> rows, std::span<const float> frames) {
    log_probs.insert(log_probs.end(), rows.begin(), rows.end());
    heard.insert(heard.end(), frames.begin(), frames.end());
  }
};

struct Case {
  const char* file;
  Precision precision;
  const char* isa;
  int ahead;
  double bound;
};

class ListenerFlush : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    weights_ = test::golden_weights(GetParam().file);
    features_ = test::golden_tensor(*weights_, "golden.features");
    AcousticModelOptions options;
    options.config = test::kTinyListener;
    options.config.ahead = options.config.lookahead = GetParam().ahead;  // of two blocks
    options.precision = GetParam().precision;
    options.max_isa = GetParam().isa;
    options.max_streams = options.max_batch = 3;
    options.max_steps = kMaxSteps;
    options.spare = options.frames = true;
    auto model = AcousticModel::create(*weights_, options);
    ASSERT_TRUE(model.ok()) << model.status().to_string();
    model_ = std::move(*model);
    ASSERT_TRUE(model_->flushes());
  }

  int num_steps() const { return static_cast<int>(features_.size() / kStepFloats); }
  int lookahead() const { return model_->config().lookahead; }
  std::span<const float> frames(int from, int to) const {
    return std::span(features_).subspan(static_cast<std::size_t>(from) * kStepFloats,
                                        static_cast<std::size_t>(to - from) * kStepFloats);
  }

  // `steps` steps of a slot, of which `heard` have frames, from step `at` of the features on.
  void run(int slot, int at, int heard, int steps, Told& told) {
    const AcousticItem item = {slot, frames(at, at + heard)};
    const auto got = model_->run(std::span(&item, 1), steps);
    ASSERT_TRUE(got.ok()) << got.status().to_string();
    told.add(*got, model_->heard());
  }
  void flush(int slot, Told& told) {
    const auto got = model_->flush(std::span(&slot, 1));
    ASSERT_TRUE(got.ok()) << got.status().to_string();
    told.add(*got, model_->heard());
  }
  // The features from step `from` to before step `to`, in runs of `length`.
  void hear(int slot, int from, int to, int length, Told& told) {
    for (int at = from; at < to; at += length) {
      const int steps = std::min(length, to - at);
      run(slot, at, steps, steps, told);
    }
  }
  // A whole turn, without the delay, which ends step by step.
  Told stepwise(int slot, int from, int to) {
    Told told;
    hear(slot, from, to, 4, told);
    for (int i = 0; i < lookahead(); ++i) run(slot, to, 0, 1, told);
    model_->reset(slot);
    return without_delay(std::move(told));
  }
  Told without_delay(Told told) const {
    const AcousticConfig& c = model_->config();
    const auto drop = [&](std::vector<float>& values, std::size_t each) {
      const auto late = static_cast<std::ptrdiff_t>(each) * lookahead();
      values.erase(values.begin(), values.begin() + late);
    };
    drop(told.log_probs, c.step_floats());
    drop(told.heard, static_cast<std::size_t>(AcousticConfig::kBlockFramesPerStep * c.channels));
    return told;
  }

  static void expect_near(std::span<const float> got, std::span<const float> want, double bound) {
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < want.size(); ++i)
      ASSERT_NEAR(got[i], want[i], bound) << "value " << i;
  }
  void expect_same(const Told& got, const Told& want) {
    // As of runs of several lengths (listener_test.cpp).
    const double bound = GetParam().precision == Precision::kInt8 ? 1e-3 : 1e-5;
    expect_near(got.log_probs, want.log_probs, bound);
    expect_near(got.heard, want.heard, bound);
  }

  std::shared_ptr<const Weights> weights_;
  std::vector<float> features_;
  std::unique_ptr<AcousticModel> model_;
};

TEST_P(ListenerFlush, EqualsPyTorch) {
  const bool finals = lookahead() == 5;  // FINAL_AHEAD of make_listener_golden.py
  const auto want = test::golden_tensor(*weights_, finals ? "golden.final_logp" : "golden.logp");
  const int slot = *model_->acquire();
  for (const int length : {1, 3, 8}) {
    Told told;
    hear(slot, 0, num_steps(), length, told);
    flush(slot, told);
    told = without_delay(std::move(told));
    expect_near(told.log_probs, want, GetParam().bound);
    if (finals)
      expect_near(told.heard, test::golden_tensor(*weights_, "golden.final_heard"),
                  GetParam().bound);
    model_->reset(slot);
  }
}

// A turn of one step, turns shorter than the look-ahead, of its length, up to and beyond what a
// block remembers, which is 7 frames and the look-ahead.
TEST_P(ListenerFlush, EqualsRunsWithoutFramesAfterTurnsOfAnyLength) {
  const int slot = *model_->acquire();
  ASSERT_GT(num_steps(), 20);
  for (const int steps : {1, 2, 3, 4, 5, 6, 7, 9, 12, 20}) {
    SCOPED_TRACE(std::to_string(steps) + " steps");
    const Told want = stepwise(slot, 3, 3 + steps);
    Told told;
    hear(slot, 3, 3 + steps, 4, told);
    flush(slot, told);
    expect_same(without_delay(std::move(told)), want);
    model_->reset(slot);
  }
}

// A run that is longer than the audio has begun with the flush: the end of the rest means nothing.
TEST_P(ListenerFlush, GoesOnBehindARunThatWasLongerThanTheAudio) {
  const int slot = *model_->acquire();
  for (const int steps : {1, 6, 15})
    for (const int surplus : {1, 2, lookahead() + 1}) {
      SCOPED_TRACE(std::to_string(steps) + " steps and " + std::to_string(surplus));
      const Told want = stepwise(slot, 2, 2 + steps);
      Told told;
      hear(slot, 2, 1 + steps, 2, told);
      run(slot, 1 + steps, 1, 1 + surplus, told);
      flush(slot, told);
      told = without_delay(std::move(told));
      told.log_probs.resize(want.log_probs.size());
      told.heard.resize(want.heard.size());
      expect_same(told, want);
      model_->reset(slot);
    }
}

TEST_P(ListenerFlush, StreamsThatEndTogetherAreTheSingleOnes) {
  const int slots[] = {*model_->acquire(), *model_->acquire()};
  const int from[] = {0, 7}, to[] = {19, 10};
  Told want[2], got[2];
  for (std::size_t s = 0; s < 2; ++s) want[s] = stepwise(slots[s], from[s], to[s]);
  for (std::size_t s = 0; s < 2; ++s) hear(slots[s], from[s], to[s], 4, got[s]);
  const auto ends = model_->flush(slots);
  ASSERT_TRUE(ends.ok()) << ends.status().to_string();
  const std::size_t rows = ends->size() / 2, frames = model_->heard().size() / 2;
  EXPECT_EQ(rows, static_cast<std::size_t>(lookahead()) * model_->config().step_floats());
  got[0].add(ends->first(rows), model_->heard().first(frames));
  got[1].add(ends->last(rows), model_->heard().last(frames));
  for (std::size_t s = 0; s < 2; ++s) expect_same(without_delay(std::move(got[s])), want[s]);
}

// What a stream does in a pause: a copy ends, and the stream goes on.
TEST_P(ListenerFlush, OfACopyLeavesTheStreamAsItWas) {
  const int slot = *model_->acquire();
  const Told want = stepwise(slot, 0, 16), half = stepwise(slot, 0, 8);
  Told told;
  hear(slot, 0, 8, 4, told);
  for (int pause = 0; pause < 2; ++pause) {
    Told copied = told;
    model_->copy(slot, model_->spare());
    flush(model_->spare(), copied);
    expect_same(without_delay(std::move(copied)), half);
  }
  hear(slot, 8, 16, 4, told);
  flush(slot, told);
  expect_same(without_delay(std::move(told)), want);
}

// The blocks' memory has not moved on: what would follow would be wrong.
TEST_P(ListenerFlush, ASlotThatWasFlushedMustBeResetFirst) {
  const int slot = *model_->acquire();
  Told told;
  hear(slot, 0, 8, 4, told);
  flush(slot, told);
  const AcousticItem item = {slot, frames(8, 9)};
  for (int i = 0; i < 2; ++i) {
    const Status again = i == 0 ? model_->run(std::span(&item, 1), 1).status()
                                : model_->flush(std::span(&slot, 1)).status();
    EXPECT_EQ(again.code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(again.message(), "acoustic model: slot " + std::to_string(slot) +
                                   " was flushed; it must be reset first");
  }
  const int other = *model_->acquire();  // the model is not disturbed
  stepwise(other, 0, 5);
  model_->release(slot);
  EXPECT_EQ(*model_->acquire(), slot);
  const Told want = stepwise(slot, 0, 8);
  expect_same(without_delay(std::move(told)), want);
}

// Bounds as those of the log-probabilities (listener_test.cpp).
INSTANTIATE_TEST_SUITE_P(
    All, ListenerFlush,
    testing::Values(Case{"listener_f32", Precision::kF32, "", 2, 1e-4},
                    Case{"listener_f32", Precision::kF32, "", 5, 1e-4},
                    Case{"listener_i8", Precision::kF32, "", 5, 1e-4},
                    Case{"listener_f32", Precision::kF32, "portable", 5, 1e-4},
                    Case{"listener_i8", Precision::kInt8, "", 2, 0.01},
                    Case{"listener_i8", Precision::kInt8, "", 5, 0.01},
                    Case{"listener_i8", Precision::kInt8, "avx2", 5, 0.01},
                    Case{"listener_i8", Precision::kInt8, "portable", 5, 0.01}),
    [](const auto& param) {
      const std::string isa = param.param.isa;
      return std::string(param.param.file) +
             (param.param.precision == Precision::kF32 ? "_as_f32" : "_as_int8") +
             (isa.empty() ? "" : "_" + isa) + "_ahead_" + std::to_string(param.param.ahead);
    });

TEST(ListenerFlushOptions, OnlyNetworksWithBlocksFlushAtOnce) {
  AcousticModelOptions options;
  options.config = test::kTinyNetwork;
  const auto plain = AcousticModel::create(*test::golden_weights("tiny"), options);
  ASSERT_TRUE(plain.ok()) << plain.status().to_string();
  EXPECT_FALSE((*plain)->flushes());
  options.config = test::kTinyListener;
  options.flush = false;
  const auto unasked = AcousticModel::create(*test::golden_weights("listener_f32"), options);
  ASSERT_TRUE(unasked.ok()) << unasked.status().to_string();
  EXPECT_FALSE((*unasked)->flushes());
}

}  // namespace
}  // namespace antiphon::asr
