// Linears whose rows were merged for them: before and after, and equal numbers.
#include "tests/unit/engine/passes/pass_fixture.h"

namespace antiphon::test {
namespace {

using namespace passes;

using Unmerge = PassTest;

TEST_F(Unmerge, LinearReadsRowsAsTheyWere) {
  const Value x = net_.input("x", DType::kF32, {2, 3, 4});
  const Value y = net_.linear(net_.reshape(x, {6, 4}), weights("w", {8, 4}), weights("b", {8}));
  net_.output("y", net_.gelu(net_.reshape(y, {2, 3, 8})));
  net_.output("by_head", net_.reshape(y, {2, 3, 4, 2}));
  EXPECT_EQ(nodes_text(after({unmerge_rows, eliminate_identity, eliminate_dead})),
            "  %linear_0: f32[2, 3, 8] = linear(%x, %w, -, %b)\n"
            "  %gelu_0: f32[2, 3, 8] = unary(%linear_0) {op=gelu}\n"
            "  %reshape_2: f32[2, 3, 4, 2] = reshape(%linear_0) {dims=[2, 3, 4, 2]}\n");
}

// Kept axes and what is left are numbers afterwards.
TEST_F(Unmerge, ReshapesSayTheirExtents) {
  const Value x = net_.input("x", DType::kF32, {2, 3, 4});
  const Value y = net_.linear(net_.reshape(x, {-1, 4}), weights("w", {8, 4}));
  net_.output("y", net_.reshape(y, {0, 2, -1}));
  EXPECT_EQ(nodes_text(after({unmerge_rows, eliminate_dead})),
            "  %linear_0: f32[2, 3, 8] = linear(%x, %w)\n"
            "  %reshape_1: f32[6, 2, 4] = reshape(%linear_0) {dims=[6, 2, 4]}\n");
}

// What attention hears goes by head to the rows of the next layer.
TEST_F(Unmerge, RowsBecomeWhatTheReaderMakesOfThem) {
  const Value x = net_.input("x", DType::kF32, {2, 3, 2, 4});
  const Value y = net_.linear(net_.reshape(x, {6, 8}), weights("w", {5, 8}));
  net_.output("y", net_.relu(net_.reshape(y, {2, 3, 5})));
  EXPECT_EQ(nodes_text(after({unmerge_rows, eliminate_identity, eliminate_dead})),
            "  %rows_0: f32[2, 3, 8] = reshape(%x) {dims=[2, 3, 8]}\n"
            "  %linear_0: f32[2, 3, 5] = linear(%rows_0, %w)\n"
            "  %relu_0: f32[2, 3, 5] = unary(%linear_0) {op=relu}\n");
}

TEST_F(Unmerge, OpenExtentsComeBack) {
  const Value x = net_.input("x", DType::kF32, {"B", 3, 4});
  const Value y = net_.linear(net_.reshape(x, {-1, 4}), weights("w", {8, 4}), weights("b", {8}));
  net_.output("y", net_.relu(net_.reshape(y, {-1, 3, 8})));
  EXPECT_EQ(nodes_text(after({unmerge_rows, eliminate_identity, eliminate_dead})),
            "  %linear_0: f32[B, 3, 8] = linear(%x, %w, -, %b)\n"
            "  %relu_0: f32[B, 3, 8] = unary(%linear_0) {op=relu}\n");
}

TEST_F(Unmerge, WhatOthersReadStays) {
  const Value x = net_.input("x", DType::kF32, {2, 3, 4});
  const Value y = net_.linear(net_.reshape(x, {6, 4}), weights("w", {8, 4}));
  net_.output("y", net_.reshape(y, {2, 3, 8}));
  net_.output("flat", y);
  after({unmerge_rows}, false);
}

TEST_F(Unmerge, OtherReshapesStay) {
  const Value x = net_.input("x", DType::kF32, {2, 3, 4}),
              open = net_.input("o", DType::kF32, {"B", 4, 4});
  const Value a = net_.linear(net_.reshape(x, {3, 8}), weights("w", {8, 8}));
  const Value b = net_.linear(net_.reshape(open, {-1, 4}), weights("v", {8, 4}));
  net_.output("a", net_.reshape(a, {2, 3, 4}));
  net_.output("b", net_.reshape(b, {-1, 2, 8}));
  after({unmerge_rows}, false);
}

}  // namespace
}  // namespace antiphon::test
