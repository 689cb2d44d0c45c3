// The network with blocks of attention equals PyTorch on golden data (tests/golden/asr,
// training/asr/listener.py), however a stream is cut into runs and beside whom it runs.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "asr/acoustic_model.h"
#include "asr/acoustic_network.h"
#include "engine/weights.h"
#include "tests/unit/asr/tiny_pack.h"

namespace antiphon::asr {
namespace {

constexpr int kBins = 80, kRounds = 31, kMaxSteps = 8;  // kRounds: of make_listener_golden.py
constexpr std::size_t kStepFloats = AcousticConfig::kFramesPerStep * kBins;
constexpr AcousticConfig kConfig = test::kTinyListener;

struct Case {
  const char* file;
  Precision precision;
  const char* isa;
  double bound;
};

class Listener : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    weights_ = test::golden_weights(GetParam().file);
    features_ = test::golden_tensor(*weights_, "golden.features");
    create(kConfig);
  }

  void create(const AcousticConfig& config) {
    AcousticModelOptions options;
    options.config = config;
    options.precision = GetParam().precision;
    options.max_isa = GetParam().isa;
    options.max_streams = options.max_batch = 3;
    options.max_steps = kMaxSteps;
    options.spare = true;
    auto model = AcousticModel::create(*weights_, options);
    ASSERT_TRUE(model.ok()) << model.status().to_string();
    model_ = std::move(*model);
  }

  // `steps` steps of a slot from step `at` of the features on, which are heard again and again;
  // beyond `end` the stream is flushed.
  std::vector<float> run(int slot, int at, int steps, int end) {
    std::vector<float> frames;
    for (int s = at; s < std::min(at + steps, end); ++s) {
      const auto* from = features_.data() + static_cast<std::size_t>(s % num_steps()) * kStepFloats;
      frames.insert(frames.end(), from, from + kStepFloats);
    }
    const AcousticItem item = {slot, frames};
    const auto got = model_->run(std::span(&item, 1), steps);
    EXPECT_TRUE(got.ok()) << got.status().to_string();
    return got.ok() ? std::vector<float>(got->begin(), got->end()) : std::vector<float>();
  }

  // A whole turn in runs of these lengths, over and over, without the delay.
  std::vector<float> turn(int slot, const std::vector<int>& lengths, int rounds = 1) {
    const int late = model_->config().lookahead;
    const int end = num_steps() * rounds, total = end + late;
    std::vector<float> out;
    std::size_t next = 0;
    for (int at = 0; at < total;) {
      const int steps = std::min(lengths[next++ % lengths.size()], total - at);
      const std::vector<float> part = run(slot, at, steps, end);
      out.insert(out.end(), part.begin(), part.end());
      at += steps;
    }
    out.erase(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(late * kConfig.step_floats()));
    return out;
  }

  int num_steps() const { return static_cast<int>(features_.size() / kStepFloats); }
  static void expect_near(std::span<const float> got, std::span<const float> want, double bound) {
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < want.size(); ++i)
      ASSERT_NEAR(got[i], want[i], bound) << "value " << i;
  }

  std::shared_ptr<const Weights> weights_;
  std::vector<float> features_;
  std::unique_ptr<AcousticModel> model_;
};

TEST_P(Listener, EqualsPyTorchInRunsOfAnyLength) {
  const auto want = test::golden_tensor(*weights_, "golden.logp");
  const int slot = *model_->acquire();
  for (const std::vector<int>& lengths :
       std::vector<std::vector<int>>{{1}, {2}, {8}, {3, 1, 7}, {5, 8, 2, 1}}) {
    expect_near(turn(slot, lengths), want, GetParam().bound);
    model_->reset(slot);
  }
}

// The same weights as finals hear by them.
TEST_P(Listener, EqualsPyTorchWithAnotherLookAhead) {
  AcousticConfig config = kConfig;
  config.ahead = 5;  // FINAL_AHEAD of make_listener_golden.py
  config.lookahead = 5;
  create(config);
  const auto want = test::golden_tensor(*weights_, "golden.final_logp");
  for (const std::vector<int>& lengths : std::vector<std::vector<int>>{{8}, {3, 1, 7}}) {
    const int slot = *model_->acquire();
    expect_near(turn(slot, lengths), want, GetParam().bound);
    model_->release(slot);
  }
}

TEST_P(Listener, ACopiedSlotGoesOnAsTheFirst) {
  const int slot = *model_->acquire(), steps = num_steps(), half = steps / 2 / 4 * 4;
  EXPECT_EQ(model_->num_used(), 1);
  for (int at = 0; at < half; at += 4) run(slot, at, 4, steps);
  model_->copy(slot, model_->spare());
  run(model_->spare(), half, 8, half);  // ends here
  model_->copy(slot, model_->spare());
  for (int at = half; at < steps; at += 4)
    EXPECT_EQ(run(model_->spare(), at, 4, steps), run(slot, at, 4, steps)) << at;
}

TEST_P(Listener, AStreamGoesRoundInTheTableOfPositions) {
  const auto want = test::golden_tensor(*weights_, "golden.wrapped");
  const auto got = turn(*model_->acquire(), {8, 3}, kRounds);
  ASSERT_GT(got.size(), want.size());
  expect_near(std::span(got).last(want.size()), want, GetParam().bound);
}

