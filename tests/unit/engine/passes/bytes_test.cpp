// Bytes that stay bytes between convolutions: which values become u8, with which numbers, and that
// no number changes where the readers agree.
#include <algorithm>
#include <functional>

#include "engine/ir/input_quantizer.h"
#include "engine/ir/op_enums.h"
#include "tests/unit/engine/passes/pass_fixture.h"

namespace antiphon::test {
namespace {

using ir::InputQuantizer;
using ir::kNoValue;
using ir::Node;
using ir::ValueId;
using testing::HasSubstr;
using Dims = std::vector<std::int64_t>;

const InputQuantizer kFirst{0.03f, 100, 255}, kInner{0.05f, 10, 255};

// A graph of layers with the channels last, made by hand: x [1, 6, 8, 8].
class KeepBytes : public testing::Test {
 protected:
  KeepBytes() {
    ir::ValueInfo x;
    x.name = "x";
    x.kind = ir::ValueKind::kInput;
    x.shape = {Dim(1), Dim(6), Dim(8), Dim(8)};
    x_ = graph_.add_value(std::move(x));
    graph_.inputs.push_back(x_);
  }

  ValueId add(Node node, Dims dims) {
    ir::ValueInfo y;
    y.name = node.name + ".y";
    for (const std::int64_t d : dims) y.shape.emplace_back(d);
    node.outputs = {graph_.add_value(std::move(y))};
    graph_.nodes.push_back(std::move(node));
    return graph_.nodes.back().outputs[0];
  }
  const Shape& shape(ValueId id) const { return graph_.values[static_cast<std::size_t>(id)].shape; }

  ValueId constant(const std::string& name, Dims dims) {
    const RefTensor t = random_ref(dims, ++seed_);
    const std::vector<float> data(t.values.begin(), t.values.end());
    return ir::add_constant(graph_, name, DType::kF32, dims, data.data());
  }

  // 3 x 3 with padding, relu; as many outputs as inputs.
  ValueId conv(const char* name, ValueId x, const InputQuantizer& numbers,
               ValueId residual = kNoValue) {
    const std::int64_t c = shape(x)[3].extent, outputs = 8;
    const RefTensor w = random_ref({outputs, c, 3, 3}, ++seed_, -90, 90);
    std::vector<std::int8_t> bytes;
    for (const double v : w.values) bytes.push_back(static_cast<std::int8_t>(v));
    const std::vector<float> scales(static_cast<std::size_t>(outputs), 2e-3f);
    Node node;
    node.op = ir::kOpConvLast;
    node.name = name;
    node.inputs = {
        x, ir::add_constant(graph_, std::string(name) + ".w", DType::kI8, w.dims, bytes.data()),
        ir::add_constant(graph_, std::string(name) + ".s", DType::kF32, {outputs}, scales.data()),
        constant(std::string(name) + ".b", {outputs})};
    if (residual != kNoValue) node.inputs.push_back(residual);
    node.attrs.set("pads", Dims{1, 1, 1, 1});
    node.attrs.set("act", static_cast<std::int64_t>(Unary::kRelu));
    ir::set_input_quantizer(node.attrs, numbers);
    return add(std::move(node), {1, shape(x)[1].extent, shape(x)[2].extent, outputs});
  }
  ValueId pool(const char* name, ValueId x, ir::Pool op = ir::Pool::kMax) {
    Node node;
    node.op = ir::kOpPoolLast;
    node.name = name;
    node.inputs = {x};
    node.attrs.set("op", static_cast<std::int64_t>(op));
    node.attrs.set("kernel", Dims{2, 2});
    node.attrs.set("strides", Dims{2, 2});
    return add(std::move(node),
               {1, shape(x)[1].extent / 2, shape(x)[2].extent / 2, shape(x)[3].extent});
  }
  ValueId grow(const char* name, ValueId x, const InputQuantizer* numbers = nullptr) {
    Node node;
    node.op = ir::kOpConvTransposeLast;
    node.name = name;
    node.inputs = {x, constant(std::string(name) + ".w", {shape(x)[3].extent, 5, 2, 2})};
    node.attrs.set("strides", Dims{2, 2});
    if (numbers) ir::set_input_quantizer(node.attrs, *numbers);
    return add(std::move(node), {1, 2 * shape(x)[1].extent, 2 * shape(x)[2].extent, 5});
  }
  ValueId join(const char* name, ValueId a, ValueId b) {
    Node node;
    node.op = ir::OpKind::kConcat;
    node.name = name;
    node.inputs = {a, b};
    node.attrs.set("axis", std::int64_t{3});
    return add(std::move(node), {1, shape(a)[1].extent, shape(a)[2].extent,
                                 shape(a)[3].extent + shape(b)[3].extent});
  }
  void output(const char* name, ValueId id) { graph_.outputs.push_back({name, id}); }

  DType dtype(ValueId id) const { return graph_.values[static_cast<std::size_t>(id)].dtype; }
  const Node& node(const char* name) const {
    const auto found = std::find_if(graph_.nodes.begin(), graph_.nodes.end(),
                                    [&](const Node& n) { return n.name == name; });
    EXPECT_NE(found, graph_.nodes.end()) << name;
    return *found;
  }

  RefTensors values(const ir::Graph& graph) {
    const auto out = run_reference(graph, {{"x", random_ref({1, 6, 8, 8}, 77, -3, 3)}});
    EXPECT_TRUE(out.ok()) << out.status().to_string();
    return *out;
  }

  // Runs the pass. Largest change of an output.
  double keep(bool expect_change = true) {
    const RefTensors before = values(graph_);
    const auto changed = passes::keep_bytes(graph_);
    EXPECT_TRUE(changed.ok() && *changed == expect_change);
    const Status status = ir::verify(graph_);
    EXPECT_TRUE(status.ok()) << status.to_string() << "\n" << ir::to_text(graph_);
    const RefTensors after = values(graph_);
    double most = 0;
    for (const auto& [name, want] : before)
      for (std::size_t i = 0; i < want.values.size(); ++i)
        most = std::max(most, std::abs(after.at(name).values[i] - want.values[i]));
    return most;
  }

  ir::Graph graph_;
  ValueId x_ = kNoValue;
  std::uint64_t seed_ = 0;
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
