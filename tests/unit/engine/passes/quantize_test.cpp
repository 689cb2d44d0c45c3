// Layers whose input becomes bytes: what passes keep of that, and what the verifier refuses.
#include <functional>

#include "engine/ir/input_quantizer.h"
#include "tests/unit/engine/passes/pass_fixture.h"

namespace antiphon::test {
namespace {

using testing::HasSubstr;

class Quantized : public PassTest {
 protected:
  // Two int8 linears of one x, with these quantisers.
  ir::Graph two_linears(const ir::InputQuantizer& a, const ir::InputQuantizer& b) {
    const Value x = net_.input("x", DType::kF32, {"B", 4});
    net_.output("a", net_.linear(x, int8_weights("wa", 3, 4)));
    net_.output("b", net_.linear(x, int8_weights("wb", 5, 4)));
    ir::Graph graph = net_.graph().clone();
    EXPECT_TRUE(passes::run_everywhere({"fold", passes::fold_dequantize}, graph).ok());
    const ir::InputQuantizer* next = &a;
    for (ir::Node& node : graph.nodes)
      if (node.op == ir::OpKind::kLinear)
        ir::set_input_quantizer(node.attrs, *std::exchange(next, &b));
    return graph;
  }
  static bool siblings_fuse(ir::Graph& graph) {
    const auto changed = passes::run_everywhere({"siblings", passes::fuse_siblings}, graph);
    EXPECT_TRUE(changed.ok() && ir::verify(graph).ok()) << ir::verify(graph).to_string();
    return *changed;
  }
};

TEST_F(Quantized, SiblingsOfOneQuantiserStayQuantised) {
  const ir::InputQuantizer quantizer{0.5f, 3, 255};
  ir::Graph graph = two_linears(quantizer, quantizer);
  ASSERT_TRUE(siblings_fuse(graph));
  int wide = 0;
  for (const ir::Node& node : graph.nodes) {
    if (node.op != ir::OpKind::kLinear) continue;
    const auto kept = ir::input_quantizer(node.attrs);
    ASSERT_TRUE(kept.has_value());
    EXPECT_EQ(*kept, quantizer);
    ++wide;
  }
  EXPECT_EQ(wide, 1);
}

TEST_F(Quantized, SiblingsOfTwoQuantisersStayApart) {
  ir::Graph graph = two_linears({0.5f, 3, 255}, {0.25f, 3, 255});
  EXPECT_FALSE(siblings_fuse(graph));
}

TEST_F(Quantized, BytesOfConstantsThatNothingReadsGo) {
  ir::Graph graph = two_linears({0.5f, 3, 255}, {0.5f, 3, 255});
  ASSERT_TRUE(siblings_fuse(graph));
  ASSERT_TRUE(passes::run_everywhere({"dead", passes::eliminate_dead}, graph).ok());
  std::size_t bytes = 0;
  for (const ir::ValueInfo& value : graph.values)
    if (value.kind == ir::ValueKind::kConstant) bytes += value.constant.bytes;
  EXPECT_EQ(bytes, 8u * 4 + 8u * 4);  // one matrix of 8 rows, and its scales
}

TEST_F(Quantized, VerifierRefusesNumbersThatAreNone) {
  const ir::Graph good = two_linears({0.5f, 3, 255}, {0.5f, 3, 255});
  ASSERT_TRUE(ir::verify(good).ok()) << ir::verify(good).to_string();
  const auto problem = [&](const std::function<void(ir::Node&)>& damage) {
    ir::Graph graph = good.clone();
    for (ir::Node& node : graph.nodes)
      if (node.op == ir::OpKind::kLinear) damage(node);
    return ir::verify(graph).message();
  };
  EXPECT_THAT(problem([](ir::Node& n) { n.attrs.set("x_scale", 0.0); }), HasSubstr("x_scale"));
  EXPECT_THAT(problem([](ir::Node& n) { n.attrs.set("x_scale", 1e-60); }), HasSubstr("x_scale"));
  EXPECT_THAT(problem([](ir::Node& n) { n.attrs.set("x_scale", 1e60); }), HasSubstr("x_scale"));
  EXPECT_THAT(problem([](ir::Node& n) { n.attrs.set("x_zero", std::int64_t{256}); }),
              HasSubstr("x_zero"));
  EXPECT_THAT(problem([](ir::Node& n) { n.attrs.set("x_zero", std::int64_t{-1}); }),
              HasSubstr("x_zero"));
  EXPECT_THAT(problem([](ir::Node& n) { n.attrs.set("x_levels", std::int64_t{256}); }),
              HasSubstr("x_levels"));
  EXPECT_THAT(problem([](ir::Node& n) { n.attrs.erase("x_scale"); }), HasSubstr("without x_scale"));
}

}  // namespace
}  // namespace antiphon::test
