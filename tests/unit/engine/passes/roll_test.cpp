// Unrolled recurrences: which become loops, with which results; and concats of slices.
#include <utility>

#include "tests/unit/engine/passes/pass_fixture.h"

namespace antiphon::test {
namespace {

using ir::OpKind;
using testing::ElementsAre;
using testing::HasSubstr;

class Roll : public PassTest {
 protected:
  static constexpr int kSteps = 6, kWidth = 3;

  void SetUp() override {
    x_ = net_.input("x", DType::kF32, {2, kSteps, kWidth});
    w_x_ = weights("w_x", {kWidth, kWidth});
    w_h_ = weights("w_h", {kWidth, kWidth});
    h0_ = net_.constant("h0", {DType::kF32, {2, kWidth}, zeros_});
  }
  Value step_of(int t) { return net_.reshape(net_.slice(x_, 1, t, t + 1), {2, kWidth}); }
  Value cell(Value x, Value h) {
    return net_.tanh(net_.add(net_.linear(x, w_x_), net_.linear(h, w_h_)));
  }
  Value stacked(const std::vector<Value>& steps) {
    std::vector<Value> parts;
    for (const Value step : steps) parts.push_back(net_.reshape(step, {2, 1, kWidth}));
    return net_.concat(parts, 1);
  }
  ir::Graph rolled(bool expect_change = true) {
    return after({passes::roll_recurrence, passes::cancel_transposes, passes::join_slices,
                  passes::eliminate_dead, passes::eliminate_identity},
                 expect_change);
  }
  static std::vector<std::string> ops_of(const ir::Graph& graph) {
    std::vector<std::string> ops;
    for (const ir::Node& node : graph.nodes) ops.emplace_back(ir::op_name(node.op));
    return ops;
  }
  static const ir::Node* loop_of(const ir::Graph& graph) {
    for (const ir::Node& node : graph.nodes)
      if (node.op == OpKind::kLoop) return &node;
    return nullptr;
  }

