// Loop bodies of every operator kind, with several carried values and sequences on several axes,
// against the reference; what is refused; no allocation while running.
#include <gtest/gtest.h>

#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/isa.h"
#include "tests/unit/engine/kernels/kernel_harness.h"
#include "tests/unit/engine/kernels/loop/decoder_body.h"

namespace antiphon::test {
namespace {

// A few layers of sums of up to 200 products of values near 1.
constexpr double kTolerance = 1e-5;

using Values = std::vector<Value>;

// One loop over `scanned` (names x0, x1, ...) from `carried` (h0, ...), of the given shapes.
template <typename Define>
ir::Node loop_with(const std::vector<Shape>& carried, const std::vector<Shape>& scanned, int axis,
                   std::int64_t trip_limit, Define define) {
  Network net("loop");
  Values first, sequences;
  for (std::size_t i = 0; i < carried.size(); ++i)
    first.push_back(net.input("h" + std::to_string(i), DType::kF32, carried[i]));
  for (std::size_t i = 0; i < scanned.size(); ++i)
    sequences.push_back(net.input("x" + std::to_string(i), DType::kF32, scanned[i]));
  const Values out = net.loop("loop", first, sequences, axis, trip_limit,
                              [&](LoopBody& body) { define(net, body); });
  net.output("out", out.back());
  return loop_of(net);
}

TEST(LoopBodies, ScanAxesZeroToTwo) {
  for (int axis = 0; axis < 3; ++axis) {
    SCOPED_TRACE(axis);
    Shape shape = {3, 40, 5};
    const std::vector<std::int64_t> dims[] = {{40, 5}, {3, 5}, {3, 40}};
    const auto& step = dims[axis];
    const ir::Node node =
        loop_with({{step[0], step[1]}}, {shape, shape}, axis, 0, [](Network& net, LoopBody& body) {
          const Value sum = net.add(body.carried(0), net.mul(body.scanned(0), body.scanned(1)));
          body.next(0, net.tanh(sum));
          body.emit(net.softmax(sum));
          body.emit(net.transpose(sum, {1, 0}));
        });
    expect_like_reference(node, random_inputs(node, {step, {3, 40, 5}, {3, 40, 5}}, 9), kTolerance);
  }
}

TEST(LoopBodies, CarriedValuesThatChangePlaces) {
  const ir::Node node =
      loop_with({{2, 33}, {2, 33}, {2, 33}}, {}, 0, 5, [](Network& net, LoopBody& body) {
        body.next(0, body.carried(1));
        body.next(1, net.mul(body.carried(0), body.carried(2)));
        body.next(2, body.carried(2));
        body.emit(body.carried(0));
      });
  expect_like_reference(node, random_inputs(node, {{2, 33}, {2, 33}, {2, 33}}, 4), kTolerance);
}

TEST(LoopBodies, MovesAndNorms) {
  const ir::Node node = loop_with({{2, 64}}, {{2, 6, 64}}, 1, 0, [](Network& net, LoopBody& body) {
    const Value gamma = random_constant(net, "gamma", {64}, 1);
    const Value beta = random_constant(net, "beta", {64}, 2);
    const Value norm = net.layer_norm(net.add(body.carried(0), body.scanned(0)), gamma, beta);
    const Value back = net.reverse(net.slice(norm, 1, 8, 40), 1);
    const Value wide = net.repeat(net.pad(back, 1, 3, 5, 0.5f), 2, 1);
    const Value cube = net.reshape(wide, {2, 8, 10});
    body.emit(net.reduce(Reduce::kMean, cube, 1));
    body.emit(net.reduce(Reduce::kMax, cube, 2, true));
    body.emit(net.log_softmax(net.transpose(cube, {0, 2, 1}), 1));
    body.emit(net.add(net.zeros({2, 3}), net.slice(norm, 1, 0, 3)));
    body.next(0, net.clamp(net.concat({back, net.slice(norm, 1, 0, 32)}, 1), -1, 1));
  });
  expect_like_reference(node, random_inputs(node, {{2, 64}, {2, 6, 64}}, 6), 2e-5);
}

// Norms without a mean, which only passes make: alone, and of a sum with a residual.
TEST(LoopBodies, NormsByTheRootOfSquares) {
  for (const bool residual : {false, true}) {
    ir::Node node = loop_with({{2, 41}}, {{2, 6, 41}}, 1, 0, [](Network& net, LoopBody& body) {
      const Value gamma = random_constant(net, "gamma", {41}, 1);
      body.next(0, net.layer_norm(net.add(body.carried(0), body.scanned(0)), gamma, gamma));
      body.emit(body.carried(0));
    });
    for (ir::Node& norm : node.body->nodes) {
      if (norm.op != ir::OpKind::kLayerNorm) continue;
      norm.attrs.set("rms", std::int64_t{1});
      norm.inputs.resize(2);
      if (residual) norm.inputs.insert(norm.inputs.end(), {ir::kNoValue, norm.inputs[0]});
    }
    expect_like_reference(node, random_inputs(node, {{2, 41}, {2, 6, 41}}, 2), kTolerance);
  }
}

TEST(LoopBodies, ConvolutionsAndProducts) {
  const ir::Node node =
      loop_with({{2, 6, 50}}, {{2, 3, 6, 50}}, 1, 0, [](Network& net, LoopBody& body) {
        const Value w = random_constant(net, "w", {6, 6, 3}, 1, 0.2);
        const Value deep = random_constant(net, "deep", {6, 1, 5}, 2, 0.3);
        const Value bias = random_constant(net, "bias", {6}, 3);
        const Value a =
            net.conv1d(body.carried(0), w, bias, {.dilation = 2, .pad_left = 2, .pad_right = 2});
        const Value b = net.conv1d(net.add(a, body.scanned(0)), deep, bias,
                                   {.groups = 6, .pad_left = 2, .pad_right = 2});
        const Value down = net.conv1d(b, w, {}, {.stride = 2, .pad_left = 1});
        const Value square = net.matmul(a, net.transpose(b, {0, 2, 1}));
        body.emit(down);
        body.emit(square);
        body.emit(net.linear(b, random_constant(net, "dense", {70, 50}, 4)));
        body.next(0, net.tanh(net.matmul(square, b)));
      });
  expect_like_reference(node, random_inputs(node, {{2, 6, 50}, {2, 3, 6, 50}}, 6), 5e-5);
}

// Greedy sampling: the id of the best logit picks the next row of a table.
ir::Node sampling_loop() {
  Network net("sampling");
  const Value ids = net.input("ids", DType::kI32, {2});
  const Value h0 = net.input("h", DType::kF32, {2, 40});
  const Value out = net.loop("sampling", Values{ids, h0}, {}, 1, 9, [&](LoopBody& body) {
    const Value table = random_constant(net, "table", {50, 24}, 1);
    const Value x = net.concat({net.embedding(body.carried(0), table), body.carried(1)}, -1);
    const Value h = net.tanh(net.linear(x, random_constant(net, "w", {40, 64}, 2)));
    const Value logits = net.linear(h, random_constant(net, "out", {50, 40}, 3));
    const Value best = net.reduce(Reduce::kArgMax, logits, -1);
    body.next(0, best);
    body.next(1, h);
    body.emit(net.reshape(best, {2, 1}));
    body.emit(logits);
    body.stop(net.reshape(net.slice(net.cast(best, DType::kF32), 0, 0, 1), {1}));
  })[2];
  net.output("ids", out);
  return loop_of(net);
}

TEST(LoopBodies, SamplingFeedsBackAndStops) {
  const ir::Node node = sampling_loop();
  RefTensor ids{DType::kI32, {2}, {3, 49}};
  const Outputs inputs = {ids, random_ref({2, 40}, 8)};
  expect_like_reference(node, inputs, kTolerance);
}

TEST(LoopBodies, AnIdOutsideTheTableIsAnError) {
  LoopRunner runner(sampling_loop(), {{DType::kI32, {2}, {50, 0}}, random_ref({2, 40}, 8)}, 2,
                    Isa::kPortable);
  ASSERT_TRUE(runner.prepare().ok());
  const Status ran = runner.run();
  EXPECT_EQ(ran.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(ran.message().find("embedding"), std::string::npos) << ran.message();
}

// What only an unread final value is made of is left out: the last id would be an error.
TEST(LoopBodies, TheLastStepMakesNothingThatNobodyReads) {
  Network net("unread");
  const Value h = net.input("h", DType::kF32, {2, 24});
  const Value ids = net.input("ids", DType::kI32, {4, 2});
  const Values out = net.loop("loop", Values{h}, Values{ids}, 0, 0, [&](LoopBody& body) {
    const Value table = random_constant(net, "table", {50, 24}, 1);
    body.next(0, net.add(net.embedding(body.scanned(0), table), body.carried(0)));
    body.emit(net.tanh(body.carried(0)));
  });
  net.output("y", out[1]);
  ir::Node node = loop_of(net);
  RefTensor good{DType::kI32, {4, 2}, {3, 49, 0, 1, 7, 9, 11, 12}};
  node.attrs.set("unread", std::vector<std::int64_t>{0});
  expect_like_reference(node, {random_ref({2, 24}, 8), good}, kTolerance);
  good.values.back() = 50;
  for (const bool marked : {false, true}) {
    if (!marked)
      node.attrs.erase("unread");
    else
      node.attrs.set("unread", std::vector<std::int64_t>{0});
    LoopRunner runner(node, {random_ref({2, 24}, 8), good}, 2, Isa::kPortable);
    ASSERT_TRUE(runner.prepare().ok());
    EXPECT_EQ(runner.run().ok(), marked);
  }
}

TEST(LoopBodies, WeightsThatAreInvariants) {
  Network net("invariant");
  const Value w = net.input("w", DType::kF32, {40, 40});
  const Value h = net.input("h", DType::kF32, {3, 40});
  const Value x = net.input("x", DType::kF32, {3, 4, 40});
  const Values out = net.loop("loop", Values{h}, Values{x}, 1, 0, [&](LoopBody& body) {
    const Value next = net.tanh(net.add(net.linear(body.carried(0), w), body.scanned(0)));
    body.next(0, next);
    body.emit(net.where(net.binary(Binary::kGreater, next, net.scalar(0.0f)), next, h));
  });
  net.output("y", out[1]);
  const ir::Node node = loop_of(net);
  expect_like_reference(node, random_inputs(node, {{3, 40}, {3, 4, 40}, {40, 40}, {3, 40}}, 2),
                        kTolerance);
}

TEST(LoopBodies, PassesChangeNothingButTheForm) {
  DecoderSizes sizes{.batch = 2,
                     .memory_steps = 40,
                     .encoder = 32,
                     .attention = 48,
                     .attention_lstm = 64,
                     .decoder_lstm = 48,
                     .prenet = 32,
                     .mel = 20,
                     .filters = 8,
                     .taps = 9,
                     .trip_limit = 6,
                     .stop_bias = -9};
  const ir::Node node = optimized_loop_of(decoder_network(sizes));
  bool fused = false;
  for (const ir::Node& n : node.body->nodes) fused = fused || n.op == ir::OpKind::kPointwise;
  EXPECT_TRUE(fused);
  expect_like_reference(node, decoder_inputs(sizes, node, 3), 2e-5);
}

TEST(LoopBodies, NestedLoopsAreRefused) {
  ir::Node node = sampling_loop();
  ir::Node inner;
  inner.op = ir::OpKind::kLoop;
  node.body->nodes.push_back(std::move(inner));
  NodeView view;
  view.node = &node;
  const char* reason = cpu::kLoopProgram.refuse(view);
  ASSERT_NE(reason, nullptr);
  EXPECT_NE(std::string(reason).find("loop"), std::string::npos);
}

TEST(LoopBodies, SmallerExtentsNeverNeedMoreWorkspace) {
  DecoderSizes sizes{.memory_steps = 20, .attention_lstm = 48, .decoder_lstm = 48, .stop_bias = -9};
  for (const int threads : {1, 2, 5}) {
    std::size_t last = 0;
    for (sizes.batch = 1; sizes.batch < 12; ++sizes.batch) {
      const ir::Node node = decoder_loop(sizes);
      LoopRunner runner(node, decoder_inputs(sizes, node, 3), threads, Isa::kPortable);
      ASSERT_TRUE(runner.prepare().ok());
      EXPECT_GE(runner.workspace_bytes(), last);
      last = runner.workspace_bytes();
    }
  }
}

TEST(LoopBodies, RunningAllocatesNothing) {
  const DecoderSizes sizes;
  for (const bool int8 : {false, true}) {
    ir::Node node = optimized_loop_of(decoder_network(sizes));
    if (int8) quantize_linears(*node.body);
    for (const int threads : {1, 2}) {
      LoopRunner runner(node, decoder_inputs(sizes, node, 3), threads, detect_isa());
      ASSERT_TRUE(runner.prepare().ok());
      ASSERT_TRUE(runner.run().ok());
      const long before = allocations();
      ASSERT_TRUE(runner.run().ok());
      EXPECT_EQ(allocations(), before);
    }
  }
}

}  // namespace
}  // namespace antiphon::test
