// Products with a sum of a loop's memory are made of the memory's rows, before the loop; what the
// last step leaves out; layers of constants.
#include <array>

#include "engine/ir/last_step.h"
#include "tests/unit/engine/passes/pass_fixture.h"

namespace antiphon::test {
namespace {

using passes::fold_layers;
using passes::fuse_bias;
using passes::hoist_contexts;
using passes::mark_unread;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// Attention over a memory of `rows` rows as wide as the context: 1024 outputs of a layer meet 1.2
// MB of weights there.
class Contexts : public PassTest {
 protected:
  static constexpr int kHidden = 4, kWidth = 300, kGates = 1024, kSteps = 4;

  // A loop that carries h, and c of `carried` columns.
  template <typename F>
  void loop(int rows, int carried, bool stop, F step) {
    const Value memory = net_.input("memory", DType::kF32, {1, rows, kWidth});
    const std::array<Value, 2> first = {net_.input("h", DType::kF32, {1, kHidden}),
                                        net_.input("c", DType::kF32, {1, carried})};
    const auto out = net_.loop("l", first, {}, 0, kSteps, [&](LoopBody& body) {
      const Value scores = net_.linear(body.carried(0), weights("s", {rows, kHidden}));
      const Value sum = net_.matmul(net_.reshape(net_.softmax(scores), {1, 1, rows}), memory);
      const Value h = step(body, net_.reshape(sum, {1, kWidth}));
      body.next(0, h);
      body.emit(h);
      if (stop) body.stop(net_.reduce(Reduce::kMax, net_.reduce(Reduce::kMax, h, 1), 0, true));
    });
    net_.output("y", out[2]);
  }
  Value narrowed(Value gates) { return net_.tanh(net_.slice(gates, 1, 0, kHidden)); }
};

TEST_F(Contexts, AJoinedContextIsASumOfProducts) {
  loop(6, 2, false, [&](LoopBody& body, Value context) {
    const Value x = net_.concat({body.carried(0), context, body.carried(1)}, 1);
    body.next(1, net_.sigmoid(body.carried(1)));
    return narrowed(
        net_.linear(x, weights("w", {kGates, kHidden + kWidth + 2}), weights("b", {kGates})));
  });
  EXPECT_THAT(nodes_text(net_.graph()),
              HasSubstr("      %matmul_0: f32[1, 1, 300] = matmul(%reshape_0, %memory)\n"
                        "      %reshape_1: f32[1, 300] = reshape(%matmul_0) {dims=[1, 300]}\n"
                        "      %concat_0: f32[1, 306] = concat(%carried_0, %reshape_1, %carried_1) "
                        "{axis=1}\n"));
  const std::string text = nodes_text(after({fuse_bias, hoist_contexts}));
  EXPECT_THAT(text, HasSubstr("  %l_0.linear_1_0: f32[1, 6, 1024] = linear(%memory, %w.context)\n"
                              "  %l_0.0: f32[1, 4], %l_0.1: f32[1, 2], %l_0.2: f32[4, 1, 4] = "
                              "loop(%h, %c, %l_0.linear_1_0)"));
  EXPECT_THAT(text,
              HasSubstr("      %matmul_0.products_0: f32[1, 1, 1024] = matmul(%reshape_0, "
                        "%l_0.linear_1_0)\n"
                        "      %reshape_1.products_0: f32[1, 1024] = reshape(%matmul_0.products_0) "
                        "{dims=[1, 1024]}\n"
                        "      %join_rest_0: f32[1, 6] = concat(%carried_0, %carried_1) {axis=1}\n"
                        "      %linear_1: f32[1, 1024] = linear(%join_rest_0, %w.rest, -, %b, "
                        "%reshape_1.products_0)\n"));
  EXPECT_THAT(text, Not(HasSubstr("%memory)\n      ")));
}

TEST_F(Contexts, AContextAloneLeavesNoLayer) {
  loop(6, 2, false, [&](LoopBody& body, Value context) {
    const Value gates =
        net_.linear(context, weights("w", {kGates, kWidth}), weights("b", {kGates}));
    const Value more = net_.linear(context, weights("v", {kGates, kWidth}));
    body.next(1, net_.slice(more, 1, 7, 9));
    return narrowed(gates);
  });
  const ir::Graph graph = after({fuse_bias, hoist_contexts});
  EXPECT_THAT(nodes_text(graph), HasSubstr("binary(%reshape_1.products_0, %b) {op=add}\n"));
  EXPECT_THAT(nodes_text(graph), Not(HasSubstr("300] = matmul")));
  int layers = 0;
  for (const ir::Node& node : graph.nodes.back().body->nodes)
    layers += node.op == ir::OpKind::kLinear ? 1 : 0;
  EXPECT_EQ(layers, 1);  // the scores
}

// GNMT: the next step's first cell reads this step's context.
TEST_F(Contexts, OfACarriedJoinTheProductIsCarried) {
  loop(6, kHidden + kWidth, false, [&](LoopBody& body, Value context) {
    const Value gates = net_.linear(body.carried(1), weights("w", {kGates, kHidden + kWidth}),
                                    weights("b", {kGates}));
    const Value h = narrowed(gates);
    body.next(1, net_.concat({h, context}, 1));
    return h;
  });
  const std::string text = nodes_text(after({fuse_bias, hoist_contexts}));
  EXPECT_THAT(text, HasSubstr("  %l_0.linear_1_0: f32[1, 1024] = linear(%c, %w, -, %b)\n"));
  EXPECT_THAT(text, HasSubstr(" = loop(%h, %l_0.linear_1_0, %l_0.linear_1_1)"));
  EXPECT_THAT(text, HasSubstr("= slice(%carried_1) {axis=1, begin=0, end=4}\n"));
  EXPECT_THAT(text, HasSubstr("= linear(%tanh_0, %w.rest, -, %b, %reshape_1.products_0)\n"));
}

// A decoder as it is mostly written: a step begins with the context of the one before.
TEST_F(Contexts, ASumThatTheNextStepJoinsIsCarried) {
  loop(6, kWidth, false, [&](LoopBody& body, Value context) {
    const Value x = net_.concat({body.carried(0), body.carried(1)}, 1);
    body.next(1, context);
    return narrowed(
        net_.linear(x, weights("w", {kGates, kHidden + kWidth}), weights("b", {kGates})));
  });
  const std::string text = nodes_text(after({fuse_bias, hoist_contexts}));
  EXPECT_THAT(text, HasSubstr("  %l_0.linear_1_0: f32[1, 6, 1024] = linear(%memory, %w.context)\n"
                              "  %l_0.linear_1_1: f32[1, 1024] = linear(%c, %w.context)\n"));
  EXPECT_THAT(text, HasSubstr(" = loop(%h, %c, %l_0.linear_1_1, %memory, %l_0.linear_1_0)"));
  EXPECT_THAT(text, HasSubstr("= linear(%carried_0, %w.rest, -, %b, %l_0.linear_1_1)\n"));
}

TEST_F(Contexts, NarrowLayersStay) {
  loop(6, 2, false, [&](LoopBody& body, Value context) {
    body.next(1, body.carried(1));
    return net_.tanh(net_.linear(context, weights("w", {kHidden, kWidth})));
  });
  after({hoist_contexts}, /*expect_change=*/false);
}

// 30 rows of 300 columns are more products than four steps' weights take.
TEST_F(Contexts, ManyRowsForFewStepsStay) {
  loop(30, 2, false, [&](LoopBody& body, Value context) {
    body.next(1, body.carried(1));
    return narrowed(net_.linear(context, weights("w", {kGates, kWidth})));
  });
  after({hoist_contexts}, /*expect_change=*/false);
}

TEST_F(Contexts, LoopsThatMayStopStay) {
  loop(6, 2, true, [&](LoopBody& body, Value context) {
    body.next(1, body.carried(1));
    return narrowed(net_.linear(context, weights("w", {kGates, kWidth})));
  });
  after({hoist_contexts}, /*expect_change=*/false);
}

// A final state that is read would be another one.
TEST_F(Contexts, ACarriedJoinThatIsReadBehindTheLoopStays) {
  const Value memory = net_.input("memory", DType::kF32, {1, 6, kWidth});
  const std::array<Value, 1> first = {net_.input("c", DType::kF32, {1, kHidden + kWidth})};
  const auto out = net_.loop("l", first, {}, 0, kSteps, [&](LoopBody& body) {
    const Value w = weights("w", {kGates, kHidden + kWidth});
    const Value gates = net_.linear(body.carried(0), w);
    const Value a = net_.reshape(net_.softmax(net_.slice(gates, 1, 0, 6)), {1, 1, 6});
    const Value context = net_.reshape(net_.matmul(a, memory), {1, kWidth});
    body.next(0, net_.concat({narrowed(gates), context}, 1));
  });
  net_.output("last", out[0]);
  after({hoist_contexts}, /*expect_change=*/false);
}

TEST_F(Contexts, UnreadFinalsAreMarked) {
  loop(6, 2, false, [&](LoopBody& body, Value context) {
    const Value h = narrowed(net_.linear(context, weights("w", {kGates, kWidth})));
    body.next(1, net_.slice(h, 1, 0, 2));
    return h;
  });
  const ir::Graph graph = after({mark_unread});
  const ir::Node& node = graph.nodes.back();
  EXPECT_THAT(node.attrs.ints("unread"), ElementsAre(0, 1));
  const std::vector<bool> made = ir::made_in_last_step(node);
  for (const ir::Node& inner : node.body->nodes)  // the slice alone is not: h is emitted
    EXPECT_EQ(made[static_cast<std::size_t>(inner.outputs[0])], inner.name != "slice_1");
  after({mark_unread, mark_unread});
}

// The query must be made in every step, the part of the next state need not be in the last.
TEST_F(Contexts, SiblingsThatTheLastStepLeavesOutStayApart) {
  const std::array<Value, 1> first = {net_.input("h", DType::kF32, {1, kHidden})};
  const auto out = net_.loop("l", first, {}, 0, kSteps, [&](LoopBody& body) {
    const Value query = net_.linear(body.carried(0), weights("q", {3, kHidden}));
    const Value key = net_.linear(body.carried(0), weights("k", {3, kHidden}));
    body.next(0, net_.tanh(net_.linear(body.carried(0), weights("w", {kHidden, kHidden}))));
    body.emit(net_.mul(query, key));
  });
  net_.output("y", out[1]);
  ir::Graph graph = net_.graph().clone();
  ASSERT_TRUE(mark_unread(graph).ok());
  ASSERT_TRUE(passes::fuse_siblings(graph).ok());
  ASSERT_TRUE(ir::verify(graph).ok());
  expect_equal(graph);
  EXPECT_THAT(nodes_text(graph), HasSubstr("f32[1, 6] = linear(%carried_0, %siblings_0.w)\n"));
  EXPECT_THAT(nodes_text(graph), HasSubstr("= linear(%carried_0, %w)\n"));
}

TEST_F(Contexts, LayersOfConstantsAreEvaluated) {
  const Value x = net_.input("x", DType::kF32, {"B", 5});
  const Value first = net_.linear(weights("zero", {1, 3}), weights("w", {7, 3}), weights("b", {7}));
  const Value h = net_.concat({net_.relu(first), net_.sigmoid(net_.tanh(first))}, 1);
  net_.output("y", net_.add(x, net_.linear(h, weights("v", {5, 14}))));
  EXPECT_EQ(nodes_text(after({fuse_bias, fold_layers})),
            "  %add_0: f32[B, 5] = binary(%x, %linear_1) {op=add}\n");
  after({passes::fold_constants}, /*expect_change=*/false);
}

TEST_F(Contexts, LayersOfBytesStay) {
  const Value x = weights("x", {2, 4});
  const Value y = net_.linear(x, int8_weights("w", 3, 4));
  net_.output("y", net_.linear(y, weights("v", {5, 3})));
  after({passes::fold_dequantize}, /*expect_change=*/true);
  ir::Graph graph = net_.graph().clone();
  ASSERT_TRUE(passes::fold_dequantize(graph).ok());
  const auto changed = fold_layers(graph);
  ASSERT_TRUE(changed.ok());
  EXPECT_FALSE(*changed) << ir::to_text(graph);
}

}  // namespace
}  // namespace antiphon::test
