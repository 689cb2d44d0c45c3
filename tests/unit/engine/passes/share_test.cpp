// Residuals in bytes: layers read and write what Quantize nodes make, sums are programs on bytes.
#include <functional>

#include "tests/unit/engine/passes/bytes_fixture.h"

namespace antiphon::test {
namespace {

using ir::InputQuantizer;
using ir::Node;
using ir::ValueId;
using testing::HasSubstr;

const InputQuantizer kFirst{0.03f, 100, 255}, kOne{0.05f, 10, 255}, kTwo{0.075f, 90, 255};
constexpr double kRounding =
    1e-6;  // no sum of a byte of each lies in the middle of two steps: thirds

class ShareBytes : public BytesTest {
 protected:
  ValueId pair_node(ir::OpKind op, const std::string& name, ValueId x, const InputQuantizer& q,
                    bool is_signed) {
    Node node;
    node.op = op;
    node.name = name;
    node.inputs = {x, ir::add_constant(graph_, name + ".scale", DType::kF32, {1}, &q.scale)};
    node.attrs.set("zero", std::int64_t{q.zero - (is_signed ? 128 : 0)});
    if (op == ir::OpKind::kQuantize) node.attrs.set("low", std::int64_t{is_signed ? -128 : 0});
    const Shape& s = shape(x);
    return add(std::move(node), {1, s[1].extent, s[2].extent, s[3].extent});
  }
  ValueId quantize(const std::string& name, ValueId x, const InputQuantizer& q,
                   bool is_signed = false) {
    const ValueId y = pair_node(ir::OpKind::kQuantize, name, x, q, is_signed);
    graph_.values[static_cast<std::size_t>(y)].dtype = is_signed ? DType::kI8 : DType::kU8;
    return y;
  }
  ValueId dequantize(const std::string& name, ValueId x, const InputQuantizer& q,
                     bool is_signed = false) {
    return pair_node(ir::OpKind::kDequantize, name, x, q, is_signed);
  }
  ValueId sum(const char* name, ValueId a, ValueId b) {
    Node node;
    node.op = ir::OpKind::kBinary;
    node.name = name;
    node.inputs = {a, b};
    node.attrs.set("op", static_cast<std::int64_t>(Binary::kAdd));
    const Shape& s = shape(a);
    return add(std::move(node), {1, s[1].extent, s[2].extent, s[3].extent});
  }

