// An attention decoder with a stop condition as a loop program, against the reference.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/engine/kernels/loop/decoder_body.h"

namespace antiphon::test {
namespace {

// Nine layers deep, fed back: sums of up to 200 products of values near 1, eight steps.
constexpr double kF32 = 2e-5;
constexpr double kInt8 = 1e-2;

DecoderSizes small(std::int64_t batch) {
  return {.batch = batch,
          .memory_steps = 37,
          .encoder = 24,
          .attention = 40,
          .attention_lstm = 48,
          .decoder_lstm = 36,
          .prenet = 33,
          .mel = 20,
          .filters = 6,
          .taps = 7,
          .trip_limit = 8,
          .stop_bias = -9};
}

double iterations(const ir::Node& node, const Outputs& inputs) {
  LoopRunner runner(node, inputs, 1, Isa::kPortable);
  EXPECT_TRUE(runner.prepare().ok());
  EXPECT_TRUE(runner.run().ok());
  return runner.outputs().back().values.at(0);
}

class DecoderLoop : public testing::TestWithParam<std::int64_t> {};

TEST_P(DecoderLoop, MatchesReferenceToTheTripLimit) {
  const DecoderSizes sizes = small(GetParam());
  const ir::Node node = decoder_loop(sizes);
  const Outputs inputs = decoder_inputs(sizes, node, 3);
  EXPECT_EQ(iterations(node, inputs), 8);
  expect_like_reference(node, inputs, kF32);
}

TEST_P(DecoderLoop, MatchesReferenceInInt8) {
  const DecoderSizes sizes = small(GetParam());
  ir::Node node = decoder_loop(sizes);
  quantize_linears(*node.body);
  expect_like_reference(node, decoder_inputs(sizes, node, 3), kInt8);
}

INSTANTIATE_TEST_SUITE_P(Batch, DecoderLoop, testing::Values(1, 3));

TEST(DecoderLoop, StopsAndLeavesZeros) {
  DecoderSizes sizes = small(1);
  sizes.stop_bias = 9;
  ir::Node node = decoder_loop(sizes);
  Outputs inputs = decoder_inputs(sizes, node, 3);
  EXPECT_EQ(iterations(node, inputs), 1);
  expect_like_reference(node, inputs, kF32);
}

TEST(DecoderLoop, StopsBetween) {
  DecoderSizes sizes = small(1);
  // A seed whose stop logit rises, and the bias that puts its highest value just above 0.
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    sizes.stop_bias = -9;
    const Outputs inputs = decoder_inputs(sizes, decoder_loop(sizes), seed);
    LoopRunner runner(decoder_loop(sizes), inputs, 1, Isa::kPortable);
    ASSERT_TRUE(runner.prepare().ok());
    ASSERT_TRUE(runner.run().ok());
    const Outputs all = runner.outputs();
    const std::vector<double>& logits = all[all.size() - 2].values;
    const auto highest = std::max_element(logits.begin(), logits.end());
    if (highest - logits.begin() < 1 || highest - logits.begin() > 6) continue;
    sizes.stop_bias = -9 - *highest + 1e-3;
    const ir::Node node = decoder_loop(sizes);
    EXPECT_EQ(iterations(node, inputs), highest - logits.begin() + 1);
    expect_like_reference(node, inputs, kF32);
    return;
  }
  FAIL() << "no seed whose logit rises";
}

TEST(DecoderLoop, NeedsFewBarriers) {
  const DecoderSizes sizes;
  const ir::Node node = decoder_loop(sizes);
  LoopRunner runner(node, decoder_inputs(sizes, node, 3), 2, Isa::kPortable);
  ASSERT_TRUE(runner.prepare().ok());
  // Two prenet layers, attention LSTM, query, energies, context, decoder LSTM, frame.
  EXPECT_LE(runner.num_phases(), 8);
}

}  // namespace
}  // namespace antiphon::test
