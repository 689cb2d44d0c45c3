// Products of a loop's sequences go before it; what stays reads the carried values alone.
#include <array>

#include "tests/unit/engine/passes/pass_fixture.h"

namespace antiphon::test {
namespace {

using passes::fuse_bias;
using passes::hoist_products;
using testing::HasSubstr;
using testing::Not;

class Hoist : public PassTest {
 protected:
  // A loop over x [T, B, 6] that carries h [B, width]; `step` gives the next h.
  template <typename F>
  void loop(int width, F step) {
    const Value x = net_.input("x", DType::kF32, {"T", "B", 6});
    const std::array<Value, 1> carried = {net_.state("h", {"B", width})}, scanned = {x};
    const auto out = net_.loop("l", carried, scanned, 0, 0, [&](LoopBody& body) {
      const Value next = step(body);
      body.next(0, next);
      body.emit(next);
    });
    net_.update(carried[0], out[0]);
    net_.output("y", out[1]);
  }
};

TEST_F(Hoist, AStepsProductIsMadeForAllSteps) {
  loop(4, [&](LoopBody& body) {
    const Value p = net_.linear(body.scanned(0), weights("w", {4, 6}), weights("b", {4}));
    return net_.tanh(net_.add(p, net_.linear(body.carried(0), weights("r", {4, 4}))));
  });
  EXPECT_EQ(nodes_text(after({fuse_bias, hoist_products})),
            "  %l_0.linear_0_0: f32[T, B, 4] = linear(%x, %w, -, %b)\n"
            "  %l_0.0: f32[B, 4], %l_0.1: f32[T, B, 4] = loop(%h, %l_0.linear_0_0) "
            "{has_stop=0, num_carried=1, num_emitted=1, num_scanned=1, scan_axis=0, "
            "trip_limit=0}\n"
            "      %linear_1: f32[B, 4] = linear(%carried_0, %r)\n"
            "      %add_0: f32[B, 4] = binary(%l_0.linear_0_0, %linear_1) {op=add}\n"
            "      %tanh_0: f32[B, 4] = unary(%add_0) {op=tanh}\n");
}

// What a sampled WaveRNN does: [conditioning, last sample] -> layer -> the GRU's products.
TEST_F(Hoist, AChainBehindAJoinLeavesTheCarriedColumns) {
  loop(2, [&](LoopBody& body) {
    const Value x = net_.concat({body.scanned(0), body.carried(0)}, 1);
    const Value into = net_.linear(x, weights("w1", {5, 8}), weights("b1", {5}));
    return net_.tanh(net_.linear(into, weights("w2", {2, 5}), weights("b2", {2})));
  });
  const ir::Graph graph = after({fuse_bias, hoist_products});
  EXPECT_THAT(nodes_text(graph), HasSubstr("f32[T, B, 5] = linear(%x, %w1.step, -, %b1)\n"));
  EXPECT_THAT(nodes_text(graph), HasSubstr(", %w2, -, %b2)\n"));
  const ir::Graph& body = *graph.nodes.back().body;
  ASSERT_EQ(body.nodes.size(), 2u) << ir::to_text(graph);
  EXPECT_THAT(ir::to_text(body), HasSubstr("const %w1.carried: f32[2, 2]"));
  EXPECT_THAT(ir::to_text(body), HasSubstr("linear(%carried_0, %w1.carried, -, -, "));
}

TEST_F(Hoist, TheStepMayComeSecond) {
  loop(3, [&](LoopBody& body) {
    return net_.linear(net_.concat({body.carried(0), body.scanned(0)}, 1), weights("w", {3, 9}));
  });
  EXPECT_THAT(nodes_text(after({hoist_products})), HasSubstr("linear(%x, %w.step)\n"));
}

// A sequence that others read stays; one result that is read twice ends the chain.
TEST_F(Hoist, WhatElseReadsAStepKeepsIt) {
  loop(6, [&](LoopBody& body) {
    const Value p = net_.linear(body.scanned(0), weights("w", {6, 6}));
    const Value q = net_.linear(p, weights("v", {6, 6}));
    return net_.add(net_.add(p, q), net_.add(body.scanned(0), body.carried(0)));
  });
  const std::string text = nodes_text(after({hoist_products}));
  EXPECT_THAT(text, HasSubstr("num_scanned=3"));  // x, p, and q, which is made of p's sequence
}

TEST_F(Hoist, WideResultsAndLoopsThatStopStay) {
  loop(25, [&](LoopBody& body) {  // more than four times as wide as x
    return net_.add(net_.linear(body.scanned(0), weights("w", {25, 6})), body.carried(0));
  });
  after({hoist_products}, /*expect_change=*/false);
}

TEST_F(Hoist, LoopsThatMayStopStay) {
  loop(4, [&](LoopBody& body) {
    const Value next =
        net_.add(net_.linear(body.scanned(0), weights("w", {4, 6})), body.carried(0));
    body.stop(net_.reduce(Reduce::kMax, net_.reduce(Reduce::kMax, next, 1), 0, true));
    return next;
  });
  after({hoist_products}, /*expect_change=*/false);
}

TEST_F(Hoist, ActivationsBetweenEndTheChain) {
  loop(4, [&](LoopBody& body) {
    const Value p = net_.relu(net_.linear(body.scanned(0), weights("w", {5, 6})));
    return net_.add(net_.linear(p, weights("v", {4, 5})), body.carried(0));
  });
  const std::string text = nodes_text(after({hoist_products}));
  EXPECT_THAT(text, HasSubstr("linear(%x, %w)\n"));
  EXPECT_THAT(text, HasSubstr("      %linear_1: f32[B, 4] = linear(%relu_0, %v)\n"));
}

}  // namespace
}  // namespace antiphon::test
