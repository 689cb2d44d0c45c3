// Rotary position embeddings as exporters write them: the graph before and after, equal numbers.
#include <gmock/gmock.h>

#include "tests/unit/engine/passes/exported.h"

namespace antiphon::test {
namespace {

class Rotary : public Exported {
 protected:
  ValueId columns(ValueId x, std::int64_t begin, std::int64_t end, std::int64_t step = 1) {
    const std::int64_t last = rank(x) - 1;
    if (step == 1)
      return node(OpKind::kSlice, {x}, {{"axis", last}, {"begin", begin}, {"end", end}});
    const std::string text =
        std::to_string(begin) + "," + std::to_string(end) + "," + std::to_string(step);
    return node(ir::kOpStridedSlice, {x}, {{"axis", last}, {"extents", text}});
  }
  ValueId concat(ValueId a, ValueId b) {
    return node(OpKind::kConcat, {a, b}, {{"axis", std::int64_t{rank(a) - 1}}});
  }
  ValueId neg(ValueId x) { return unary(Unary::kNeg, x); }
  ValueId mul(ValueId a, ValueId b) { return binary(Binary::kMul, a, b); }
  ValueId heads_first(ValueId x) {
    return node(OpKind::kTranspose, {x}, {{"order", Dims{0, 2, 1, 3}}});
  }
  // Two values as neighbours.
  ValueId woven(ValueId a, ValueId b) {
    Dims dims = extents(a);
    dims.push_back(1);
    const ValueId both = concat(node(OpKind::kReshape, {a}, {{"dims", dims}}),
                                node(OpKind::kReshape, {b}, {{"dims", dims}}));
    dims.pop_back();
    dims.back() *= 2;
    return node(OpKind::kReshape, {both}, {{"dims", dims}});
  }
  // x cos + turned(x) sin of halves, of neighbours.
  ValueId halves(ValueId x, ValueId cos, ValueId sin) {
    const std::int64_t d = extents(x).back();
    const ValueId turned = concat(neg(columns(x, d / 2, d)), columns(x, 0, d / 2));
    return binary(Binary::kAdd, mul(x, cos), mul(turned, sin));
  }
  ValueId neighbours(ValueId x, ValueId cos, ValueId sin) {
    const std::int64_t d = extents(x).back();
    const ValueId turned = woven(neg(columns(x, 1, d, 2)), columns(x, 0, d, 2));
    return binary(Binary::kAdd, mul(sin, turned), mul(cos, x));
  }
  // (a cos - b sin, b cos + a sin).
  ValueId parts(ValueId x, ValueId cos, ValueId sin, bool interleaved) {
    const std::int64_t d = extents(x).back();
    const ValueId a = interleaved ? columns(x, 0, d, 2) : columns(x, 0, d / 2);
    const ValueId b = interleaved ? columns(x, 1, d, 2) : columns(x, d / 2, d);
    const ValueId first = binary(Binary::kSub, mul(a, cos), mul(b, sin));
    const ValueId second = binary(Binary::kAdd, mul(a, sin), mul(b, cos));
    return interleaved ? woven(first, second) : concat(first, second);
  }

  Dims extents(ValueId id) const {
    Dims out;
    for (const Dim& dim : graph_.values[static_cast<std::size_t>(id)].shape)
      out.push_back(dim.extent);
    return out;
  }
  int rank(ValueId id) const { return static_cast<int>(extents(id).size()); }

