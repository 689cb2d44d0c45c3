// Layers whose input becomes bytes: what passes keep of that, and what the verifier refuses.
#include <algorithm>
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

// x -> quantize -> dequantize -> linear, as the importer makes them of a model's own pairs.
struct Pairs {
  ir::Graph graph;
  std::size_t quantize = 0, dequantize = 0, linear = 0;
};

class ExplicitPairs : public PassTest {
 protected:
  Pairs pairs(std::int64_t low, std::int64_t zero, float scale) {
    const Value x = net_.input("x", DType::kF32, {"B", 4});
    net_.output("y", net_.linear(x, int8_weights("w", 3, 4)));
    Pairs out{net_.graph().clone()};
    ir::Graph& graph = out.graph;
    const auto linear = static_cast<std::size_t>(
        std::find_if(graph.nodes.begin(), graph.nodes.end(),
                     [](const ir::Node& n) { return n.op == ir::OpKind::kLinear; }) -
        graph.nodes.begin());
    const ir::ValueId id = graph.nodes[linear].inputs[0];
    const ir::ValueId s = ir::add_constant(graph, "s", DType::kF32, {1}, &scale);
    ir::ValueInfo bytes = graph.values[static_cast<std::size_t>(id)], wide = bytes;
    bytes.kind = wide.kind = ir::ValueKind::kTemp;
    bytes.name = "bytes";
    bytes.dtype = low == 0 ? DType::kU8 : DType::kI8;
    wide.name = "wide";
    const ir::ValueId b = graph.add_value(bytes), w = graph.add_value(wide);
    graph.nodes[linear].inputs[0] = w;
    for (const bool back : {true, false}) {
      ir::Node node;
      node.op = back ? ir::OpKind::kDequantize : ir::OpKind::kQuantize;
      node.name = back ? "back" : "to_bytes";
      node.inputs = {back ? b : id, s};
      node.outputs = {back ? w : b};
      node.attrs.set("zero", zero);
      if (!back) node.attrs.set("low", low);
      graph.nodes.insert(graph.nodes.begin(), std::move(node));
    }
    out.dequantize = 1;
    out.linear = linear + 2;
    EXPECT_TRUE(ir::verify(graph).ok()) << ir::verify(graph).to_string();
    return out;
  }
  static std::string input_of_linear(const Pairs& p) {
    return p.graph.values[static_cast<std::size_t>(p.graph.nodes[p.linear].inputs[0])].name;
  }
  static bool fold(Pairs& p) {
    const auto changed = passes::run_everywhere({"fold", passes::fold_quantize}, p.graph);
    EXPECT_TRUE(changed.ok() && ir::verify(p.graph).ok()) << ir::verify(p.graph).to_string();
    return *changed;
  }
  static ir::InputQuantizer quantizer(const Pairs& p) {
    return ir::input_quantizer(p.graph.nodes[p.linear].attrs).value_or(ir::InputQuantizer{0});
  }
};

TEST_F(ExplicitPairs, BecomeTheLayersOwn) {
  Pairs p = pairs(0, 7, 0.25f);
  ASSERT_TRUE(fold(p));
  EXPECT_EQ(quantizer(p), (ir::InputQuantizer{0.25f, 7, 255, true}));
  EXPECT_EQ(input_of_linear(p), "x");
}

TEST_F(ExplicitPairs, SignedBytesAreShifted) {
  Pairs p = pairs(-128, -3, 0.25f);
  ASSERT_TRUE(fold(p));
  EXPECT_EQ(quantizer(p), (ir::InputQuantizer{0.25f, 125, 255, true}));
  EXPECT_EQ(input_of_linear(p), "x");
}

TEST_F(ExplicitPairs, OtherBytesAreMadeAgainOfWhatTheyStandFor) {
  Pairs p = pairs(-127, 0, 0.25f);  // never -128: the layer's own bytes would be
  ASSERT_TRUE(fold(p));
  EXPECT_EQ(input_of_linear(p), "wide");
}

TEST_F(ExplicitPairs, StayWhereTheWeightsAreNotBytesByRow) {
  Pairs p = pairs(0, 7, 0.25f);
  for (ir::Node& node : p.graph.nodes)
    if (node.op == ir::OpKind::kDequantize && ir::is_constant(p.graph, node.inputs[0]))
      node.attrs.set("zero", std::int64_t{1});
  EXPECT_FALSE(fold(p));
}

}  // namespace
}  // namespace antiphon::test
