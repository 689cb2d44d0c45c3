// What exporters write of images, volumes and video, as the passes leave it: convolutions with
// channels last, concats by placement.
#include <gmock/gmock.h>

#include "tests/unit/engine/passes/exported.h"

namespace antiphon::test {
namespace {

const AttrList kMaxPool = {
    {"op", std::int64_t{0}}, {"kernel", Dims{2, 2}}, {"strides", Dims{2, 2}}};

TEST_F(Exported, ConvolutionsHaveTheirChannelsLast) {
  const ValueId x = input("x", {1, 3, 8, 10});
  const ValueId a =
      node(ir::kOpPool, {unary(Unary::kRelu, conv(x, {8, 3, 3, 3}, {1, 1, 1, 1}))}, kMaxPool);
  const ValueId b = binary(Binary::kAdd, conv(a, {8, 8, 3, 3}, {1, 1, 1, 1}), a);
  output(binary(Binary::kMul, b, weights({8, 1, 1})));
  EXPECT_THAT(optimised(),
              testing::ElementsAre("conv_last", "pool_last", "conv_last", "binary", "transpose"));
  EXPECT_THAT(text_, testing::HasSubstr("x_first=1"));
}

// A layer that runs on bytes, and one of f32 behind it; int8 weights without numbers for x stay.
TEST_F(Exported, ConvolutionsOfBytesHaveTheirChannelsLast) {
  const auto conv_of_bytes = [&](ValueId x, const Dims& w, bool with_numbers) {
    std::vector<std::int8_t> bytes(static_cast<std::size_t>(num_elements(w)));
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::int8_t>(i % 19 - 9);
    const ValueId values = add_constant(graph_, "w8", DType::kI8, w, bytes.data());
    const std::vector<float> scales(static_cast<std::size_t>(w[0]), 0.01f);
    const ValueId scale = add_constant(graph_, "scale", DType::kF32, {w[0]}, scales.data());
    AttrList attrs = {{"pads", Dims{1, 1, 1, 1}}};
    if (with_numbers)
      attrs.insert(
          attrs.end(),
          {{"x_scale", 0.02}, {"x_zero", std::int64_t{128}}, {"x_levels", std::int64_t{255}}});
    return node(ir::kOpConvNd, {x, values, scale, weights({w[0]})}, attrs);
  };
  const ValueId a =
      unary(Unary::kRelu, conv_of_bytes(input("x", {1, 3, 8, 10}), {9, 3, 3, 3}, true));
  output(conv(a, {4, 9, 3, 3}, {1, 1, 1, 1}));
  EXPECT_THAT(optimised(),
              testing::ElementsAre("transpose", "conv_last", "conv_last", "transpose"));
  graph_.outputs.clear();
  output(conv_of_bytes(graph_.inputs[0], {9, 3, 3, 3}, false));
  EXPECT_THAT(optimised(), testing::ElementsAre("conv_nd"));
}

// Bytes of weights around a zero point, for a layer that finds its input's range as it runs.
TEST_F(Exported, DynamicConvolutionsTakeBytes) {
  const std::int8_t bytes[9 * 3] = {-128, 127, 5};
  const float scale = 0.5f;
  const ValueId held = add_constant(graph_, "w8", DType::kI8, {9, 3, 1, 1}, bytes);
  const ValueId scales = add_constant(graph_, "scale", DType::kF32, {1}, &scale);
  const ValueId w = node(OpKind::kDequantize, {held, scales},
                         {{"axis", std::int64_t{0}}, {"zero", std::int64_t{-6}}});
  output(node(ir::kOpConvNd, {input("x", {1, 3, 4, 5}), w}, {{"x_dynamic", std::int64_t{1}}}));
  ir::Graph graph = graph_.clone();
  ASSERT_TRUE(passes::run_passes(graph, {}).ok());
  EXPECT_THAT(ir::to_text(graph), testing::AllOf(testing::HasSubstr("w_shift=6"),
                                                 testing::Not(testing::HasSubstr("dequantize"))));
  for (ir::Node& n : graph.nodes)
    if (n.op == ir::kOpConvLast) n.attrs.set("x_scale", 0.5);
  EXPECT_THAT(ir::verify(graph).message(), testing::HasSubstr("x_dynamic: beside x_scale"));
  // In f32 the weights are numbers, and x stays what it is.
  passes::PassOptions f32;
  f32.expand_int8 = true;
  graph = graph_.clone();
  ASSERT_TRUE(passes::run_passes(graph, f32).ok());
  EXPECT_THAT(ir::to_text(graph), testing::Not(testing::HasSubstr("w_shift")));
  const auto want = run_reference(graph_, inputs_), got = run_reference(graph, inputs_);
  ASSERT_TRUE(want.ok() && got.ok());
  for (std::size_t i = 0; i < want->at("y").values.size(); ++i)
    EXPECT_NEAR(got->at("y").values[i], want->at("y").values[i], 1e-3);
}

// The same between pairs of the model's own; more columns than sums of shifted bytes may have stay.
TEST_F(Exported, ConvolutionsOfKnownRangesShiftTheirWeights) {
  for (const std::int64_t channels : {3, 32769}) {
    graph_ = {};
    std::vector<std::int8_t> bytes(static_cast<std::size_t>(9 * channels));
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::int8_t>(i * 37);
    const float scale = 0.001f, step = 0.02f;
    const ValueId held = add_constant(graph_, "w8", DType::kI8, {9, channels, 1, 1}, bytes.data());
    const ValueId scales = add_constant(graph_, "scale", DType::kF32, {1}, &scale);
    const ValueId steps = add_constant(graph_, "step", DType::kF32, {1}, &step);
    const ValueId w = node(OpKind::kDequantize, {held, scales},
                           {{"axis", std::int64_t{0}}, {"zero", std::int64_t{-6}}});
    const ValueId q = node(OpKind::kQuantize, {input("x", {1, channels, 1, 2}), steps},
                           {{"zero", std::int64_t{128}}, {"low", std::int64_t{0}}});
    const ValueId x = node(OpKind::kDequantize, {q, steps}, {{"zero", std::int64_t{128}}});
    output(node(ir::kOpConvNd, {x, w}, {}));
    ir::Graph graph = graph_.clone();
    ASSERT_TRUE(passes::run_passes(graph, {}).ok());
    const std::string text = ir::to_text(graph);
    EXPECT_EQ(text.find("w_shift=6") != std::string::npos, channels == 3) << text;
    EXPECT_EQ(text.find("x_exact=1") != std::string::npos, channels == 3) << text;
    const auto want = run_reference(graph_, inputs_), got = run_reference(graph, inputs_);
    ASSERT_TRUE(want.ok() && got.ok());
    for (std::size_t i = 0; i < want->at("y").values.size(); ++i)
      EXPECT_NEAR(got->at("y").values[i], want->at("y").values[i], 1e-4);
  }
}

TEST_F(Exported, OnePixelIsNotTransposed) {
  const ValueId a = conv(input("x", {2, 12, 4, 4}), {6, 12, 1, 1}, {0, 0, 0, 0});
  const ValueId pooled = node(ir::kOpPool, {a}, {{"op", std::int64_t{1}}, {"kernel", Dims{4, 4}}});
  output(node(OpKind::kReshape, {pooled}, {{"dims", Dims{0, 6}}}));
  EXPECT_THAT(optimised(), testing::Not(testing::Contains("reduce")));
  EXPECT_EQ(std::string::npos, text_.find("transpose(%n"));  // the input alone
}

TEST_F(Exported, ConcatsAreWrittenInPlace) {
  const ValueId x = conv(input("x", {1, 3, 6, 6}), {10, 3, 1, 1}, {0, 0, 0, 0});
  const AttrList along = {{"axis", std::int64_t{1}}};
  const ValueId inner =
      node(OpKind::kConcat,
           {conv(x, {4, 10, 1, 1}, {0, 0, 0, 0}), conv(x, {5, 10, 3, 3}, {1, 1, 1, 1})}, along);
  const ValueId pool =
      node(ir::kOpPool, {x},
           {{"op", std::int64_t{0}}, {"kernel", Dims{3, 3}}, {"pads", Dims{1, 1, 1, 1}}});
  const ValueId all = node(OpKind::kConcat, {inner, pool, x}, along);
  output(conv(all, {2, 29, 1, 1}, {0, 0, 0, 0}));
  EXPECT_THAT(optimised(), testing::ElementsAre("conv_last", "conv_last", "conv_last", "pool_last",
                                                "place", "conv_last", "transpose"));
}

TEST_F(Exported, AnchorsStandLastAlready) {
  const ValueId y = conv(input("x", {1, 3, 4, 5}), {6, 3, 3, 3}, {1, 1, 1, 1});
  const ValueId split = node(OpKind::kReshape, {y}, {{"dims", Dims{1, 2, 3, 4, 5}}});
  const ValueId turned = node(OpKind::kTranspose, {split}, {{"order", Dims{0, 3, 4, 1, 2}}});
  output(node(OpKind::kReshape, {turned}, {{"dims", Dims{1, -1, 3}}}));
  EXPECT_THAT(optimised(), testing::Not(testing::Contains("transpose")));
}

TEST_F(Exported, TransposedConvolutionWithoutOverlap) {
  const ValueId x = conv(input("x", {1, 3, 4, 5}), {9, 3, 1, 1}, {0, 0, 0, 0});
  output(node(ir::kOpConvTranspose, {x, weights({9, 4, 2, 2}), weights({4})},
              {{"strides", Dims{2, 2}}}));
  EXPECT_THAT(optimised(), testing::ElementsAre("conv_last", "conv_transpose_last", "transpose"));
}

// Over three axes: the volume is read as it lies, what stands between the layers keeps its order.
TEST_F(Exported, ConvolutionsOverThreeAxesHaveTheirChannelsLast) {
  const Dims around = {1, 1, 1, 1, 1, 1};
  const AttrList pool = {
      {"op", std::int64_t{0}}, {"kernel", Dims{2, 2, 2}}, {"strides", Dims{2, 2, 2}}};
  const ValueId x = input("x", {1, 2, 4, 6, 8});
  const ValueId a = unary(Unary::kRelu, conv(x, {8, 2, 3, 3, 3}, around));
  const ValueId b = conv(node(ir::kOpPool, {a}, pool), {8, 8, 3, 3, 3}, around);
  const ValueId c = unary(Unary::kRelu, binary(Binary::kMul, b, weights({8, 1, 1, 1})));
  const ValueId grown = node(ir::kOpConvTranspose, {c, weights({8, 4, 2, 2, 2}), weights({4})},
                             {{"strides", Dims{2, 2, 2}}});
  const ValueId joined = node(OpKind::kConcat, {a, grown}, {{"axis", std::int64_t{1}}});
  const ValueId y = conv(joined, {3, 12, 1, 1, 1}, {0, 0, 0, 0, 0, 0});
  output(node(OpKind::kReduce, {y},
              {{"op", std::int64_t{0}}, {"axis", std::int64_t{2}}, {"keep_dim", std::int64_t{1}}}));
  EXPECT_THAT(optimised(), testing::ElementsAre("conv_last", "pool_last", "conv_last", "pointwise",
                                                "conv_transpose_last", "place", "conv_last",
                                                "reduce", "transpose"));
  EXPECT_THAT(text_, testing::HasSubstr("x_first=1"));
}

// A pool between values that have their channels first gets transposes of its own, where there are
// channels enough; repeats go along.
TEST_F(Exported, PoolsAndRepeatsHaveTheirChannelsLast) {
  const auto along = [](std::int64_t axis) {
    return AttrList{{"axis", axis}, {"times", std::int64_t{2}}};
  };
  const ValueId a = conv(input("x", {1, 3, 4, 6}), {8, 3, 1, 1}, {0, 0, 0, 0});
  const ValueId wide = node(OpKind::kRepeat, {node(OpKind::kRepeat, {a}, along(2))}, along(3));
  const ValueId sums = node(ir::kOpCumSum, {wide}, {{"axis", std::int64_t{3}}});
  output(node(ir::kOpPool, {sums}, kMaxPool));
  EXPECT_THAT(optimised(), testing::ElementsAre("conv_last", "repeat", "repeat", "transpose",
                                                "cum_sum", "transpose", "pool_last", "transpose"));
}

TEST_F(Exported, OneVoxelIsNotTransposed) {
  const ValueId a = conv(input("x", {2, 12, 2, 4, 4}), {6, 12, 1, 1, 1}, {0, 0, 0, 0, 0, 0});
  const ValueId pooled =
      node(ir::kOpPool, {a}, {{"op", std::int64_t{1}}, {"kernel", Dims{2, 4, 4}}});
  output(node(OpKind::kReshape, {pooled}, {{"dims", Dims{0, 6}}}));
  const auto kinds = optimised();
  EXPECT_EQ(std::count(kinds.begin(), kinds.end(), "transpose"), 1);  // the input alone
}

}  // namespace
}  // namespace antiphon::test