  // The nodes of the graph after the pass alone; the numbers are the same.
  std::string fused() {
    ir::Graph graph = graph_.clone();
    for (const auto run : {passes::fuse_rotary, passes::eliminate_dead}) {
      const auto changed = passes::run_everywhere({"pass", run}, graph);
      EXPECT_TRUE(changed.ok() && ir::verify(graph).ok()) << ir::to_text(graph);
    }
    optimised();
    const auto want = run_reference(graph_, inputs_), got = run_reference(graph, inputs_);
    EXPECT_TRUE(want.ok() && got.ok()) << ir::to_text(graph);
    for (const auto& [name, w] : *want)
      for (std::size_t i = 0; i < w.values.size(); ++i)
        EXPECT_NEAR(got->at(name).values[i], w.values[i], 1e-12) << name << " at " << i;
    std::string out;
    for (const ir::Node& n : graph.nodes) {
      out += std::string(out.empty() ? "" : " ") + std::string(ir::op_name(n.op));
      for (const auto& [name, value] : n.attrs.all())
        if (n.op == ir::kOpRotary) out += " " + name + "=" + std::to_string(n.attrs.i(name));
    }
    return out;
  }
  void restart() {
    graph_ = {};
    inputs_.clear();
  }
};

// Llama's, whose heads come first, and what the pass makes of its graph.
TEST_F(Rotary, HalvesOfHeads) {
  const ValueId x = input("x", {2, 3, 4, 6}), cos = input("cos", {2, 1, 3, 6}),
                sin = input("sin", {1, 1, 3, 6});
  output(halves(heads_first(x), cos, sin));
  EXPECT_EQ(ir::to_text(graph_).find("rotary"), std::string::npos);
  EXPECT_EQ(fused(), "rotary by_head=1 heads=4 steps_first=1");
  EXPECT_THAT(text_,
              testing::HasSubstr("rotary(%x, %cos, %sin) {by_head=1, heads=4, steps_first=1}"));
  restart();
  output(halves(input("x", {2, 4, 3, 6}), input("cos", {3, 6}), input("sin", {1, 3, 6})));
  EXPECT_EQ(fused(), "rotary heads=4");
}

// GPT-J's, whose steps come first, of the first part of a head, before its heads go first.
TEST_F(Rotary, NeighboursOfPartsOfHeads) {
  const ValueId x = input("x", {2, 3, 4, 10}), cos = input("cos", {2, 3, 1, 6}),
                sin = input("sin", {2, 3, 1, 6});
  const ValueId y = concat(neighbours(columns(x, 0, 6), cos, sin), columns(x, 6, 10));
  output(heads_first(y));
  EXPECT_EQ(fused(), "rotary by_head=1 heads=4 interleaved=1 steps_first=1 width=6");
  restart();
  const ValueId z = input("x", {2, 3, 4, 6});
  output(neighbours(z, input("cos", {2, 3, 1, 6}), input("sin", {1, 3, 1, 6})));
  EXPECT_EQ(fused(), "rotary heads=4 interleaved=1 steps_first=1");
}

// NeoX's: a part of heads that come first.
TEST_F(Rotary, HalvesOfPartsOfHeads) {
  const ValueId x = heads_first(input("x", {2, 3, 4, 9}));
  const ValueId cos = input("cos", {1, 1, 3, 4}), sin = input("sin", {1, 1, 3, 4});
  output(concat(halves(columns(x, 0, 4), cos, sin), columns(x, 4, 9)));
  EXPECT_EQ(fused(), "rotary by_head=1 heads=4 steps_first=1 width=4");
}

TEST_F(Rotary, BothPartsWrittenOut) {
  for (const bool interleaved : {false, true}) {
    restart();
    const ValueId x = input("x", {2, 4, 3, 6});
    output(parts(x, input("cos", {2, 1, 3, 3}), input("sin", {2, 1, 3, 3}), interleaved));
    EXPECT_EQ(fused(), interleaved ? "rotary heads=4 interleaved=1" : "rotary heads=4");
  }
}

// A single pair is both halves and neighbours; a single step has its heads on either axis.
TEST_F(Rotary, OnePairAndOneStep) {
  output(halves(input("x", {2, 4, 1, 2}), input("cos", {1, 1, 1, 2}), input("sin", {2, 1, 1, 2})));
  EXPECT_EQ(fused(), "rotary heads=4");
  restart();
  output(halves(input("x", {2, 1, 4, 4}), input("cos", {1, 1, 1, 4}), input("sin", {2, 1, 1, 4})));
  EXPECT_EQ(fused(), "rotary heads=4 steps_first=1");
}

// The keys' rotation is an output too; what it was made of is read elsewhere.
TEST_F(Rotary, LeavesWhatIsReadElsewhere) {
  const ValueId x = heads_first(input("x", {2, 3, 4, 6}));
  const ValueId y = halves(x, input("cos", {1, 1, 3, 6}), input("sin", {1, 1, 3, 6}));
  output(binary(Binary::kAdd, y, x));
  graph_.outputs.push_back({"k", y});
  EXPECT_EQ(fused(), "transpose rotary by_head=1 heads=4 steps_first=1 binary");
  // A transpose of a rotation that is an output stays one.
  restart();
  const ValueId z =
      neighbours(input("x", {2, 3, 4, 6}), input("cos", {1, 3, 1, 6}), input("sin", {1, 3, 1, 6}));
  output(heads_first(z));
  graph_.outputs.push_back({"k", z});
  EXPECT_EQ(fused(), "rotary heads=4 interleaved=1 steps_first=1 transpose");
}

// Other signs, parts of different values or lengths, angles for each head, and a result that is
// larger than x.
TEST_F(Rotary, WhatIsNoRotationStays) {
  const Dims dims = {2, 4, 3, 6};
  for (int form = 0; form < 8; ++form) {
    restart();
    const ValueId x = input("x", dims), z = form == 0 ? input("z", dims) : x;
    const std::int64_t cut = form == 1 ? 2 : 3;
    const ValueId cos = input("cos", form == 2   ? Dims{1, 4, 3, 6}
                                     : form == 3 ? Dims{4, 3, 6}
                                     : form == 4 ? Dims{1, 1, 1, 6}
                                                 : Dims{1, 1, 3, 6});
    const ValueId a = columns(z, 0, cut), b = columns(x, cut, 6);
    const ValueId turned = form == 5   ? concat(a, neg(b))
                           : form == 6 ? concat(b, a)
                           : form == 7 ? concat(neg(a), b)
                                       : concat(neg(b), a);
    output(binary(form == 6 ? Binary::kSub : Binary::kAdd, mul(x, cos), mul(turned, cos)));
    EXPECT_THAT(fused(), testing::Not(testing::HasSubstr("rotary"))) << form;
  }
}

// Steps of one name and angles of another, of which there may be one for all steps at run time.
TEST_F(Rotary, AnglesOfAnotherName) {
  for (const char* steps : {"T", "S", ""}) {
    restart();
    const ValueId x = input("x", {2, 4, 3, 6}), cos = input("cos", {1, 1, 3, 6}),
                  sin = input("sin", {1, 1, 3, 6});
    graph_.values[static_cast<std::size_t>(x)].shape[2] = Dim("T");
    for (const ValueId angles : {cos, sin})
      graph_.values[static_cast<std::size_t>(angles)].shape[2] = Dim(steps);
    output(halves(x, cos, sin));
    const auto changed = passes::fuse_rotary(graph_);
    ASSERT_TRUE(changed.ok() && ir::verify(graph_).ok());
    EXPECT_EQ(*changed, std::string(steps) != "S") << steps;
  }
}

// Attention of rotated queries and keys behind a past: the rotations write what it reads.
TEST_F(Rotary, InAttentionWithAPast) {
  const ValueId x = input("x", {2, 3, 8}), cos = input("cos", {1, 1, 3, 4}),
                sin = input("sin", {1, 1, 3, 4});
  const auto by_head = [&] {
    const ValueId made = node(OpKind::kLinear, {x, weights({8, 8})});
    return heads_first(node(OpKind::kReshape, {made}, {{"dims", Dims{2, 3, 2, 4}}}));
  };
  const ValueId q = halves(by_head(), cos, sin), k = halves(by_head(), cos, sin);
  const auto behind = [&](const char* past, ValueId more) {
    return node(OpKind::kConcat, {input(past, {2, 2, 5, 4}), more}, {{"axis", std::int64_t{2}}});
  };
  const ValueId keys = behind("past_k", k), values = behind("past_v", by_head());
  const ValueId scores =
      node(OpKind::kMatMul, {q, keys}, {{"transpose_b", std::int64_t{1}}, {"alpha", 0.5}});
  const ValueId heard = heads_first(node(
      OpKind::kMatMul, {node(OpKind::kSoftmax, {scores}, {{"axis", std::int64_t{3}}}), values}));
  output(node(OpKind::kReshape, {heard}, {{"dims", Dims{2, 3, 8}}}));
  EXPECT_THAT(optimised(), testing::ElementsAre("linear", "reshape", "rotary", "linear", "reshape",
                                                "rotary", "concat", "linear", "reshape",
                                                "transpose", "concat", "attention"));
}

}  // namespace
}  // namespace antiphon::test
