// What exporters write, as the passes leave it: convolutions with channels last, concats by
// placement, attention and GELU in one node; the same numbers as before.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "engine/ir/op_enums.h"
#include "engine/ir/schema.h"
#include "engine/passes/passes.h"
#include "engine/passes/pipeline.h"
#include "tests/support/reference_interpreter.h"

namespace antiphon::test {
namespace {

using ir::OpKind;
using ir::ValueId;
using Dims = std::vector<std::int64_t>;
using AttrList = std::vector<std::pair<const char*, ir::Attr>>;

class Exported : public testing::Test {
 protected:
  ValueId input(const char* name, const Dims& dims) {
    ir::ValueInfo info;
    info.name = name;
    info.kind = ir::ValueKind::kInput;
    for (const std::int64_t d : dims) info.shape.emplace_back(d);
    graph_.inputs.push_back(graph_.add_value(std::move(info)));
    inputs_[name] = random_ref(dims, 100 + inputs_.size());
    return graph_.inputs.back();
  }
  ValueId weights(const Dims& dims) {
    const RefTensor t = random_ref(dims, ++seed_);
    const std::vector<float> data(t.values.begin(), t.values.end());
    return add_constant(graph_, "w" + std::to_string(seed_), DType::kF32, dims, data.data());
  }
  ValueId scalar(float value) {
    return add_constant(graph_, "c" + std::to_string(++seed_), DType::kF32, {}, &value);
  }
  ValueId node(OpKind op, const std::vector<ValueId>& inputs, const AttrList& attrs = {}) {
    ir::Node made;
    made.op = op;
    made.name = "n" + std::to_string(graph_.nodes.size());
    made.inputs = inputs;
    for (const auto& [name, value] : attrs) made.attrs.set(name, value);
    std::vector<ir::ValueType> types;
    for (const ValueId id : inputs) {
      const ir::ValueInfo none, &info = id < 0 ? none : graph_.values[static_cast<std::size_t>(id)];
      types.push_back({info.dtype, info.shape});
    }
    std::vector<const ir::ValueType*> pointers;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      pointers.push_back(inputs[i] < 0 ? nullptr : &types[i]);
    made.outputs = {0};
    auto out = ir::infer_outputs(made, pointers);
    EXPECT_TRUE(out.ok()) << out.status().to_string();
    ir::ValueInfo info;
    info.name = made.name;
    info.dtype = (*out)[0].dtype;
    info.shape = (*out)[0].shape;
    made.outputs = {graph_.add_value(std::move(info))};
    graph_.nodes.push_back(std::move(made));
    return graph_.nodes.back().outputs[0];
  }
  ValueId binary(Binary op, ValueId a, ValueId b) {
    return node(OpKind::kBinary, {a, b}, {{"op", static_cast<std::int64_t>(op)}});
  }
  ValueId unary(Unary op, ValueId x) {
    return node(OpKind::kUnary, {x}, {{"op", static_cast<std::int64_t>(op)}});
  }
  ValueId conv(ValueId x, const Dims& w, const Dims& pads, const AttrList& more = {}) {
    AttrList attrs = {{"pads", pads}};
    attrs.insert(attrs.end(), more.begin(), more.end());
    return node(ir::kOpConvNd, {x, weights(w), ir::kNoValue, weights({w[0]})}, attrs);
  }
  void output(ValueId id) { graph_.outputs.push_back({"y", id}); }

  // The operators that are left, in order, after all passes; the numbers are the same.
  std::vector<std::string> optimised() {
    ir::Graph graph = graph_.clone();
    const auto report = passes::run_passes(graph, {});
    EXPECT_TRUE(report.ok()) << report.status().to_string();
    const auto want = run_reference(graph_, inputs_), got = run_reference(graph, inputs_);
    EXPECT_TRUE(want.ok() && got.ok()) << got.status().to_string() << ir::to_text(graph);
    if (!want.ok() || !got.ok()) return {};
    for (std::size_t i = 0; i < want->at("y").values.size(); ++i) {
      const double w = want->at("y").values[i];
      EXPECT_NEAR(got->at("y").values[i], w, 1e-5 * (1 + std::abs(w))) << "at " << i;
    }
    text_ = ir::to_text(graph);
    std::vector<std::string> names;
    for (const ir::Node& n : graph.nodes) names.emplace_back(ir::op_name(n.op));
    return names;
  }

