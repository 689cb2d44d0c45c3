// Passes that fold, eliminate and cancel: the graph before and after, and equal numbers.
#include <array>
#include <limits>

#include "tests/unit/engine/passes/pass_fixture.h"

namespace antiphon::test {
namespace {

using namespace passes;
using testing::HasSubstr;
using testing::Not;

constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();

using Fold = PassTest;

TEST_F(Fold, DeadNodesGo) {
  const Value x = net_.input("x", DType::kF32, {"B", 4});
  net_.tanh(net_.relu(x));
  net_.output("y", net_.exp(x));
  EXPECT_EQ(nodes_text(net_.graph()),
            "  %relu_0: f32[B, 4] = unary(%x) {op=relu}\n"
            "  %tanh_0: f32[B, 4] = unary(%relu_0) {op=tanh}\n"
            "  %exp_0: f32[B, 4] = unary(%x) {op=exp}\n");
  EXPECT_EQ(nodes_text(after({eliminate_dead})), "  %exp_0: f32[B, 4] = unary(%x) {op=exp}\n");
}

TEST_F(Fold, UnreadInvariantsGo) {
  const Value x = net_.input("x", DType::kF32, {"B", 4}),
              m = net_.input("m", DType::kF32, {"B", 4});
  const std::array<Value, 1> carried = {x};
  const auto out = net_.loop("l", carried, std::array<Value, 0>{}, 0, 2, [&](LoopBody& body) {
    net_.add(m, body.carried(0));
    body.next(0, net_.relu(body.carried(0)));
  });
  net_.output("y", out[0]);
  EXPECT_THAT(ir::to_text(net_.graph()), HasSubstr("loop(%x, %m)"));
  EXPECT_THAT(ir::to_text(after({eliminate_dead, eliminate_dead})), Not(HasSubstr("loop(%x, %m)")));
}

TEST_F(Fold, IdentitiesGo) {
  const Value x = net_.input("x", DType::kF32, {"B", 4});
  Value y = net_.add(net_.mul(x, net_.scalar(1)), net_.scalar(0));
  y = net_.slice(net_.reshape(y, {0, 4}), 1, 0, kEnd);
  y = net_.pad(net_.repeat(net_.transpose(y, {0, 1}), 1, 0), 1, 0, 0);
  net_.output("y", net_.relu(net_.cast(net_.concat({y}, 0), DType::kF32)));
  EXPECT_EQ(nodes_text(after({eliminate_identity})),
            "  %relu_0: f32[B, 4] = unary(%x) {op=relu}\n");
}

// A causal mask of extents that are numbers, in whole numbers of both widths.
TEST_F(Fold, MasksOfPositionsBecomeConstants) {
  const Value x = net_.input("x", DType::kF32, {"B", 3, 3});
  const std::array<std::int64_t, 3> wide = {0, 1, 2};
  const std::array<std::int32_t, 3> narrow = {0, 1, 2};
  const std::array<char, 1> yes = {1};
  const Value later =
      net_.binary(Binary::kGreater, net_.constant("key", {DType::kI64, {1, 3}, wide.data()}),
                  net_.constant("query", {DType::kI64, {3, 1}, wide.data()}));
  const Value same =
      net_.binary(Binary::kEqual, net_.constant("k", {DType::kI32, {1, 3}, narrow.data()}),
                  net_.constant("q", {DType::kI32, {3, 1}, narrow.data()}));
  const Value taken = net_.binary(Binary::kAnd, net_.binary(Binary::kOr, later, same),
                                  net_.constant("yes", {DType::kBool, {}, yes.data()}));
  net_.output("y", net_.add(x, net_.where(taken, net_.scalar(-1), net_.scalar(0))));
  EXPECT_EQ(after({fold_constants}).nodes.size(), 1u);
}

TEST_F(Fold, NeutralTruthsGo) {
  const Value x = net_.input("x", DType::kF32, {"B", 4});
  const std::array<char, 2> truths = {1, 0};
  const Value yes = net_.constant("yes", {DType::kBool, {}, truths.data()}),
              no = net_.constant("no", {DType::kBool, {}, truths.data() + 1});
  const Value above = net_.binary(Binary::kGreater, x, net_.scalar(0));
  const Value both = net_.binary(Binary::kOr, no, net_.binary(Binary::kAnd, above, yes));
  net_.output("y", net_.where(both, x, net_.scalar(0)));
  EXPECT_EQ(nodes_text(after({eliminate_identity})),
            "  %greater_0: bool[B, 4] = binary(%x, %scalar_0) {op=greater}\n"
            "  %where_0: f32[B, 4] = where(%greater_0, %x, %scalar_1)\n");
  net_.output("z", net_.binary(Binary::kAnd, above, no));
  EXPECT_THAT(nodes_text(after({eliminate_identity})), HasSubstr("{op=and}"));
}

TEST_F(Fold, IdentityThatBroadcastsStays) {
  const Value x = net_.input("x", DType::kF32, {4});
  const float one = 1;
  net_.output("y", net_.mul(x, net_.constant("one", {DType::kF32, {1, 1}, &one})));
  after({eliminate_identity}, /*expect_change=*/false);
}

TEST_F(Fold, CommonNodesMerge) {
  const Value x = net_.input("x", DType::kF32, {"B", 4});
  net_.output("y", net_.mul(net_.add(net_.relu(x), net_.scalar(2)),
                            net_.add(net_.relu(x), net_.scalar(2))));
  EXPECT_EQ(nodes_text(after({eliminate_common})),
            "  %relu_0: f32[B, 4] = unary(%x) {op=relu}\n"
            "  %add_0: f32[B, 4] = binary(%relu_0, %scalar_0) {op=add}\n"
            "  %mul_0: f32[B, 4] = binary(%add_0, %add_0) {op=mul}\n");
}

TEST_F(Fold, ConstantsAreEvaluated) {
  const Value x = net_.input("x", DType::kF32, {"B", 6});
  const Value a = weights("a", {2, 3}), b = weights("b", {3});
  const Value sum = net_.add(net_.mul(a, b), net_.unary(Unary::kNeg, a));
  const Value moved = net_.transpose(net_.concat({sum, net_.slice(sum, 0, -1, kEnd)}, 0), {1, 0});
  net_.output("y", net_.add(x, net_.reshape(net_.slice(moved, 1, 1, 3), {6})));
  EXPECT_EQ(nodes_text(after({fold_constants})),
            "  %add_1: f32[B, 6] = binary(%x, %reshape_0) {op=add}\n");
}

TEST_F(Fold, TransposesAndReshapesCancel) {
  const Value x = net_.input("x", DType::kF32, {"B", 4, "T"});
  net_.output("y", net_.relu(net_.transpose(net_.transpose(x, {0, 2, 1}), {0, 2, 1})));
  net_.output("z", net_.reshape(net_.reshape(x, {0, 2, 2, -1}), {0, -1}));
  EXPECT_EQ(nodes_text(after({cancel_transposes, eliminate_identity, eliminate_dead})),
            "  %relu_0: f32[B, 4, T] = unary(%x) {op=relu}\n"
            "  %reshape_1: f32[B, 4*T] = reshape(%x) {dims=[0, -1]}\n");
}

TEST_F(Fold, SlicesOfConcatReadTheParts) {
  const Value a = net_.input("a", DType::kF32, {"B", 3}),
              b = net_.input("b", DType::kF32, {"B", 5});
  const Value c = net_.input("c", DType::kF32, {"B", "T"});
  const Value all = net_.concat({a, b, c}, 1);
  net_.output("whole", net_.relu(net_.slice(all, 1, 3, 8)));
  net_.output("inside", net_.slice(all, 1, 4, 6));
  net_.output("across", net_.slice(all, 1, 2, 6));
  net_.output("last", net_.slice(net_.concat({c, a, b}, 1), 1, -7, -5));
  EXPECT_EQ(nodes_text(after({cancel_slices, eliminate_identity, eliminate_dead})),
            "  %concat_0: f32[B, T+8] = concat(%a, %b, %c) {axis=1}\n"
            "  %relu_0: f32[B, 5] = unary(%b) {op=relu}\n"
            "  %slice_1: f32[B, 2] = slice(%b) {axis=1, begin=1, end=3}\n"
            "  %slice_2: f32[B, 4] = slice(%concat_0) {axis=1, begin=2, end=6}\n"
            "  %slice_3: f32[B, 2] = slice(%a) {axis=1, begin=1, end=3}\n");
}

TEST_F(Fold, Int8WeightsGoIntoTheirNodes) {
  const Value ids = net_.input("ids", DType::kI32, {"B", "T"});
  const Value x = net_.embedding(ids, int8_weights("table", 3, 4));
  net_.output("y", net_.linear(x, int8_weights("w", 6, 4), weights("b", {6})));
  EXPECT_EQ(nodes_text(after({fold_dequantize, eliminate_dead})),
            "  %embedding_0: f32[B, T, 4] = embedding(%ids, %table, %table.scale)\n"
            "  %linear_0: f32[B, T, 6] = linear(%embedding_0, %w, %w.scale, %b)\n");
  EXPECT_EQ(nodes_text(after({fold_dequantize, eliminate_dead, expand_int8})),
            "  %embedding_0: f32[B, T, 4] = embedding(%ids, %table.f32)\n"
            "  %linear_0: f32[B, T, 6] = linear(%embedding_0, %w.f32, -, %b)\n");
}

TEST_F(Fold, OtherReadersOfInt8GetFloats) {
  const Value x = net_.input("x", DType::kF32, {"B", 4});
  net_.output("y", net_.matmul(x, int8_weights("w", 4, 5)));
  EXPECT_EQ(nodes_text(after({fold_dequantize, expand_dequantize})),
            "  %matmul_0: f32[B, 5] = matmul(%x, %w.f32)\n");
}

}  // namespace
}  // namespace antiphon::test