TEST_P(Listener, ASlotThatIsReleasedOrResetBeginsAnew) {
  const int slot = *model_->acquire();
  const auto first = turn(slot, {4});
  model_->reset(slot);
  EXPECT_EQ(turn(slot, {4}), first);
  model_->release(slot);
  const int again = *model_->acquire();
  EXPECT_EQ(again, slot);
  EXPECT_EQ(turn(again, {4}), first);
}

// Not the same bits: a window begins elsewhere among the keys of a run, so that attention sums in
// another order, and convolutions at INT8 round to levels that span all steps of a run.
TEST_P(Listener, RunsOfAnyLengthGiveNearlyTheSame) {
  const int slot = *model_->acquire();
  const auto want = turn(slot, {1});
  const double bound = GetParam().precision == Precision::kInt8 ? 1e-3 : 1e-5;
  for (const std::vector<int>& lengths :
       std::vector<std::vector<int>>{{1}, {2}, {8}, {3, 1, 7}, {5, 8, 2, 1}}) {
    model_->reset(slot);
    expect_near(turn(slot, lengths), want, bound);
  }
}

// Three streams at different places of their turns and of the table of positions, one of them
// flushed while the others go on.
TEST_P(Listener, BatchedStreamsAreTheSingleOnes) {
  const int slots[] = {*model_->acquire(), *model_->acquire(), *model_->acquire()};
  const int begins[] = {0, 6, 14};
  std::vector<float> alone[3], together[3];
  const auto span_of = [&](int begin, int at, int steps) {
    const int left = std::clamp(num_steps() - begin - at, 0, steps);
    return std::span(features_).subspan(
        static_cast<std::size_t>(left > 0 ? begin + at : 0) * kStepFloats,
        static_cast<std::size_t>(left) * kStepFloats);
  };
  const auto take = [&](const float* from, int steps, std::vector<float>& to) {
    const auto count = static_cast<std::size_t>(steps) * kConfig.step_floats();
    to.insert(to.end(), from, from + count);
  };
  for (const bool batched : {false, true}) {
    for (int s = 0; s < 3; ++s)
      for (int at = 0; at < begins[s]; at += 2) run(slots[s], at, 2, num_steps());
    for (int at = 0; at < 15; at += 3) {
      std::vector<AcousticItem> items;
      for (int s = 0; s < 3; ++s) items.push_back({slots[s], span_of(begins[s], at, 3)});
      for (std::size_t s = 0; s < 3; s += batched ? 3 : 1) {
        const auto got = model_->run(std::span(items).subspan(s, batched ? 3 : 1), 3);
        ASSERT_TRUE(got.ok()) << got.status().to_string();
        for (std::size_t i = s; i < (batched ? 3 : s + 1); ++i)
          take(got->data() + (i - s) * 3 * kConfig.step_floats(), 3,
               batched ? together[i] : alone[i]);
      }
    }
    for (const int slot : slots) model_->reset(slot);
  }
  // Rows of a flush beyond the look-ahead mean nothing: the third stream ends after 11 steps.
  const std::size_t meant[] = {15, 15, 13};
  for (int s = 0; s < 3; ++s) {
    const std::size_t count = meant[s] * kConfig.step_floats();
    expect_near(std::span(together[s]).first(count), std::span(alone[s]).first(count),
                GetParam().precision == Precision::kInt8 ? 0 : 1e-5);
  }
}

// f32: some 100 terms a sum through eight layers. INT8: the weights are the golden's own; each row
// of activations is rounded to 16 bits before a product.
INSTANTIATE_TEST_SUITE_P(All, Listener,
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

std::string error_of(const AcousticConfig& config) {
  AcousticModelOptions options;
  options.config = config;
  const auto made = AcousticModel::create(*test::golden_weights("listener_f32"), options);
  return made.ok() ? "" : made.status().message();
}

TEST(ListenerWeights, WhatDoesNotFitIsNamed) {
  const auto with = [](auto change) {
    AcousticConfig config = kConfig;
    change(config);
    return error_of(config);
  };
  const auto has = [](const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << "'" << text << "' lacks '" << part << "'";
  };
  EXPECT_EQ(with([](AcousticConfig&) {}), "");
  has(with([](AcousticConfig& c) {
        c.blocks = 3;
        c.lookahead = 3;
      }),
      "blocks.2.");
  has(with([](AcousticConfig& c) {
        c.blocks = 1;
        c.lookahead = 1;
      }),
      "has blocks.1.key.weight, but network.blocks is 1");
  has(with([](AcousticConfig& c) { c.lookahead = 4; }), "network.blocks x network.ahead is 4");
  has(with([](AcousticConfig& c) { c.heads = 5; }), "network.channels is 32");
  has(with([](AcousticConfig& c) { c.inner = 64; }), "blocks.0.up.weight is [48, 32]");
  has(with([](AcousticConfig& c) { c.layers = 1; }), "has lstms.1.bias");
}

}  // namespace
}  // namespace antiphon::asr
