// What exporters write of transformers, as the passes leave it: norms, gates, GELU and attention,
// one layer each.
#include <gmock/gmock.h>

#include "tests/unit/engine/passes/exported.h"

namespace antiphon::test {
namespace {

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

// 1 / sqrt as a quotient, a reciprocal and rsqrt, or x by the root; gamma before or behind.
TEST_F(Exported, NormByTheRootOfSquaresInAnyOrder) {
  for (const int form : {0, 1, 2, 3})
    for (const bool gamma_first : {false, true}) {
      graph_ = {};
      inputs_.clear();
      const ValueId x = input("x", {2, 3, 7}), gamma = weights({7});
      const ValueId mean = node(OpKind::kReduce, {binary(Binary::kMul, x, x)},
                                {{"op", static_cast<std::int64_t>(Reduce::kMean)},
                                 {"axis", std::int64_t{2}},
                                 {"keep_dim", std::int64_t{1}}});
      const ValueId sum = binary(Binary::kAdd, mean, scalar(1e-3f));
      const ValueId root = unary(form == 2 ? Unary::kRsqrt : Unary::kSqrt, sum);
      const ValueId from = gamma_first ? binary(Binary::kMul, gamma, x) : x;
      ValueId y = from;
      if (form == 0) y = binary(Binary::kMul, from, binary(Binary::kDiv, scalar(1), root));
      if (form == 1) y = binary(Binary::kMul, from, unary(Unary::kReciprocal, root));
      if (form == 2) y = binary(Binary::kMul, root, from);
      if (form == 3) y = binary(Binary::kDiv, from, root);
      output(gamma_first ? y : binary(Binary::kMul, gamma, y));
      EXPECT_THAT(optimised(), testing::ElementsAre("layer_norm")) << form;
      EXPECT_THAT(text_, testing::HasSubstr("rms=1"));
    }
}

// As exporters wrote it before ONNX had the operator; the sum with a residual goes into it.
TEST_F(Exported, LayerNormSpelledOut) {
  const ValueId x = binary(Binary::kAdd, input("x", {2, 3, 7}), input("z", {2, 3, 7}));
  const AttrList mean = {{"op", static_cast<std::int64_t>(Reduce::kMean)},
                         {"axis", std::int64_t{-1}},
                         {"keep_dim", std::int64_t{1}}};
  const ValueId centred = binary(Binary::kSub, x, node(OpKind::kReduce, {x}, mean));
  const ValueId variance = node(OpKind::kReduce, {binary(Binary::kMul, centred, centred)}, mean);
  const ValueId root = unary(Unary::kSqrt, binary(Binary::kAdd, variance, scalar(1e-3f)));
  const ValueId scaled =
      binary(Binary::kMul, binary(Binary::kDiv, centred, root), weights({1, 1, 7}));
  output(binary(Binary::kAdd, scaled, weights({7})));
  EXPECT_THAT(optimised(), testing::ElementsAre("layer_norm"));
  EXPECT_THAT(text_, testing::Not(testing::HasSubstr("rms=1")));
}

// A mean over another axis, and a square of something else, are no norm.
TEST_F(Exported, WhatIsNoNormStays) {
  for (const bool other_axis : {false, true}) {
    graph_ = {};
    inputs_.clear();
    const ValueId x = input("x", {2, 7, 7}), z = other_axis ? x : input("z", {2, 7, 7});
    const ValueId mean = node(OpKind::kReduce, {binary(Binary::kMul, x, z)},
                              {{"op", static_cast<std::int64_t>(Reduce::kMean)},
                               {"axis", std::int64_t{other_axis ? 1 : 2}},
                               {"keep_dim", std::int64_t{1}}});
    const ValueId sum = binary(Binary::kAdd, unary(Unary::kAbs, mean), scalar(1e-3f));
    const ValueId root = unary(Unary::kSqrt, sum);
    output(binary(Binary::kMul, binary(Binary::kDiv, x, root), weights({7})));
    EXPECT_THAT(optimised(), testing::Not(testing::Contains("layer_norm")));
  }
}

// SiLU(x w) * (x v), and what a linear without a gate is left with.
TEST_F(Exported, GatesAreOneProduct) {
  const ValueId x = input("x", {2, 3, 8});
  const ValueId a = node(OpKind::kLinear, {x, weights({20, 8})}),
                b = node(OpKind::kLinear, {x, weights({20, 8}), ir::kNoValue, weights({20})});
  const ValueId gated = binary(Binary::kMul, binary(Binary::kMul, a, unary(Unary::kSigmoid, a)), b);
  output(node(OpKind::kLinear, {gated, weights({4, 20})}));
  EXPECT_THAT(optimised(), testing::ElementsAre("linear", "pointwise", "linear"));
  EXPECT_THAT(text_, testing::HasSubstr("part_width=20, parts=[0, 20]"));
}

// Another x, a part that something else reads, and parts of different widths are no gate.
TEST_F(Exported, WhatIsNoGateStays) {
  for (const int form : {0, 1, 2}) {
    graph_ = {};
    inputs_.clear();
    const ValueId x = input("x", {2, 3, 8}), z = form == 0 ? input("z", {2, 3, 8}) : x;
    const ValueId a = node(OpKind::kLinear, {x, weights({form == 2 ? 1 : 20, 8})}),
                  b = node(OpKind::kLinear, {z, weights({20, 8})});
    output(binary(Binary::kMul, unary(Unary::kSigmoid, a), b));
    if (form == 1) graph_.outputs.push_back({"b", b});
    const auto kinds = optimised();
    EXPECT_EQ(std::count(kinds.begin(), kinds.end(), "linear"), 2) << form;
  }
}

// Four heads of queries on two of keys and values, repeated as exporters write it.
TEST_F(Exported, AttentionOfGroupedHeads) {
  const ValueId x = input("x", {2, 3, 8});
  const auto repeated = [&](const char* name) {
    const ValueId one =
        node(OpKind::kReshape, {input(name, {2, 2, 5, 4})}, {{"dims", Dims{2, 2, 1, 5, 4}}});
    const ValueId many = node(ir::kOpExpand, {one}, {{"extents", std::string("0:0,2,2,0:3,4")}});
    return node(OpKind::kReshape, {many}, {{"dims", Dims{2, 4, 5, 4}}});
  };
  const ValueId q = node(OpKind::kReshape, {node(OpKind::kLinear, {x, weights({16, 8})})},
                         {{"dims", Dims{2, 3, 4, 4}}});
  const ValueId queries = node(OpKind::kTranspose, {q}, {{"order", Dims{0, 2, 1, 3}}});
  const ValueId keys = node(OpKind::kTranspose, {repeated("k")}, {{"order", Dims{0, 1, 3, 2}}});
  const ValueId scores = node(OpKind::kMatMul, {queries, keys});
  const ValueId weights_of = node(OpKind::kSoftmax, {scores}, {{"axis", std::int64_t{3}}});
  const ValueId mixed = node(OpKind::kMatMul, {weights_of, repeated("v")});
  const ValueId back = node(OpKind::kTranspose, {mixed}, {{"order", Dims{0, 2, 1, 3}}});
  output(node(OpKind::kReshape, {back}, {{"dims", Dims{2, 3, 16}}}));
  EXPECT_THAT(optimised(), testing::ElementsAre("linear", "attention"));
  EXPECT_THAT(text_, testing::HasSubstr("kv_heads=2"));
}

// Keys that are turned with batch and heads as one axis, repeated to the length of a past and what
// is new; what is heard goes through a reshape to the queries' extents.
TEST_F(Exported, AttentionWithExtentsOfRunTime) {
  const ValueId x = input("x", {2, 3, 8}), past = input("past", {2, 2, 4, 4});
  const ValueId now = input("now", {2, 2, 1, 4});
  const auto repeated = [&] {
    const ValueId all = node(OpKind::kConcat, {past, now}, {{"axis", std::int64_t{2}}});
    const ValueId one = node(OpKind::kReshape, {all}, {{"dims", Dims{2, 2, 1, 5, 4}}});
    const ValueId many =
        node(ir::kOpExpand, {one, past, now}, {{"extents", std::string("0:0,2,2,1:2 2:2 +,4")}});
    return node(OpKind::kReshape, {many}, {{"dims", Dims{2, 4, 5, 4}}});
  };
  const ValueId q = node(OpKind::kReshape, {node(OpKind::kLinear, {x, weights({16, 8})})},
                         {{"dims", Dims{2, 3, 4, 4}}});
  const ValueId queries = node(OpKind::kTranspose, {q}, {{"order", Dims{0, 2, 1, 3}}});
  const ValueId keys = repeated(), values = repeated();
  const ValueId merged = node(OpKind::kReshape, {keys}, {{"dims", Dims{8, 5, 4}}});
  const ValueId turned =
      node(OpKind::kReshape, {node(OpKind::kTranspose, {merged}, {{"order", Dims{0, 2, 1}}})},
           {{"dims", Dims{2, 4, 4, 5}}});
  const ValueId scores = node(OpKind::kMatMul, {queries, turned});
  const ValueId weights_of = node(OpKind::kSoftmax, {scores}, {{"axis", std::int64_t{3}}});
  const ValueId mixed = node(OpKind::kMatMul, {weights_of, values});
  ValueId same = node(ir::kOpReshapeTo, {mixed, queries},
                      {{"extents", std::string("0:0,0:2 4 * 1:2 /,1:2,4")}});
  const ValueId back = node(OpKind::kTranspose, {same}, {{"order", Dims{0, 2, 1, 3}}});
  output(
      node(ir::kOpReshapeTo, {back, x}, {{"extents", std::string("0:0,0:1 0:2 * 4 * 1:1 /,1:1")}}));
  // Where nothing says that they are, extents are not taken for others.
  graph_.values[static_cast<std::size_t>(mixed)].shape[2] = Dim{};
  graph_.values[static_cast<std::size_t>(same)].shape[1] = Dim{};
  graph_.values[static_cast<std::size_t>(back)].shape[2] = Dim{};
  const auto kinds = optimised();
  EXPECT_EQ(std::count(kinds.begin(), kinds.end(), "attention"), 1) << text_;
  for (const char* gone : {"matmul", "softmax", "expand"})
    EXPECT_EQ(std::count(kinds.begin(), kinds.end(), gone), 0) << gone;
}

// One query, whose heads an exporter takes for as many queries of each group; not where a mask
// tells them apart.
TEST_F(Exported, AttentionOfAQueryByGroups) {
  for (const bool apart : {false, true}) {
    graph_ = {};
    inputs_.clear();
    const ValueId x = input("x", {2, 1, 8}), mask = input("mask", {2, 1, apart ? 2 : 1, 5});
    const ValueId q = node(OpKind::kReshape, {node(OpKind::kLinear, {x, weights({16, 8})})},
                           {{"dims", Dims{2, 1, 4, 4}}});
    const ValueId queries = binary(
        Binary::kAdd, node(OpKind::kTranspose, {q}, {{"order", Dims{0, 2, 1, 3}}}), weights({4}));
    const ValueId grouped = node(OpKind::kReshape, {queries}, {{"dims", Dims{2, 2, 2, 4}}});
    const ValueId keys =
        node(OpKind::kTranspose, {input("k", {2, 2, 5, 4})}, {{"order", Dims{0, 1, 3, 2}}});
    const ValueId product =
        node(OpKind::kMatMul, {binary(Binary::kMul, grouped, scalar(0.5f)), keys});
    const ValueId weights_of =
        node(OpKind::kSoftmax, {binary(Binary::kAdd, product, mask)}, {{"axis", std::int64_t{3}}});
    const ValueId mixed = node(OpKind::kMatMul, {weights_of, input("v", {2, 2, 5, 3})});
    const ValueId heard = node(OpKind::kReshape, {mixed}, {{"dims", Dims{2, 4, 1, 3}}});
    const ValueId back = node(OpKind::kTranspose, {heard}, {{"order", Dims{0, 2, 1, 3}}});
    output(node(OpKind::kReshape, {back}, {{"dims", Dims{2, 1, 12}}}));
    const auto kinds = optimised();
    EXPECT_EQ(std::count(kinds.begin(), kinds.end(), "attention"), apart ? 0 : 1);
    if (!apart) EXPECT_THAT(text_, testing::HasSubstr("kv_heads=2"));
  }
}

// Batch and heads as one axis, a bias for each head there, and a mask where they are two.
TEST_F(Exported, AttentionOfMergedHeadsWithTwoMasks) {
  const ValueId x = input("x", {2, 3, 8}), bias = input("bias", {4, 1, 3});
  const ValueId mask = input("mask", {2, 1, 3, 3});
  const auto part = [&](const Dims& order, const Dims& merged) {
    const ValueId y = node(OpKind::kLinear, {x, weights({8, 8})});
    const ValueId heads = node(OpKind::kReshape, {y}, {{"dims", Dims{2, 3, 2, 4}}});
    return node(OpKind::kReshape, {node(OpKind::kTranspose, {heads}, {{"order", order}})},
                {{"dims", merged}});
  };
  const ValueId product =
      node(OpKind::kMatMul, {part({0, 2, 1, 3}, {4, 3, 4}), part({0, 2, 3, 1}, {4, 4, 3})});
  const ValueId biased = binary(Binary::kAdd, binary(Binary::kMul, product, scalar(0.5f)), bias);
  const ValueId apart = node(OpKind::kReshape, {biased}, {{"dims", Dims{2, 2, 3, 3}}});
  const ValueId weights_of =
      node(OpKind::kSoftmax, {binary(Binary::kAdd, apart, mask)}, {{"axis", std::int64_t{3}}});
  const ValueId merged = node(OpKind::kReshape, {weights_of}, {{"dims", Dims{4, 3, 3}}});
  const ValueId mixed = node(OpKind::kMatMul, {merged, part({0, 2, 1, 3}, {4, 3, 4})});
  const ValueId heard = node(OpKind::kReshape, {mixed}, {{"dims", Dims{2, 2, 3, 4}}});
  const ValueId back = node(OpKind::kTranspose, {heard}, {{"order", Dims{0, 2, 1, 3}}});
  output(node(OpKind::kReshape, {back}, {{"dims", Dims{2, 3, 8}}}));
  EXPECT_THAT(optimised(),
              testing::UnorderedElementsAre("linear", "reshape_to", "binary", "attention"));
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