  // Two layers, the sum of both, and a layer on it; what reads a sum's bytes again.
  void residual(bool is_signed) {
    const ValueId a = conv("a", x_, kFirst), a_bytes = quantize("qa", a, kOne, is_signed);
    const ValueId b = conv("b", a, kOne), b_bytes = quantize("qb", b, kTwo, is_signed);
    const ValueId c = sum("c", dequantize("da", a_bytes, kOne, is_signed),
                          dequantize("db", b_bytes, kTwo, is_signed));
    const ValueId c_bytes = quantize("qc", c, kTwo, is_signed);
    output("d", conv("d", c, kTwo));
    output("mean", pool("mean", dequantize("dc", c_bytes, kTwo, is_signed), ir::Pool::kAverage));
  }
};

TEST_F(ShareBytes, ResidualsAreBytesThroughout) {
  for (const bool is_signed : {false, true}) {
    graph_.nodes.clear();
    graph_.outputs.clear();
    residual(is_signed);
    EXPECT_LE(change_by(passes::share_bytes), kRounding);
    EXPECT_LE(change_by(passes::fuse_bytes), kRounding);
    std::map<std::string, int> ops;
    for (const Node& n : graph_.nodes) ++ops[std::string(ir::op_name(n.op))];
    EXPECT_EQ(ops["quantize"], 0) << ir::to_text(graph_);
    EXPECT_EQ(ops["pointwise"], 1);
    for (const char* name : {"a", "b", "c"})
      EXPECT_EQ(dtype(node(name).outputs[0]), DType::kU8) << name;
    for (const char* name : {"b", "d"}) EXPECT_EQ(dtype(node(name).inputs[0]), DType::kU8) << name;
    EXPECT_EQ(dtype(node("d").outputs[0]), DType::kF32);
    EXPECT_THAT(ir::to_text(graph_), HasSubstr("from_bytes r0"));
    EXPECT_THAT(ir::to_text(graph_), HasSubstr("to_bytes"));
  }
}

TEST_F(ShareBytes, WhatElseIsReadStaysF32) {
  const ValueId a = conv("a", x_, kFirst), bytes = quantize("qa", a, kOne);
  output("a", a);
  output("b", conv("b", dequantize("da", bytes, kOne), kTwo));
  change_by(passes::share_bytes, false);
  EXPECT_EQ(dtype(a), DType::kF32);
}

TEST_F(ShareBytes, OtherNumbersAreNotShared) {
  const ValueId a = conv("a", x_, kFirst), bytes = quantize("qa", a, kOne);
  output("b", conv("b", a, kTwo));
  output("c", sum("c", dequantize("d1", bytes, kOne), dequantize("d2", bytes, kOne)));
  change_by(passes::share_bytes, false);
  EXPECT_EQ(node("b").inputs[0], a);
}

// A sum that only layers of one set of numbers read, whoever found these.
TEST_F(ShareBytes, SumsForLayersAloneAreBytes) {
  const ValueId a = conv("a", x_, kFirst), b = conv("b", x_, kFirst);
  const ValueId c = sum("c", a, b);
  output("d", conv("d", c, kTwo));
  output("e", conv("e", c, kTwo));
  EXPECT_LE(change_by(passes::share_bytes), kRounding);
  EXPECT_LE(change_by(passes::fuse_bytes), kRounding);
  EXPECT_EQ(dtype(node("c").outputs[0]), DType::kU8) << ir::to_text(graph_);
  EXPECT_EQ(node("d").inputs[0], node("e").inputs[0]);
}

TEST_F(ShareBytes, SumsForLayersOfOtherNumbersStayF32) {
  const ValueId c = sum("c", conv("a", x_, kFirst), conv("b", x_, kFirst));
  output("d", conv("d", c, kTwo));
  output("e", conv("e", c, kOne));
  change_by(passes::share_bytes, false);
  EXPECT_EQ(dtype(c), DType::kF32);
}

TEST_F(ShareBytes, VerifierRefusesProgramsThatMixBytesAndNumbers) {
  residual(false);
  ASSERT_TRUE(passes::share_bytes(graph_).ok() && passes::fuse_bytes(graph_).ok());
  ASSERT_TRUE(ir::verify(graph_).ok());
  const auto refused = [&](const std::function<void(std::vector<ir::PointwiseStep>&)>& damage) {
    ir::Graph graph = graph_.clone();
    for (Node& n : graph.nodes)
      if (n.op == ir::OpKind::kPointwise) damage(n.pointwise.steps);
    return !ir::verify(graph).ok();
  };
  using Kind = ir::PointwiseStep::Kind;
  EXPECT_TRUE(refused([](auto& steps) { steps[0].low = 0; }));
  EXPECT_TRUE(refused([](auto& steps) { steps[0].high = 256; }));
  EXPECT_TRUE(refused([](auto& steps) { steps[0].high = 0.5f; }));
  EXPECT_TRUE(refused([](auto& steps) { steps[0].a = 2; }));  // not an input
  EXPECT_TRUE(refused([](auto& steps) { steps[0].kind = Kind::kToBytes; }));
  EXPECT_TRUE(refused([](auto& steps) { steps.back().a = 0; }));  // bytes again
  EXPECT_TRUE(refused([](auto& steps) { steps.back().kind = Kind::kClamp; }));
}

}  // namespace
}  // namespace antiphon::test
