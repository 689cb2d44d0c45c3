// Bytes that stay bytes between convolutions: which values become u8, with which numbers, and that
// no number changes where the readers agree.
#include <algorithm>
#include <functional>

#include "tests/unit/engine/passes/bytes_fixture.h"

namespace antiphon::test {
namespace {

using ir::InputQuantizer;
using ir::kNoValue;
using ir::Node;
using ir::ValueId;
using testing::HasSubstr;
using Dims = std::vector<std::int64_t>;

const InputQuantizer kFirst{0.03f, 100, 255}, kInner{0.05f, 10, 255};

class KeepBytes : public BytesTest {
 protected:
  double keep(bool expect_change = true) { return change_by(passes::keep_bytes, expect_change); }
};

constexpr double kRounding = 1e-9;  // of doubles

TEST_F(KeepBytes, ThroughMaximaWithoutChangingAnyNumber) {
  const ValueId a = conv("a", x_, kFirst), p = pool("p", a);
  const ValueId b = conv("b", p, kInner);
  output("y", b);
  EXPECT_LE(keep(), kRounding);
  EXPECT_EQ(dtype(a), DType::kU8);
  EXPECT_EQ(dtype(p), DType::kU8);
  EXPECT_EQ(dtype(b), DType::kF32);  // an output
  EXPECT_EQ(ir::output_quantizer(node("a").attrs), kInner);
  EXPECT_EQ(ir::input_quantizer(node("b").attrs), kInner);
}

TEST_F(KeepBytes, TransposedConvolutionsReadThem) {
  const ValueId a = conv("a", x_, kFirst), grown = grow("grow", a, &kInner);
  output("y", conv("b", grown, kFirst));
  EXPECT_LE(keep(), kRounding);
  EXPECT_EQ(dtype(a), DType::kU8);
  EXPECT_EQ(dtype(grown), DType::kU8);
  EXPECT_EQ(ir::output_quantizer(node("a").attrs), kInner);
  EXPECT_EQ(ir::output_quantizer(node("grow").attrs), kFirst);
}

TEST_F(KeepBytes, ExplicitBytesStayExact) {
  InputQuantizer exact = kInner;
  exact.exact = true;
  const ValueId a = conv("a", x_, kFirst), b = conv("b", a, exact);
  output("y", b);
  EXPECT_LE(keep(), kRounding);
  EXPECT_EQ(dtype(a), DType::kU8);
  EXPECT_TRUE(ir::input_quantizer(node("b").attrs)->exact);
}

TEST_F(KeepBytes, ReadersShareTheNumbersOfTheWidestRange) {
  const ValueId a = conv("a", x_, kFirst), p = pool("p", a), inner = conv("inner", p, kInner);
  const ValueId joined = join("joined", a, grow("grow", inner));
  output("y", conv("b", joined, {0.04f, 30, 255}));
  // Bytes of both readers' ranges, [-1.2, 12.25]: half a step of every input more.
  EXPECT_LE(keep(), 3 * 3 * 13 * 90 * 2e-3 * 0.06);
  for (const char* name : {"a", "grow"}) {
    const auto made = ir::output_quantizer(node(name).attrs);
    ASSERT_TRUE(made.has_value()) << name;
    EXPECT_NEAR(made->scale, 13.45 / 255, 1e-6);
    EXPECT_EQ(made->zero, 23);
    EXPECT_EQ(*made, *ir::input_quantizer(node("inner").attrs));
    EXPECT_EQ(*made, *ir::input_quantizer(node("b").attrs));
  }
  EXPECT_EQ(dtype(joined), DType::kU8);
  const auto placed = passes::place_concats(graph_);
  EXPECT_TRUE(placed.ok() && *placed);
  EXPECT_TRUE(ir::verify(graph_).ok()) << ir::verify(graph_).to_string();
}

TEST_F(KeepBytes, NotWhereSharingWouldCostPrecision) {
  const ValueId a = conv("a", x_, kFirst);
  output("y", conv("b", a, {0.05f, 0, 255}));
  output("z", conv("c", a, {0.02f, 0, 255}));
  EXPECT_EQ(keep(false), 0);
}

TEST_F(KeepBytes, NotWhereExplicitNumbersDiffer) {
  const ValueId a = conv("a", x_, kFirst);
  output("y", conv("b", a, {0.05f, 0, 255, true}));
  output("z", conv("c", a, {0.04f, 0, 255, true}));
  EXPECT_EQ(keep(false), 0);
}

TEST_F(KeepBytes, NotWhatOthersRead) {
  const ValueId a = conv("a", x_, kFirst);
  const ValueId averages = pool("averages", a, ir::Pool::kAverage);
  output("y", conv("b", a, kInner));
  output("z", averages);
  const ValueId c = conv("c", x_, kFirst);  // a residual
  output("w", conv("d", c, kInner, c));
  EXPECT_EQ(keep(false), 0);
}

TEST_F(KeepBytes, NotBehindAnActivationThatTheProductCannotDo) {
  const ValueId a = conv("a", x_, kFirst);
  graph_.nodes.back().attrs.set("act", static_cast<std::int64_t>(Unary::kTanh));
  output("y", conv("b", a, kInner));
  EXPECT_EQ(keep(false), 0);
}

TEST_F(KeepBytes, VerifierRefusesNumbersThatAreNone) {
  const ValueId a = conv("a", x_, kFirst), b = conv("b", a, kInner);
  output("y", b);
  keep();
  const auto problem = [&](const std::function<void(Node&)>& damage) {
    ir::Graph graph = graph_.clone();
    damage(graph.nodes.front());
    return ir::verify(graph).message();
  };
  EXPECT_THAT(problem([](Node& n) { n.attrs.set("y_scale", 0.0); }), HasSubstr("y_scale"));
  EXPECT_THAT(problem([](Node& n) { n.attrs.set("y_zero", std::int64_t{300}); }),
              HasSubstr("y_zero"));
  EXPECT_THAT(problem([](Node& n) { n.attrs.erase("y_scale"); }), HasSubstr("y_scale"));
  ir::Graph graph = graph_.clone();  // bytes that the reader does not know
  for (const char* name : {"x_scale", "x_zero", "x_levels"}) graph.nodes.back().attrs.erase(name);
  EXPECT_FALSE(ir::verify(graph).ok());
}

}  // namespace
}  // namespace antiphon::test
