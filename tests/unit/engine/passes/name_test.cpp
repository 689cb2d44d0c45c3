// Extents that get names of their own, and what fuses by them: before and after, equal numbers.
#include "tests/unit/engine/passes/pass_fixture.h"

namespace antiphon::test {
namespace {

using namespace passes;

// Sums of S and U steps have as many as the larger.
class NamedExtents : public PassTest {
 protected:
  Value sum_of_two_lengths() {
    return net_.add(net_.input("a", DType::kF32, {"B", "S", 4}),
                    net_.input("b", DType::kF32, {"B", "U", 4}));
  }
};

TEST_F(NamedExtents, GoThroughTheLayersBehind) {
  const Value sum = sum_of_two_lengths();
  net_.output("y", net_.relu(net_.linear(sum, weights("w", {8, 4}))));
  net_.output("z", net_.concat({sum, sum}, 1));
  EXPECT_EQ(nodes_text(after({name_extents})),
            "  %add_0: f32[B, ?1, 4] = binary(%a, %b) {op=add}\n"
            "  %linear_0: f32[B, ?1, 8] = linear(%add_0, %w)\n"
            "  %relu_0: f32[B, ?1, 8] = unary(%linear_0) {op=relu}\n"
            "  %concat_0: f32[B, 2*?1, 4] = concat(%add_0, %add_0) {axis=1}\n");
}

TEST_F(NamedExtents, OfOneRuleAndOneInputAreOne) {
  const Value a = net_.input("a", DType::kF32, {"B", "S", 4});
  const Value b = net_.input("b", DType::kF32, {"B", "U", 4});
  net_.output("sum", net_.add(a, b));
  net_.output("product", net_.mul(b, a));
  net_.output("rows", net_.reshape(a, {-1, 4}));
  net_.output("all", net_.reshape(a, {-1}));
  EXPECT_EQ(nodes_text(after({name_extents})),
            "  %add_0: f32[B, ?1, 4] = binary(%a, %b) {op=add}\n"
            "  %mul_0: f32[B, ?1, 4] = binary(%b, %a) {op=mul}\n"
            "  %reshape_0: f32[?2, 4] = reshape(%a) {dims=[-1, 4]}\n"
            "  %reshape_1: f32[?3] = reshape(%a) {dims=[-1]}\n");
}

TEST_F(NamedExtents, AreForgottenAgain) {
  net_.output("y", net_.relu(sum_of_two_lengths()));
  EXPECT_EQ(nodes_text(after({name_extents, unname_extents})),
            "  %add_0: f32[B, ?, 4] = binary(%a, %b) {op=add}\n"
            "  %relu_0: f32[B, ?, 4] = unary(%add_0) {op=relu}\n");
}

TEST_F(NamedExtents, WhereAllAreKnownNothingChanges) {
  const Value x = net_.input("x", DType::kF32, {"B", 3, 4});
  net_.output("y", net_.relu(net_.reshape(x, {-1, 4})));
  after({name_extents, unname_extents}, false);
}

// Three elements are no pairs, however many steps there are; but of no steps at all they would be.
TEST_F(NamedExtents, WhatCanNeverRunStaysWithout) {
  const Value x = net_.add(net_.input("a", DType::kF32, {"B", "S", 3}),
                           net_.input("b", DType::kF32, {"B", "U", 3}));
  net_.output("y", net_.reshape(net_.relu(x), {0, 0, 2, -1}));
  ir::Graph graph = net_.graph().clone();
  ASSERT_TRUE(ir::verify(graph).ok()) << ir::verify(graph).to_string();
  const std::string before = ir::to_text(graph);
  const auto changed = name_extents(graph);
  ASSERT_TRUE(changed.ok()) << changed.status().to_string();
  EXPECT_FALSE(*changed);
  EXPECT_EQ(ir::to_text(graph), before);
}

// A decoder's positions are counted from the end of its past: the layers take the sums.
TEST_F(NamedExtents, ResidualsJoinTheirLayers) {
  const Value x = sum_of_two_lengths();
  const Value y = net_.relu(net_.linear(x, weights("w", {8, 4}), weights("bias", {8})));
  net_.output("y", net_.add(x, net_.linear(y, weights("v", {4, 8}))));
  EXPECT_EQ(nodes_text(after({name_extents, fuse_epilogue, unname_extents})),
            "  %add_0: f32[B, ?, 4] = binary(%a, %b) {op=add}\n"
            "  %relu_0: f32[B, ?, 8] = linear(%add_0, %w, -, %bias) {act=relu}\n"
            "  %add_1: f32[B, ?, 4] = linear(%relu_0, %v, -, -, %add_0)\n");
}

// The rows of all sequences as one axis, whose length is theirs.
TEST_F(NamedExtents, ResidualsOfMergedRowsToo) {
  const Value rows = net_.reshape(sum_of_two_lengths(), {-1, 4});
  net_.output("y", net_.add(rows, net_.linear(rows, weights("w", {4, 4}))));
  EXPECT_EQ(nodes_text(after({name_extents, fuse_epilogue, unname_extents})),
            "  %add_0: f32[B, ?, 4] = binary(%a, %b) {op=add}\n"
            "  %reshape_0: f32[?, 4] = reshape(%add_0) {dims=[-1, 4]}\n"
            "  %add_1: f32[?, 4] = linear(%reshape_0, %w, -, -, %reshape_0)\n");
}

TEST_F(NamedExtents, PointwiseProgramsMayBeginWithTwoLengths) {
  net_.output("y", net_.relu(sum_of_two_lengths()));
  EXPECT_THAT(nodes_text(after({name_extents, fuse_pointwise, unname_extents})),
              testing::StartsWith("  %relu_0: f32[B, ?, 4] = pointwise(%a, %b)\n"));
}

// S steps are not U, although both are three here.
TEST_F(NamedExtents, OtherLengthsStayApart) {
  const Value x = sum_of_two_lengths(), a = net_.input("c", DType::kF32, {"B", "V", 4});
  net_.output("y", net_.add(a, net_.linear(x, weights("w", {4, 4}))));
  net_.output("z", net_.relu(a));
  after({fuse_epilogue}, false);
  after({name_extents}, true);
  EXPECT_THAT(nodes_text(after({name_extents, fuse_epilogue, unname_extents})),
              testing::HasSubstr("binary(%c, %linear_0) {op=add}"));
}

// One number with more axes than what it is added to gives the result its axes.
TEST_F(NamedExtents, ConstantsOfMoreAxesStayOutOfPrograms) {
  const float one = 1;
  const Value x = net_.input("x", DType::kF32, {3});
  const Value c = net_.constant("c", {DType::kF32, {1, 1}, &one});
  net_.output("y", net_.relu(net_.add(x, c)));
  after({fuse_pointwise}, false);
}

}  // namespace
}  // namespace antiphon::test