  const float zeros_[2 * kWidth] = {};
  Value x_, w_x_, w_h_, h0_;
};

TEST_F(Roll, StepsOfASequenceAreScannedAndTheStackIsEmitted) {
  Value h = h0_;
  std::vector<Value> steps;
  for (int t = 0; t < kSteps; ++t) steps.push_back(h = cell(step_of(t), h));
  net_.output("y", stacked(steps));
  net_.output("last", h);
  const ir::Graph graph = rolled();
  EXPECT_THAT(ops_of(graph), ElementsAre("transpose", "loop", "slice", "reshape", "transpose"))
      << ir::to_text(graph);
  const ir::Node& loop = *loop_of(graph);
  EXPECT_EQ(loop.attrs.i("trip_limit"), kSteps);
  EXPECT_EQ(loop.attrs.i("num_carried"), 1);
  EXPECT_EQ(loop.attrs.i("num_scanned"), 1);
  EXPECT_EQ(loop.attrs.i("num_emitted"), 1);
}

TEST_F(Roll, SlicesBeforeThePeriodsAreScannedToo) {
  std::vector<Value> slices;
  for (int t = 0; t < kSteps; ++t) slices.push_back(net_.slice(x_, 1, t, t + 1));
  Value h = h0_;
  for (const Value slice : slices) h = cell(net_.reshape(slice, {2, kWidth}), h);
  net_.output("last", h);
  const ir::Graph graph = rolled();
  EXPECT_THAT(ops_of(graph), ElementsAre("transpose", "loop")) << ir::to_text(graph);
}

// A first step that is written otherwise, as constants are folded into it, stays outside.
TEST_F(Roll, AnIrregularFirstStepStaysOutside) {
  Value h = net_.tanh(net_.linear(step_of(0), w_x_));
  std::vector<Value> steps = {h};
  for (int t = 1; t < kSteps; ++t) steps.push_back(h = cell(step_of(t), h));
  net_.output("y", stacked(steps));
  const ir::Graph graph = rolled();
  ASSERT_NE(loop_of(graph), nullptr);
  EXPECT_EQ(loop_of(graph)->attrs.i("trip_limit"), kSteps - 1) << ir::to_text(graph);
  EXPECT_EQ(ops_of(graph).back(), "concat");
}

// What every period reads alike is read from outside; several values are carried.
TEST_F(Roll, TwoLayersWithAnInvariant) {
  const Value bias = net_.input("bias", DType::kF32, {kWidth});
  const Value w = weights("w_second", {kWidth, kWidth});
  Value a = h0_, b = net_.input("b0", DType::kF32, {2, kWidth});
  for (int t = 0; t < kSteps; ++t) {
    a = cell(step_of(t), a);
    b = net_.sigmoid(net_.add(net_.add(net_.linear(a, w), b), bias));
  }
  net_.output("a", a);
  net_.output("b", b);
  const ir::Graph graph = rolled();
  ASSERT_NE(loop_of(graph), nullptr) << ir::to_text(graph);
  EXPECT_EQ(loop_of(graph)->attrs.i("num_carried"), 2);
  EXPECT_EQ(loop_of(graph)->attrs.i("trip_limit"), kSteps);
}

// The last step lacks what no later one reads; the loop makes it all the same.
TEST_F(Roll, ALastStepThatEndsEarlyIsAWholePeriod) {
  const Value w_y = weights("w_y", {kWidth, kWidth});
  Value h = h0_, y = h0_;
  std::vector<Value> steps;
  for (int t = 0; t < kSteps; ++t) {
    h = cell(step_of(t), net_.add(h, y));
    steps.push_back(h);
    if (t + 1 < kSteps) y = net_.sigmoid(net_.linear(h, w_y));
  }
  net_.output("y", stacked(steps));
  net_.output("before_last", y);
  const ir::Graph graph = rolled();
  ASSERT_NE(loop_of(graph), nullptr) << ir::to_text(graph);
  EXPECT_EQ(loop_of(graph)->attrs.i("trip_limit"), kSteps) << ir::to_text(graph);
  for (const ir::Node& node : graph.nodes) EXPECT_NE(node.op, OpKind::kLinear) << node.name;
}

// The same where what is lacking lies in the middle.
TEST_F(Roll, ALastStepMayLackNodesInItsMiddle) {
  const Value w_y = weights("w_y", {kWidth, kWidth});
  Value h = h0_, total = net_.input("t0", DType::kF32, {2, kWidth});
  std::vector<Value> steps;
  for (int t = 0; t < kSteps; ++t) {
    h = cell(step_of(t), net_.add(h, total));
    if (t + 1 < kSteps) total = net_.add(total, h);
    steps.push_back(net_.linear(net_.sigmoid(h), w_y));
  }
  net_.output("y", stacked(steps));
  const ir::Graph graph = rolled();
  ASSERT_NE(loop_of(graph), nullptr) << ir::to_text(graph);
  EXPECT_EQ(loop_of(graph)->attrs.i("trip_limit"), kSteps) << ir::to_text(graph);
  for (const ir::Node& node : graph.nodes) EXPECT_NE(node.op, OpKind::kLinear) << node.name;
}

// Its last part would read a step that the sequence does not have.
TEST_F(Roll, ALastStepWithoutItsStepOfTheSequenceStaysOutside) {
  Value h = h0_, y = h0_;
  for (int t = 0; t < kSteps; ++t) {
    h = net_.tanh(net_.add(net_.linear(h, w_h_), y));
    if (t + 1 < kSteps) y = net_.sigmoid(net_.linear(step_of(t + 1), w_x_));
  }
  net_.output("last", h);
  const ir::Graph graph = rolled();
  ASSERT_NE(loop_of(graph), nullptr) << ir::to_text(graph);
  EXPECT_EQ(loop_of(graph)->attrs.i("trip_limit"), kSteps - 1) << ir::to_text(graph);
}

TEST_F(Roll, AllPassesKeepTheNumbers) {
  Value h = h0_;
  std::vector<Value> steps;
  for (int t = 0; t < kSteps; ++t) steps.push_back(h = cell(step_of(t), h));
  net_.output("y", stacked(steps));
  std::vector<Run> all;
  for (const passes::Pass& pass : passes::all_passes()) all.push_back(pass.run);
  const ir::Graph graph = after(all);
  EXPECT_THAT(nodes_text(graph), HasSubstr("loop("));
}

TEST_F(Roll, OtherWeightsEachTimeAreLayers) {
  Value h = h0_;
  for (int t = 0; t < kSteps; ++t) {
    const std::string name = std::string("w").append(std::to_string(t));
    h = net_.tanh(net_.linear(h, weights(name.c_str(), {kWidth, kWidth})));
  }
  net_.output("y", h);
  rolled(/*expect_change=*/false);
}

TEST_F(Roll, TwoPeriodsAreTooFew) {
  Value h = h0_;
  for (int t = 0; t < 2; ++t) h = cell(step_of(t), h);
  net_.output("y", h);
  EXPECT_EQ(loop_of(rolled(/*expect_change=*/false)), nullptr);
}

// What is made of the value before last is carried in its place.
TEST_F(Roll, WhatReachesTwoStepsBackIsCarriedAsWhatIsMadeOfIt) {
  Value before = h0_, h = net_.input("h1", DType::kF32, {2, kWidth});
  for (int t = 0; t < kSteps; ++t) {
    const Value next = cell(net_.tanh(before), h);
    before = std::exchange(h, next);
  }
  net_.output("y", h);
  const ir::Graph graph = rolled();
  ASSERT_NE(loop_of(graph), nullptr) << ir::to_text(graph);
  EXPECT_EQ(loop_of(graph)->attrs.i("trip_limit"), kSteps);
}

TEST_F(Roll, StepsInAnotherOrderStay) {
  Value h = h0_;
  for (const int t : {0, 2, 1, 5, 3, 4}) h = cell(step_of(t), h);
  net_.output("y", h);
  ir::Graph graph = net_.graph().clone();
  ASSERT_TRUE(passes::roll_recurrence(graph).ok());
  expect_equal(graph);
}

// What does not depend on the step before may be computed side by side.
TEST_F(Roll, IndependentBranchesStay) {
  std::vector<Value> ys;
  for (int t = 0; t < kSteps; ++t) ys.push_back(net_.tanh(net_.linear(step_of(t), w_x_)));
  net_.output("y", stacked(ys));
  ir::Graph graph = net_.graph().clone();
  ASSERT_TRUE(passes::roll_recurrence(graph).ok());
  EXPECT_EQ(loop_of(graph), nullptr);
}

TEST_F(Roll, SlicesThatFollowEachOtherAreJoined) {
  const Value x = net_.input("z", DType::kF32, {5, 2, 4});
  std::vector<Value> parts;
  for (int t = 1; t < 5; ++t) parts.push_back(net_.reshape(net_.slice(x, 0, t, t + 1), {2, 1, 4}));
  net_.output("y", net_.concat(parts, 1));
  const ir::Graph graph =
      after({passes::join_slices, passes::eliminate_dead, passes::eliminate_identity});
  EXPECT_THAT(ops_of(graph), ElementsAre("slice", "transpose")) << ir::to_text(graph);
}

TEST_F(Roll, SlicesOutOfOrderAreNotJoined) {
  const Value x = net_.input("z", DType::kF32, {5, 2, 4});
  std::vector<Value> parts;
  for (const int t : {3, 2, 0}) parts.push_back(net_.slice(x, 0, t, t + 1));
  net_.output("y", net_.concat(parts, 0));
  after({passes::join_slices}, /*expect_change=*/false);
}

TEST_F(Roll, LargeConstantsThatAreEqualAreOne) {
  std::vector<float> numbers(5000, 0.5f), other(5000, 0.5f);
  other[2501] = 0.25f;  // between the samples that are compared first
  const auto matrix = [&](const char* name, const std::vector<float>& data) {
    return net_.constant(name, {DType::kF32, {1000, 5}, data.data()});
  };
  const Value x = net_.input("v", DType::kF32, {2, 5});
  net_.output("a", net_.linear(x, matrix("w1", numbers)));
  net_.output("b", net_.linear(x, matrix("w2", numbers)));
  net_.output("c", net_.linear(x, matrix("w3", other)));
  const ir::Graph graph = after({passes::eliminate_common});
  EXPECT_EQ(graph.nodes.size(), 2u) << nodes_text(graph);
}

}  // namespace
}  // namespace antiphon::test
