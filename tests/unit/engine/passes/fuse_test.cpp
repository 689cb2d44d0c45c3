// Passes that fuse: the graph before and after, and equal numbers.
#include <array>

#include "tests/unit/engine/passes/pass_fixture.h"

namespace antiphon::test {
namespace {

using namespace passes;
using testing::HasSubstr;
using testing::Not;

using Fuse = PassTest;

TEST_F(Fuse, EpilogueOfLinear) {
  const Value x = net_.input("x", DType::kF32, {"B", "T", 4}),
              r = net_.input("r", DType::kF32, {"B", "T", 6});
  const Value w = weights("w", {6, 4});
  const Value y = net_.relu(net_.add(net_.linear(x, w), weights("b", {6})));
  net_.output("y", net_.tanh(net_.add(r, y)));
  EXPECT_EQ(nodes_text(net_.graph()),
            "  %linear_0: f32[B, T, 6] = linear(%x, %w)\n"
            "  %add_0: f32[B, T, 6] = binary(%linear_0, %b) {op=add}\n"
            "  %relu_0: f32[B, T, 6] = unary(%add_0) {op=relu}\n"
            "  %add_1: f32[B, T, 6] = binary(%r, %relu_0) {op=add}\n"
            "  %tanh_0: f32[B, T, 6] = unary(%add_1) {op=tanh}\n");
  EXPECT_EQ(nodes_text(after({fuse_epilogue})),
            "  %tanh_0: f32[B, T, 6] = linear(%x, %w, -, %b, %r) {act=relu, act2=tanh}\n");
}

TEST_F(Fuse, EpilogueOfConvTakesAColumnAsBias) {
  const Value x = net_.input("x", DType::kF32, {"B", 2, "T"});
  const Value w = weights("w", {6, 2, 3});
  net_.output("y",
              net_.sigmoid(net_.add(net_.conv1d(x, w, {}, {.pad_left = 2}), weights("b", {6, 1}))));
  EXPECT_EQ(nodes_text(after({fuse_epilogue})),
            "  %sigmoid_0: f32[B, 6, T] = conv(%x, %w, -, %b) {act=sigmoid, pad_left=2}\n");
}

TEST_F(Fuse, SiluAndRelu6BecomeActivationsOfTheirLayers) {
  const Value x = net_.input("x", DType::kF32, {"B", "T", 4});
  const Value y = net_.linear(x, weights("w", {6, 4}));
  const Value z = net_.linear(net_.mul(net_.sigmoid(y), y), weights("v", {6, 6}));
  net_.output("z", net_.clamp(z, 0, 6));
  EXPECT_EQ(nodes_text(after({fuse_silu, eliminate_dead, fuse_epilogue})),
            "  %mul_0: f32[B, T, 6] = linear(%x, %w) {act=silu}\n"
            "  %clamp_0: f32[B, T, 6] = linear(%mul_0, %v) {act=relu6}\n");
}

TEST_F(Fuse, OtherGatesAndClampsStay) {
  const Value x = net_.input("x", DType::kF32, {"B", "T", 4});
  const Value r = net_.input("r", DType::kF32, {"B", "T", 4});
  net_.output("gate", net_.mul(x, net_.sigmoid(r)));
  net_.output("clamp", net_.clamp(x, -1, 6));
  net_.output("lower", net_.clamp(x, 0, 5));
  after({fuse_silu}, /*expect_change=*/false);
}

// Two blocks with a residual and a skip sum: the first joins what is added, the second finds it
// joined.
TEST_F(Fuse, AdditionsToAllPartsOfALayerGoIntoIt) {
  Value h = net_.input("h", DType::kF32, {1, 2, "T"}),
        skip = net_.input("s", DType::kF32, {1, 2, "T"});
  for (const char* w : {"w1", "w2"}) {
    const Value y = net_.conv1d(net_.tanh(h), weights(w, {4, 2, 1}), {}, {});
    h = net_.add(h, net_.slice(y, 1, 0, 2));
    skip = net_.add(net_.slice(y, 1, 2, 4), skip);
  }
  net_.output("h_out", h);
  net_.output("skip", skip);
  EXPECT_EQ(nodes_text(after({stack_adds, fuse_epilogue, eliminate_dead})),
            "  %tanh_0: f32[1, 2, T] = unary(%h) {op=tanh}\n"
            "  %stack_0: f32[1, 4, T] = concat(%h, %s) {axis=1}\n"
            "  %stacked_0: f32[1, 4, T] = conv(%tanh_0, %w1, -, -, %stack_0)\n"
            "  %add_0: f32[1, 2, T] = slice(%stacked_0) {axis=1, begin=0, end=2}\n"
            "  %tanh_1: f32[1, 2, T] = unary(%add_0) {op=tanh}\n"
            "  %stacked_1: f32[1, 4, T] = conv(%tanh_1, %w2, -, -, %stacked_0)\n"
            "  %add_2: f32[1, 2, T] = slice(%stacked_1) {axis=1, begin=0, end=2}\n"
            "  %add_3: f32[1, 2, T] = slice(%stacked_1) {axis=1, begin=2, end=4}\n");
}

// A part that nothing is added to, parts that leave a gap, and an addition that needs the layer.
TEST_F(Fuse, AdditionsToSomePartsStay) {
  const Value x = net_.input("x", DType::kF32, {1, 2, "T"});
  const auto layer = [&](const char* w) { return net_.conv1d(x, weights(w, {4, 2, 1}), {}, {}); };
  const Value a = layer("a"), b = layer("b"), c = layer("c");
  net_.output("a0", net_.add(net_.slice(a, 1, 0, 2), x));
  net_.output("a1", net_.tanh(net_.slice(a, 1, 2, 4)));
  net_.output("b0", net_.add(net_.slice(b, 1, 0, 2), x));
  net_.output("b1", net_.add(net_.slice(b, 1, 1, 3), x));
  const Value c0 = net_.add(net_.slice(c, 1, 0, 2), x);
  net_.output("c1", net_.add(net_.slice(c, 1, 2, 4), net_.tanh(c0)));
  after({stack_adds}, /*expect_change=*/false);
}

TEST_F(Fuse, SlicesThatLieInTheirInputAreViews) {
  const Value x = net_.relu(net_.input("x", DType::kF32, {1, 8, "T"}));
  const Value a = net_.slice(x, 1, 0, 4), b = net_.slice(x, 1, 4, 8);
  net_.output("y", net_.mul(net_.tanh(a), net_.sigmoid(b)));
  // Not these: one is a result, one is read after the rest of the wide value, one is no range of
  // it, and the input itself has a place of its own.
  net_.output("part", net_.slice(x, 1, 1, 5));
  const Value wide = net_.relu(net_.input("z", DType::kF32, {1, 32, "T"}));
  const Value early = net_.slice(wide, 1, 2, 4), late = net_.slice(wide, 1, 30, 32);
  net_.output("sum", net_.add(net_.add(net_.relu(early), net_.slice(x, 1, 3, 5)), late));
  net_.output("columns", net_.relu(net_.slice(net_.relu(x), 2, 0, 3)));
  const std::string text = nodes_text(after({view_slices}));
  const auto views = [&] {
    int count = 0;
    for (std::size_t at = 0; (at = text.find("view=1", at)) != std::string::npos; ++at) ++count;
    return count;
  };
  EXPECT_EQ(views(), 3) << text;
  EXPECT_THAT(text, HasSubstr("slice(%relu_0) {axis=1, begin=0, end=4, view=1}"));
  EXPECT_THAT(text, HasSubstr("slice(%relu_0) {axis=1, begin=4, end=8, view=1}"));
  EXPECT_THAT(text, HasSubstr("slice(%relu_0) {axis=1, begin=3, end=5, view=1}"));
}

TEST_F(Fuse, ResidualThroughADelayLine) {
  const Value x = net_.input("x", DType::kF32, {"B", 2, "T"});
  const Value y = net_.conv1d(net_.delay_line("past", x, 2), weights("w", {2, 2, 3}));
  net_.output("y", net_.add(y, x));
  EXPECT_THAT(nodes_text(after({fuse_epilogue})),
              HasSubstr("%add_0: f32[B, 2, T] = conv(%concat_0, %w, -, -, %x)\n"));
}

TEST_F(Fuse, EpilogueLeavesSharedAndBroadcastValues) {
  const Value x = net_.input("x", DType::kF32, {"B", "T", 4}),
              r = net_.input("r", DType::kF32, {"B", 1, 6});
  const Value y = net_.linear(x, weights("w", {6, 4}));
  net_.output("raw", y);
  net_.output("y", net_.relu(y));
  net_.output("z", net_.add(net_.linear(x, weights("v", {6, 4})), r));
  after({fuse_epilogue}, /*expect_change=*/false);
}

TEST_F(Fuse, LayerNormTakesTheResidual) {
  const Value a = net_.input("a", DType::kF32, {"B", "T", 6}),
              b = net_.input("b", DType::kF32, {"B", "T", 6});
  const Value gamma = weights("gamma", {6});
  net_.output("y", net_.layer_norm(net_.add(a, b), gamma, weights("beta", {6})));
  EXPECT_EQ(nodes_text(after({fuse_layer_norm})),
            "  %layer_norm_0: f32[B, T, 6] = layer_norm(%a, %gamma, %beta, %b) {epsilon=1e-05}\n");
}

TEST_F(Fuse, AttentionAndPackedProducts) {
  const Value x = net_.input("x", DType::kF32, {"B", "T", 8}),
              mask = net_.input("mask", DType::kF32, {"B", "T"});
  const Value q = net_.linear(x, int8_weights("q", 8, 8), weights("bq", {8}));
  const Value k = net_.linear(x, int8_weights("k", 8, 8));
  const Value v = net_.linear(x, int8_weights("v", 8, 8), weights("bv", {8}));
  net_.output("y", net_.attention(q, k, v, 2, mask));
  EXPECT_EQ(
      nodes_text(after({fold_dequantize, fuse_attention, eliminate_dead})),
      "  %linear_0: f32[B, T, 8] = linear(%x, %q, %q.scale, %bq)\n"
      "  %linear_1: f32[B, T, 8] = linear(%x, %k, %k.scale)\n"
      "  %linear_2: f32[B, T, 8] = linear(%x, %v, %v.scale, %bv)\n"
      "  %reshape_4: f32[B, T, 8] = attention(%linear_0, %linear_1, %linear_2, %mask) {heads=2}\n");
  EXPECT_EQ(nodes_text(
                after({fold_dequantize, fuse_attention, eliminate_dead, fuse_qkv, eliminate_dead})),
            "  %qkv_0: f32[B, T, 24] = linear(%x, %qkv_0.w, %qkv_0.w_scale, %qkv_0.bias)\n"
            "  %reshape_4: f32[B, T, 8] = attention(%qkv_0, -, -, %mask) {heads=2, packed=1}\n");
}

TEST_F(Fuse, CrossAttentionStaysUnpacked) {
  const Value x = net_.input("x", DType::kF32, {"B", "T", 4}),
              m = net_.input("m", DType::kF32, {"B", "S", 4});
  const Value q = net_.linear(x, weights("q", {4, 4})), k = net_.linear(m, weights("k", {4, 4}));
  net_.output("y", net_.attention(q, k, m, 2));
  EXPECT_THAT(nodes_text(after({fuse_attention, eliminate_dead, fuse_qkv})),
              HasSubstr("= attention(%linear_0, %linear_1, %m) {heads=2}\n"));
}

// Queries, keys and values that are cut of one product already.
TEST_F(Fuse, AttentionReadsThirdsAsTheyLie) {
  const Value x = net_.input("x", DType::kF32, {"B", "T", 4});
  const Value all = net_.linear(x, weights("w", {12, 4}));
  net_.output("y", net_.attention(net_.slice(all, 2, 0, 4), net_.slice(all, 2, 4, 8),
                                  net_.slice(all, 2, 8, 12), 2));
  EXPECT_EQ(nodes_text(after({fuse_attention, eliminate_dead, fuse_qkv, eliminate_dead})),
            "  %linear_0: f32[B, T, 12] = linear(%x, %w)\n"
            "  %reshape_3: f32[B, T, 4] = attention(%linear_0) {heads=2, packed=1}\n");
}

TEST_F(Fuse, OtherCutsStay) {
  const Value x = net_.input("x", DType::kF32, {"B", "T", 4});
  const Value all = net_.linear(x, weights("w", {12, 4}));
  const Value q = net_.slice(all, 2, 0, 4), k = net_.slice(all, 2, 8, 12);
  net_.output("y", net_.attention(q, k, net_.slice(all, 2, 4, 8), 2));
  EXPECT_THAT(nodes_text(after({fuse_attention, eliminate_dead, fuse_qkv})),
              HasSubstr("= attention(%slice_0, %slice_1, %slice_2) {heads=2}\n"));
}

TEST_F(Fuse, SiblingsOfASmallInput) {
  const Value x = net_.input("x", DType::kF32, {"B", 4});
  const Value a = net_.linear(x, weights("a", {3, 4}), weights("bias", {3}));
  const Value b = net_.linear(x, weights("b", {5, 4}));
  net_.output("a", a);
  net_.output("b", b);
  EXPECT_EQ(nodes_text(after({fuse_siblings})),
            "  %siblings_0: f32[B, 8] = linear(%x, %siblings_0.w, -, %siblings_0.bias)\n"
            "  %linear_0: f32[B, 3] = slice(%siblings_0) {axis=1, begin=0, end=3}\n"
            "  %linear_1: f32[B, 5] = slice(%siblings_0) {axis=1, begin=3, end=8}\n");
}

TEST_F(Fuse, PointwiseChains) {
  const Value x = net_.input("x", DType::kF32, {"B", "T"}),
              g = net_.input("g", DType::kF32, {"B", 1});
  const Value y = net_.mul(x, net_.sigmoid(net_.add(x, net_.scalar(2))));
  const Value above = net_.binary(Binary::kGreater, y, g);
  net_.output("y", net_.where(above, y, net_.clamp(y, -1, 1)));
  EXPECT_EQ(nodes_text(after({fuse_pointwise})),
            "  %where_0: f32[B, T] = pointwise(%x, %g)\n"
            "    r2 = 2\n"
            "    r3 = add r0 r2\n"
            "    r4 = sigmoid r3\n"
            "    r5 = mul r0 r4\n"
            "    r6 = greater r5 r1\n"
            "    r7 = clamp r5 -1 1\n"
            "    r8 = where r6 r5 r7\n"
            "    -> r8\n");
}

TEST_F(Fuse, PointwiseDoesNotCloseACycle) {
  // relu -> linear -> add, and relu -> add: relu and add cannot be one node.
  const Value x = net_.input("x", DType::kF32, {"B", 4});
  const Value a = net_.relu(x);
  net_.output("y", net_.mul(net_.add(a, net_.softmax(a)), a));
  EXPECT_EQ(nodes_text(after({fuse_pointwise})),
            "  %relu_0: f32[B, 4] = unary(%x) {op=relu}\n"
            "  %softmax_0: f32[B, 4] = softmax(%relu_0) {axis=1}\n"
            "  %mul_0: f32[B, 4] = pointwise(%relu_0, %softmax_0)\n"
            "    r2 = add r0 r1\n"
            "    r3 = mul r2 r0\n"
            "    -> r3\n");
}

TEST_F(Fuse, PointwiseLeavesTruthValuesThatLeave) {
  const Value x = net_.input("x", DType::kF32, {"B", 4});
  const Value big = net_.binary(Binary::kGreater, net_.relu(x), net_.scalar(0.5f));
  net_.output("n", net_.reduce(Reduce::kSum, net_.cast(big, DType::kF32), 1));
  after({fuse_pointwise}, /*expect_change=*/false);
}

TEST_F(Fuse, LstmBodyIsOneProductAndOneProgram) {
  const Value x = net_.input("x", DType::kF32, {"B", "T", 3});
  const Value h = net_.state("h", {"B", 2}), c = net_.state("c", {"B", 2});
  const Value w_ih = int8_weights("w_ih", 8, 3), w_hh = int8_weights("w_hh", 8, 2),
              b_ih = weights("b_ih", {8});
  const auto out = net_.lstm(x, h, c, w_ih, w_hh, b_ih, weights("b_hh", {8}));
  net_.update(h, out.h);
  net_.update(c, out.c);
  net_.output("y", out.y);
  ir::Graph graph = net_.graph().clone();
  const auto report = run_passes(graph, {});
  ASSERT_TRUE(report.ok()) << report.status().to_string();
  expect_equal(graph);
  EXPECT_EQ(nodes_text(graph),
            "  %linear_0: f32[B, T, 8] = linear(%x, %w_ih, %w_ih.scale, %add_0)\n"
            "  %lstm_0.0: f32[B, 2], %lstm_0.1: f32[B, 2], %lstm_0.2: f32[B, T, 2] = loop(%h, %c, "
            "%linear_0) "
            "{has_stop=0, num_carried=2, num_emitted=1, num_scanned=1, scan_axis=1, trip_limit=0}\n"
            "      %add_1: f32[B, 8] = linear(%carried_0, %w_hh, %w_hh.scale, -, %scanned_0)\n"
            "      %slice_0: f32[B, 2] = slice(%add_1) {axis=1, begin=0, end=2}\n"
            "      %slice_1: f32[B, 2] = slice(%add_1) {axis=1, begin=2, end=4}\n"
            "      %slice_2: f32[B, 2] = slice(%add_1) {axis=1, begin=4, end=6}\n"
            "      %slice_3: f32[B, 2] = slice(%add_1) {axis=1, begin=6, end=8}\n"
            "      %add_2: f32[B, 2], %mul_2: f32[B, 2] = pointwise(%slice_1, %carried_1, "
            "%slice_0, %slice_2, %slice_3)\n"
            "        r5 = sigmoid r0\n"
            "        r6 = mul r5 r1\n"
            "        r7 = sigmoid r2\n"
            "        r8 = tanh r3\n"
            "        r9 = mul r7 r8\n"
            "        r10 = add r6 r9\n"
            "        r11 = sigmoid r4\n"
            "        r12 = tanh r10\n"
            "        r13 = mul r11 r12\n"
            "        -> r10 r13\n");
  EXPECT_THAT(report->passes, testing::Contains("fold_constants: 1"));
  EXPECT_EQ(report->nodes_before, 21);
  EXPECT_EQ(report->nodes_after, 8);
}

TEST_F(Fuse, WholePipelineOnABertLayer) {
  const Value ids = net_.input("ids", DType::kI32, {"B", "T"}),
              mask = net_.input("mask", DType::kF32, {"B", "T"});
  Value x = net_.embedding(ids, int8_weights("words", 3, 8));
  x = net_.layer_norm(x, weights("g0", {8}), weights("b0", {8}));
  const Value q = net_.linear(x, int8_weights("q", 8, 8)),
              k = net_.linear(x, int8_weights("k", 8, 8));
  const Value y =
      net_.linear(net_.attention(q, k, net_.linear(x, int8_weights("v", 8, 8)), 2, mask),
                  int8_weights("o", 8, 8), weights("bo", {8}));
  x = net_.layer_norm(net_.add(y, x), weights("g1", {8}), weights("b1", {8}));
  const Value wide =
      net_.gelu(net_.add(net_.linear(x, int8_weights("up", 16, 8)), weights("bup", {16})));
  x = net_.layer_norm(net_.add(net_.linear(wide, int8_weights("down", 8, 16)), x),
                      weights("g2", {8}), weights("b2", {8}));
  net_.output("y", x);
  for (const bool f32 : {false, true}) {
    ir::Graph graph = net_.graph().clone();
    const auto report = run_passes(graph, {.expand_int8 = f32, .dump_dir = testing::TempDir()});
    ASSERT_TRUE(report.ok()) << report.status().to_string();
    expect_equal(graph);
    EXPECT_EQ(report->nodes_after, 9) << ir::to_text(graph);
    EXPECT_EQ(ir::to_text(graph).find("i8[") == std::string::npos, f32);
  }
}

TEST_F(Fuse, PipelineIsReproducible) {
  const Value x = net_.input("x", DType::kF32, {"B", 4});
  net_.output("y", net_.mul(net_.relu(net_.linear(x, weights("w", {4, 4}))), net_.sigmoid(x)));
  ir::Graph a = net_.graph().clone(), b = net_.graph().clone();
  ASSERT_TRUE(run_passes(a, {}).ok());
  ASSERT_TRUE(run_passes(b, {}).ok());
  EXPECT_EQ(ir::to_text(a), ir::to_text(b));
  const auto again = run_passes(a, {});
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(ir::to_text(a), ir::to_text(b));  // nothing is left to do
}

}  // namespace
}  // namespace antiphon::test