  ir::Graph graph_;
  RefTensors inputs_;
  std::string text_;
  std::uint64_t seed_ = 0;
};

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

TEST_F(Exported, GeluInAnyOrder) {
  for (const bool half_first : {false, true}) {
    graph_ = {};
    inputs_.clear();
    const ValueId x = input("x", {2, 3, 7});
    const ValueId erf = unary(Unary::kErf, binary(Binary::kDiv, x, scalar(std::sqrt(2.0f))));
    const ValueId sum = binary(Binary::kAdd, erf, scalar(1));
    output(half_first ? binary(Binary::kMul, binary(Binary::kMul, x, scalar(0.5f)), sum)
                      : binary(Binary::kMul, binary(Binary::kMul, x, sum), scalar(0.5f)));
    EXPECT_THAT(optimised(), testing::ElementsAre("unary"));
  }
}

// A decoder's step: keys and values behind a past, a bias for each head that all sequences share,
// values wider than keys, no scale; rows are merged for the layer that reads what is heard.
TEST_F(Exported, AttentionWithAPastAndABiasByHead) {
  const ValueId x = input("x", {2, 3, 8}), bias = input("bias", {1, 2, 3, 5});
  const auto part = [&](std::int64_t width) {
    const ValueId y = node(OpKind::kLinear, {x, weights({2 * width, 8})});
    const ValueId heads = node(OpKind::kReshape, {y}, {{"dims", Dims{2, 3, 2, width}}});
    return node(OpKind::kTranspose, {heads}, {{"order", Dims{0, 2, 1, 3}}});
  };
  const auto behind = [&](const char* name, std::int64_t width) {
    const ValueId past = input(name, {2, 2, 2, width});
    const ValueId all = node(OpKind::kConcat, {past, part(width)}, {{"axis", std::int64_t{2}}});
    graph_.outputs.push_back({name, all});
    return all;
  };
  const ValueId k = node(OpKind::kTranspose, {behind("k", 4)}, {{"order", Dims{0, 1, 3, 2}}});
  const ValueId scores = binary(Binary::kAdd, bias, node(OpKind::kMatMul, {part(4), k}));
  const ValueId weights_of = node(OpKind::kSoftmax, {scores}, {{"axis", std::int64_t{3}}});
  const ValueId mixed = node(OpKind::kMatMul, {weights_of, behind("v", 5)});
  const ValueId back = node(OpKind::kTranspose, {mixed}, {{"order", Dims{0, 2, 1, 3}}});
  output(node(OpKind::kReshape, {back}, {{"dims", Dims{6, 10}}}));
  const auto kinds = optimised();
  EXPECT_EQ(std::count(kinds.begin(), kinds.end(), "attention"), 1);
  for (const char* gone : {"matmul", "softmax", "binary"})
    EXPECT_EQ(std::count(kinds.begin(), kinds.end(), gone), 0) << gone;
}

// Scores that the mask makes more of are no mask's.
TEST_F(Exported, AMaskOfMoreSequencesStays) {
  const ValueId x = input("x", {1, 3, 8}), mask = input("mask", {2, 1, 3, 3});
  const auto part = [&](const Dims& order) {
    const ValueId y = node(OpKind::kLinear, {x, weights({8, 8})});
    const ValueId heads = node(OpKind::kReshape, {y}, {{"dims", Dims{1, 3, 2, 4}}});
    return node(OpKind::kTranspose, {heads}, {{"order", order}});
  };
  const ValueId product = node(OpKind::kMatMul, {part({0, 2, 1, 3}), part({0, 2, 3, 1})});
  const ValueId scores = binary(Binary::kAdd, product, mask);
  const ValueId weights_of = node(OpKind::kSoftmax, {scores}, {{"axis", std::int64_t{3}}});
  const ValueId mixed = node(OpKind::kMatMul, {weights_of, part({0, 2, 1, 3})});
  const ValueId back = node(OpKind::kTranspose, {mixed}, {{"order", Dims{0, 2, 1, 3}}});
  output(node(OpKind::kReshape, {back}, {{"dims", Dims{2, 3, 8}}}));
  const auto kinds = optimised();
  EXPECT_EQ(std::count(kinds.begin(), kinds.end(), "attention"), 0);
}

// Scales on queries and keys, a mask row for each query, and zeros where a row is masked.
TEST_F(Exported, AttentionWithAMaskByQuery) {
  const ValueId x = input("x", {1, 5, 8});
  const ValueId mask = input("mask", {1, 1, 5, 5});
  std::fill_n(inputs_["mask"].values.begin() + 5, 5, -INFINITY);
  const auto part = [&](const Dims& order) {
    const ValueId y =
        binary(Binary::kAdd, node(OpKind::kLinear, {x, weights({8, 8})}), weights({8}));
    const ValueId heads = node(OpKind::kReshape, {y}, {{"dims", Dims{1, 5, 2, 4}}});
    return node(OpKind::kTranspose, {heads}, {{"order", order}});
  };
  const ValueId half = scalar(std::sqrt(0.5f));
  const ValueId q = binary(Binary::kMul, part({0, 2, 1, 3}), half);
  const ValueId k = binary(Binary::kMul, part({0, 2, 3, 1}), half);
  const ValueId scores = binary(Binary::kAdd, node(OpKind::kMatMul, {q, k}), mask);
  const ValueId weights = node(OpKind::kSoftmax, {scores}, {{"axis", std::int64_t{3}}});
  const ValueId lost =
      node(ir::kOpMath, {weights}, {{"op", static_cast<std::int64_t>(ir::Math::kIsNan)}});
  const ValueId kept = node(OpKind::kWhere, {lost, scalar(0), weights});
  const ValueId mixed = node(OpKind::kMatMul, {kept, part({0, 2, 1, 3})});
  const ValueId back = node(OpKind::kTranspose, {mixed}, {{"order", Dims{0, 2, 1, 3}}});
  output(node(OpKind::kReshape, {back}, {{"dims", Dims{1, 5, 8}}}));
  EXPECT_THAT(optimised(), testing::ElementsAre("linear", "attention"));
}

}  // namespace
}  // namespace antiphon::test
