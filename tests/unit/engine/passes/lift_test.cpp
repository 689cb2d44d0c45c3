// Bytes become numbers before they are moved; layers behind moves still run on their bytes.
#include "tests/unit/engine/passes/pass_fixture.h"

namespace antiphon::test {
namespace {

class Lifted : public PassTest {
 protected:
  // x [B, 2, 3] -> bytes -> turned to [B, 3, 2] -> numbers, by a Dequantize node of each of
  // these zero points.
  ir::Graph turned_bytes(const std::vector<std::int64_t>& zeros) {
    ir::Graph graph;
    graph.name = "bytes";
    const auto value = [&](const char* name, ir::ValueKind kind, DType dtype, Shape shape) {
      ir::ValueInfo info;
      info.name = name;
      info.kind = kind;
      info.dtype = dtype;
      info.shape = std::move(shape);
      return graph.add_value(std::move(info));
    };
    const auto node = [&](ir::OpKind op, const std::string& name, std::vector<ir::ValueId> inputs,
                          ir::ValueId output) -> ir::Node& {
      ir::Node& out = graph.nodes.emplace_back();
      out.op = op;
      out.name = name;
      out.inputs = std::move(inputs);
      out.outputs = {output};
      return out;
    };
    const auto x = value("x", ir::ValueKind::kInput, DType::kF32, {"B", 2, 3});
    const auto bytes = value("bytes", ir::ValueKind::kTemp, DType::kU8, {"B", 2, 3});
    const auto turned = value("turned", ir::ValueKind::kTemp, DType::kU8, {"B", 3, 2});
    const float step = 0.25f;
    const auto scale = ir::add_constant(graph, "scale", DType::kF32, {1}, &step);
    graph.inputs = {x};
    ir::Node& to_bytes = node(ir::OpKind::kQuantize, "to_bytes", {x, scale}, bytes);
    to_bytes.attrs.set("zero", std::int64_t{7});
    to_bytes.attrs.set("low", std::int64_t{0});
    node(ir::OpKind::kTranspose, "turn", {bytes}, turned)
        .attrs.set("order", std::vector<std::int64_t>{0, 2, 1});
    for (std::size_t i = 0; i < zeros.size(); ++i) {
      const std::string name = "y" + std::to_string(i);
      const auto y = value(name.c_str(), ir::ValueKind::kTemp, DType::kF32, {"B", 3, 2});
      node(ir::OpKind::kDequantize, "back" + std::to_string(i), {turned, scale}, y)
          .attrs.set("zero", zeros[i]);
      graph.outputs.push_back({name, y});
    }
    EXPECT_TRUE(ir::verify(graph).ok()) << ir::verify(graph).to_string();
    return graph;
  }

  static bool lift(ir::Graph& graph) {
    const auto changed = passes::run_everywhere({"lift", passes::lift_dequantize}, graph);
    EXPECT_TRUE(changed.ok() && ir::verify(graph).ok()) << ir::verify(graph).to_string();
    return *changed;
  }

  static RefTensors numbers(const ir::Graph& graph) {
    RefTensors inputs;
    inputs["x"] = random_ref({2, 2, 3}, 5);
    const auto out = run_reference(graph, inputs, nullptr);
    EXPECT_TRUE(out.ok()) << out.status().to_string();
    return *out;
  }
};

TEST_F(Lifted, NumbersAreTurnedInsteadOfBytes) {
  ir::Graph graph = turned_bytes({7, 7});
  const RefTensors want = numbers(graph);
  ASSERT_TRUE(lift(graph));
  EXPECT_EQ(nodes_text(graph),
            "  %bytes: u8[B, 2, 3] = quantize(%x, %scale) {low=0, zero=7}\n"
            "  %bytes.wide: f32[B, 2, 3] = dequantize(%bytes, %scale) {zero=7}\n"
            "  %turned: f32[B, 3, 2] = transpose(%bytes.wide) {order=[0, 2, 1]}\n");
  expect_near(numbers(graph), want);
}

TEST_F(Lifted, BytesThatBecomeDifferentNumbersStay) {
  ir::Graph graph = turned_bytes({7, 8});
  EXPECT_FALSE(lift(graph));
}

TEST_F(Lifted, BytesThatLeaveTheGraphStay) {
  ir::Graph graph = turned_bytes({7});
  graph.outputs.push_back({"turned", graph.nodes[1].outputs[0]});
  EXPECT_FALSE(lift(graph));
}

// A layer behind the move rounds what it reads to the same bytes: the pair goes.
TEST_F(Lifted, LayersBehindMovesRunOnTheBytes) {
  ir::Graph graph = turned_bytes({7});
  const std::int8_t w[] = {1, -2, 3, 4};
  const float steps[] = {0.5f, 0.25f};
  const auto bytes = ir::add_constant(graph, "w", DType::kI8, {2, 2}, w);
  const auto scales = ir::add_constant(graph, "w_scale", DType::kF32, {2}, steps);
  ir::ValueInfo wide = graph.values[static_cast<std::size_t>(graph.outputs[0].value)];
  wide.name = "wide";
  wide.shape = {2, 2};
  const auto weights = graph.add_value(wide);
  wide.name = "layer";
  wide.shape = {"B", 3, 2};
  const auto layer = graph.add_value(wide);
  ir::Node expand, linear;
  expand.op = ir::OpKind::kDequantize;
  expand.name = "expand";
  expand.inputs = {bytes, scales};
  expand.outputs = {weights};
  expand.attrs.set("axis", std::int64_t{0});
  linear.op = ir::OpKind::kLinear;
  linear.name = "layer";
  linear.inputs = {graph.outputs[0].value, weights};
  linear.outputs = {layer};
  graph.nodes.push_back(std::move(expand));
  graph.nodes.push_back(std::move(linear));
  graph.outputs = {{"layer", layer}};
  const RefTensors want = numbers(graph);
  ASSERT_TRUE(lift(graph));
  for (const Run run : {passes::fold_quantize, passes::eliminate_dead})
    ASSERT_TRUE(passes::run_everywhere({"pass", run}, graph).ok());
  ASSERT_TRUE(ir::verify(graph).ok()) << ir::verify(graph).to_string();
  EXPECT_EQ(nodes_text(graph),
            "  %turned: f32[B, 3, 2] = transpose(%x) {order=[0, 2, 1]}\n"
            "  %layer: f32[B, 3, 2] = linear(%turned, %w, %w_scale) {x_exact=1, x_levels=255, "
            "x_scale=0.25, x_zero=7}\n");
  expect_near(numbers(graph), want);
}

}  // namespace
}  // namespace antiphon::test
