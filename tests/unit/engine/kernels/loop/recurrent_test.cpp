// Recurrent cells as loop programs: LSTM and GRU in their forms, against the reference.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/kernels/isa.h"
#include "tests/unit/engine/kernels/loop/loop_harness.h"

namespace antiphon::test {
namespace {

// T steps of a state that forgets: rounding does not build up beyond a few steps' worth. 3e-6: sums
// of `hidden` products of values below 1, and the gates' own error of 5e-7.
constexpr double kF32 = 3e-6;
// Activations are rounded to 15 bits: 2^-15 of the largest, times the sum of |w| of a row (< 40).
constexpr double kInt8 = 2e-3;

ir::Node lstm(std::int64_t hidden, bool reverse) {
  Network net("lstm");
  const Value x = net.input("x", DType::kF32, {"B", "T", 20});
  const Value h = net.input("h", DType::kF32, {"B", Dim(hidden)});
  const Value c = net.input("c", DType::kF32, {"B", Dim(hidden)});
  const Value w_ih = random_constant(net, "w_ih", {4 * hidden, 20}, 1);
  const Value w_hh = random_constant(net, "w_hh", {4 * hidden, hidden}, 2, 0.3);
  const auto out = net.lstm(x, h, c, w_ih, w_hh, {}, {}, reverse);
  net.output("y", out.y);
  return loop_of(net);
}

struct Case {
  std::int64_t hidden, batch, steps;
  bool reverse, int8;
};

class LstmLoop : public testing::TestWithParam<Case> {};

TEST_P(LstmLoop, MatchesReference) {
  const Case& p = GetParam();
  ir::Node node = lstm(p.hidden, p.reverse);
  if (p.int8) quantize_linears(*node.body);
  const Outputs inputs = random_inputs(
      node, {{p.batch, p.hidden}, {p.batch, p.hidden}, {p.batch, p.steps, 4 * p.hidden}}, 5);
  expect_like_reference(node, inputs, p.int8 ? kInt8 : kF32);
}

std::vector<Case> cases() {
  std::vector<Case> out;
  for (const bool int8 : {false, true})
    for (const std::int64_t batch : {1, 3, 8})
      for (const std::int64_t steps : {0, 1, 7})
        for (const bool reverse : {false, true}) out.push_back({48, batch, steps, reverse, int8});
  for (const bool int8 : {false, true})
    for (const std::int64_t hidden : {1, 5, 31, 33, 100})
      out.push_back({hidden, 2, 3, false, int8});
  return out;
}
INSTANTIATE_TEST_SUITE_P(All, LstmLoop, testing::ValuesIn(cases()), [](const auto& tested) {
  const Case& p = tested.param;
  return "h" + std::to_string(p.hidden) + "_b" + std::to_string(p.batch) + "_t" +
         std::to_string(p.steps) + (p.reverse ? "_reverse" : "") + (p.int8 ? "_int8" : "_f32");
});

// States that bytes hold: whole numbers of steps of 2 / 255, from one end of the range to the
// other.
RefTensor byte_states(std::int64_t batch, std::int64_t hidden) {
  RefTensor h = random_ref({batch, hidden}, 9, 0, 256);
  for (std::size_t i = 0; i < h.values.size(); ++i) {
    const auto at = static_cast<std::int64_t>(i) % hidden;
    const double byte = at == 0 ? 0 : at == 1 ? 255 : std::floor(h.values[i]);
    h.values[i] = static_cast<double>(static_cast<float>((byte - 100) * (2.0 / 255)));
  }
  return h;
}

ir::Node int8_lstm(std::int64_t hidden) {
  ir::Node node = lstm(hidden, false);
  quantize_linears(*node.body);
  return node;
}

TEST(LstmLoopOnBytes, AStepFromStatesThatBytesHoldIsExact) {
  for (const std::int64_t hidden : {2, 5, 31, 48, 100})
    for (const std::int64_t batch : {1, 2, 5, 17}) {
      const ir::Node node = int8_lstm(hidden);
      Outputs inputs =
          random_inputs(node, {{batch, hidden}, {batch, hidden}, {batch, 1, 4 * hidden}}, 5);
      inputs[0] = byte_states(batch, hidden);
      // The steps of a range are found within their own rounding.
      expect_like_reference(node, inputs, 2 * kF32, cpu::kLoopProgramU8);
    }
}

// Half a step, 1 / 255 of states within 1, times the sum of |w| of a row (< 10), and what the gates
// make of it.
TEST(LstmLoopOnBytes, StepsRoundTheStateOfEachSequenceByItself) {
  constexpr std::int64_t kHidden = 48, kBatch = 3, kSteps = 7;
  constexpr double kBytes = 0.04;
  const ir::Node node = int8_lstm(kHidden);
  const Outputs inputs =
      random_inputs(node, {{kBatch, kHidden}, {kBatch, kHidden}, {kBatch, kSteps, 4 * kHidden}}, 5);
  expect_like_reference(node, inputs, kBytes, cpu::kLoopProgramU8);
  const auto outputs_of = [&](const Outputs& given) {
    LoopRunner runner(node, given, 1, detect_isa(), cpu::kLoopProgramU8);
    EXPECT_TRUE(runner.prepare().ok());
    EXPECT_TRUE(runner.run().ok());
    return runner.outputs();
  };
  const Outputs together = outputs_of(inputs);
  for (std::int64_t b = 0; b < kBatch; ++b) {
    const auto row = [b](RefTensor t) {
      const auto size = static_cast<std::ptrdiff_t>(t.values.size()) / kBatch;
      const auto begin = t.values.begin() + b * size;
      t.dims[0] = 1;
      t.values = {begin, begin + size};
      return t;
    };
    Outputs one;
    for (const RefTensor& t : inputs) one.push_back(row(t));
    const Outputs alone = outputs_of(one);
    for (std::size_t o = 0; o < alone.size(); ++o)
      EXPECT_EQ(alone[o].values, row(together[o]).values) << "sequence " << b << " output " << o;
  }
}

TEST(LstmLoopOnBytes, WantsInt8Weights) {
  const ir::Node node = lstm(8, false);
  LoopRunner runner(node, random_inputs(node, {{1, 8}, {1, 8}, {1, 1, 32}}, 5), 1, Isa::kPortable,
                    cpu::kLoopProgramU8);
  const Status status = runner.prepare();
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_NE(status.message().find("needs i8 weights"), std::string::npos);
}

// 24 bits of a weight: their steps add less than the sums' own rounding.
TEST(LstmLoopOnI24, MatchesReference) {
  for (const std::int64_t hidden : {2, 5, 31, 48, 100})
    for (const std::int64_t batch : {1, 2, 5, 17}) {
      const ir::Node node = lstm(hidden, hidden == 31);
      const Outputs inputs =
          random_inputs(node, {{batch, hidden}, {batch, hidden}, {batch, 7, 4 * hidden}}, 5);
      expect_like_reference(node, inputs, 2 * kF32, cpu::kLoopProgramI24);
      LoopRunner given(node, inputs, 1, detect_isa());
      LoopRunner i24(node, inputs, 1, detect_isa(), cpu::kLoopProgramI24);
      for (LoopRunner* runner : {&given, &i24}) {
        ASSERT_TRUE(runner->prepare().ok());
        ASSERT_TRUE(runner->run().ok());
      }
      EXPECT_NE(given.outputs()[0].values, i24.outputs()[0].values);  // they are other weights
    }
}

TEST(LstmLoopOnI24, WantsF32Weights) {
  const ir::Node node = int8_lstm(8);
  LoopRunner runner(node, random_inputs(node, {{1, 8}, {1, 8}, {1, 1, 32}}, 5), 1, Isa::kPortable,
                    cpu::kLoopProgramI24);
  const Status status = runner.prepare();
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_NE(status.message().find("needs constant f32 weights"), std::string::npos);
}

TEST(LstmLoop, NeedsOneBarrierAStep) {
  const ir::Node node = lstm(64, false);
  LoopRunner runner(node, random_inputs(node, {{1, 64}, {1, 64}, {1, 4, 256}}, 5), 2,
                    Isa::kPortable);
  ASSERT_TRUE(runner.prepare().ok());
  EXPECT_EQ(runner.num_phases(), 1);
}

TEST(GruLoop, MatchesReference) {
  constexpr std::int64_t kHidden = 40;
  Network net("gru");
  const Value x = net.input("x", DType::kF32, {"B", "T", 3 * kHidden});
  const Value h0 = net.input("h", DType::kF32, {"B", kHidden});
  const Value w = random_constant(net, "w", {3 * kHidden, kHidden}, 2, 0.3);
  const Value b = random_constant(net, "b", {3 * kHidden}, 3);
  const auto out =
      net.loop("gru", std::vector<Value>{h0}, std::vector<Value>{x}, 1, 0, [&](LoopBody& body) {
        const auto from_x = net.split(body.scanned(0), 3, -1);
        const auto from_h = net.split(net.linear(body.carried(0), w, b), 3, -1);
        const Value r = net.sigmoid(net.add(from_x[0], from_h[0]));
        const Value z = net.sigmoid(net.add(from_x[1], from_h[1]));
        const Value n = net.tanh(net.add(from_x[2], net.mul(r, from_h[2])));
        const Value h = net.add(n, net.mul(z, net.sub(body.carried(0), n)));
        body.next(0, h);
        body.emit(h);
      });
  net.output("y", out[1]);
  const ir::Node node = loop_of(net);
  const Outputs inputs = random_inputs(node, {{3, kHidden}, {3, 9, 3 * kHidden}}, 7);
  expect_like_reference(node, inputs, kF32);
  LoopRunner runner(node, inputs, 2, Isa::kPortable);
  ASSERT_TRUE(runner.prepare().ok());
  EXPECT_EQ(runner.num_phases(), 1);
}

}  // namespace
}  // namespace antiphon::test
