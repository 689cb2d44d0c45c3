// The verifier: good graphs pass; each broken field is named.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "engine/ir/op_enums.h"
#include "engine/ir/schema.h"
#include "engine/network.h"

namespace antiphon::ir {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// input x [B, 4] -> relu_0 -> tanh_0 -> output y; state s updated by tanh_0; a loop over c.
Graph sample() {
  Network net("sample");
  const Value x = net.input("x", DType::kF32, {"B", 4});
  const Value s = net.state("s", {"B", 4});
  const Value y = net.tanh(net.relu(net.add(x, s)));
  net.update(s, y);
  const std::array<Value, 1> carried = {y};
  const auto out = net.loop("steps", carried, std::array<Value, 0>{}, 0, 2, [&](LoopBody& body) {
    body.next(0, net.mul(body.carried(0), net.scalar(0.5f)));
  });
  net.output("y", out[0]);
  EXPECT_TRUE(net.status().ok()) << net.status().to_string();
  return net.graph().clone();
}

std::string problem(void (*breakage)(Graph&)) {
  Graph graph = sample();
  breakage(graph);
  const Status status = verify(graph);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  return status.message();
}

ValueInfo& value(Graph& graph, std::string_view name) {
  for (ValueInfo& info : graph.values)
    if (info.name == name) return info;
  ADD_FAILURE() << name;
  return graph.values[0];
}

TEST(Verify, AcceptsGoodGraphsAndTheirClones) {
  const Graph graph = sample();
  EXPECT_TRUE(verify(graph).ok()) << verify(graph).to_string();
  EXPECT_EQ(to_text(graph), to_text(graph.clone()));
}

TEST(Verify, NamesGraphNodeAndField) {
  EXPECT_EQ(problem([](Graph& g) {
              value(g, "relu_0").shape = {"B", 5};
            }),
            "graph 'sample': relu_0: output 0: shape: inferred [B, 4], recorded [B, 5]");
  EXPECT_THAT(problem([](Graph& g) { value(g, "relu_0").dtype = DType::kI32; }),
              HasSubstr("relu_0: output 0: dtype"));
}

TEST(Verify, UnknownExtentsAreAccepted) {
  Graph graph = sample();
  value(graph, "relu_0").shape[0] = Dim{};
  EXPECT_TRUE(verify(graph).ok()) << verify(graph).to_string();
}

TEST(Verify, FindsBrokenNodes) {
  EXPECT_THAT(problem([](Graph& g) { std::swap(g.nodes[0], g.nodes[1]); }),
              HasSubstr("relu_0: input 0: 'add_0' is not made before it"));
  EXPECT_THAT(problem([](Graph& g) { g.nodes[1].inputs[0] = 999; }), HasSubstr("no value 999"));
  EXPECT_THAT(problem([](Graph& g) { g.nodes[1].inputs[0] = -7; }), HasSubstr("no value -7"));
  EXPECT_THAT(problem([](Graph& g) { g.nodes[1].inputs.clear(); }),
              HasSubstr("relu_0: inputs: wanted 1, got 0"));
  EXPECT_THAT(problem([](Graph& g) { g.nodes[1].inputs[0] = kNoValue; }),
              HasSubstr("an input is absent"));
  EXPECT_THAT(problem([](Graph& g) { g.nodes[1].outputs.push_back(0); }),
              HasSubstr("relu_0: outputs"));
  EXPECT_THAT(problem([](Graph& g) { g.nodes[1].outputs[0] = g.nodes[0].outputs[0]; }),
              HasSubstr("listed twice"));
  EXPECT_THAT(problem([](Graph& g) { g.nodes[1].outputs[0] = kNoValue; }),
              HasSubstr("relu_0: output 0"));
  EXPECT_THAT(problem([](Graph& g) { g.nodes[1].name = "tanh_0"; }),
              HasSubstr("two nodes of this name"));
  EXPECT_THAT(problem([](Graph& g) { g.nodes[1].attrs.set("axis", std::int64_t{1}); }),
              HasSubstr("attribute axis is not one of unary"));
  EXPECT_THAT(problem([](Graph& g) { g.nodes[1].attrs.set("op", std::int64_t{77}); }),
              HasSubstr("attribute op"));
  EXPECT_THAT(problem([](Graph& g) { g.nodes[1].op = static_cast<OpKind>(200); }),
              HasSubstr("no such operator"));
}

// What the shape rule says of a node of f32 inputs; "": it takes them.
std::string refusal(OpKind op, const std::vector<Shape>& shapes,
                    const std::vector<std::pair<const char*, Attr>>& attrs) {
  Node node;
  node.op = op;
  node.outputs = {0};
  for (const auto& [name, value] : attrs) node.attrs.set(name, value);
  if (op == OpKind::kPointwise) {
    node.pointwise.steps = {{.kind = PointwiseStep::Kind::kUnary, .op = 0, .a = 0}};
    node.pointwise.results = {static_cast<std::int16_t>(shapes.size())};
  }
  std::vector<ValueType> types;
  for (const Shape& shape : shapes) types.push_back({DType::kF32, shape});
  std::vector<const ValueType*> inputs;
  for (const ValueType& type : types) inputs.push_back(type.shape.empty() ? nullptr : &type);
  const auto made = infer_outputs(node, inputs);
  return made.ok() ? "" : made.status().message();
}

TEST(ShapeRules, NormsAttentionAndParts) {
  const auto one = [](std::int64_t n) { return Attr(n); };
  EXPECT_EQ(refusal(OpKind::kLayerNorm, {{2, 4}, {4}}, {{"rms", one(1)}}), "");
  EXPECT_THAT(refusal(OpKind::kLayerNorm, {{2, 4}, {4}}, {}), HasSubstr("beta"));
  EXPECT_THAT(refusal(OpKind::kLayerNorm, {{2, 4}, {4}, {4}}, {{"rms", one(1)}}),
              HasSubstr("beta: given to a norm"));
  EXPECT_THAT(refusal(OpKind::kLayerNorm, {{2, 4}, {3}}, {{"rms", one(1)}}), HasSubstr("gamma"));

  const std::vector<Shape> grouped = {{1, 3, 24}, {1, 5, 12}, {1, 5, 12}};
  EXPECT_EQ(refusal(OpKind::kAttention, grouped, {{"heads", one(4)}, {"kv_heads", one(2)}}), "");
  EXPECT_THAT(refusal(OpKind::kAttention, grouped, {{"heads", one(4)}, {"kv_heads", one(3)}}),
              HasSubstr("kv_heads: wanted a divisor of heads"));
  EXPECT_THAT(refusal(OpKind::kAttention, grouped, {{"heads", one(4)}, {"kv_heads", one(0)}}),
              HasSubstr("kv_heads"));
  EXPECT_THAT(refusal(OpKind::kAttention, {{1, 3, 24}},
                      {{"heads", one(4)}, {"kv_heads", one(2)}, {"packed", one(1)}}),
              HasSubstr("beside packed qkv"));

  const auto parts = [&](std::vector<std::int64_t> begins, std::int64_t width) {
    return refusal(OpKind::kPointwise, {{3, 10}, {3, 1}},
                   {{"parts", Attr(std::move(begins))}, {"part_width", one(width)}});
  };
  EXPECT_EQ(parts({6, -1}, 4), "");
  EXPECT_THAT(parts({7, -1}, 4), HasSubstr("part_width: wanted 2 to what lies behind part 0"));
  EXPECT_THAT(parts({0, 0}, 4), HasSubstr("behind part 1"));
  EXPECT_THAT(parts({0}, 4), HasSubstr("parts: wanted one an input"));
  EXPECT_THAT(parts({-1, -1}, 4), HasSubstr("part_width: wanted the last extent of [3, 10]"));
  EXPECT_THAT(parts({std::int64_t{1} << 62, -1}, 4), HasSubstr("behind part 0"));
}

TEST(ShapeRules, Rotary) {
  using Attrs = std::vector<std::pair<const char*, std::int64_t>>;
  const auto said = [](const std::vector<Shape>& shapes, const Attrs& attrs) {
    std::vector<std::pair<const char*, Attr>> all;
    for (const auto& [name, value] : attrs) all.emplace_back(name, Attr(value));
    return refusal(kOpRotary, shapes, all);
  };
  const Shape flat = {"B", "T", 12}, by_head = {"B", 2, "T", 6}, cos = {"T", 3};
  EXPECT_EQ(said({flat, cos, cos}, {{"heads", 2}}), "");
  EXPECT_EQ(said({flat, {1, "T", 6}, {"B", 1, "T", 6}}, {{"heads", 2}, {"by_head", 1}}), "");
  EXPECT_EQ(said({by_head, {"B", "T", 1, 2}, {"T", 2}}, {{"heads", 2}, {"width", 4}}), "");
  EXPECT_EQ(said({{"B", "T", 2, 6}, cos, cos}, {{"heads", 2}, {"steps_first", 1}}), "");
  EXPECT_THAT(said({flat, cos, cos}, {}), HasSubstr("heads"));
  EXPECT_THAT(said({flat, cos, cos}, {{"heads", 5}}), HasSubstr("x: wanted [B, T, 5 x d]"));
  EXPECT_THAT(said({flat, cos, cos}, {{"heads", 2}, {"steps_first", 1}}),
              HasSubstr("x: wanted [B, T, 2, d]"));
  EXPECT_THAT(said({by_head, cos, cos}, {{"heads", 2}, {"by_head", 1}}), HasSubstr("by_head"));
  EXPECT_THAT(said({flat, cos, cos}, {{"heads", 2}, {"width", 5}}), HasSubstr("even number"));
  EXPECT_THAT(said({flat, cos, cos}, {{"heads", 2}, {"width", 8}}), HasSubstr("width"));
  EXPECT_THAT(said({flat, cos, {"T", 6}}, {{"heads", 2}}), HasSubstr("as many numbers a step"));
  EXPECT_THAT(said({flat, cos, {"T", 4}}, {{"heads", 2}}), HasSubstr("sin: wanted a last axis"));
  EXPECT_THAT(said({flat, {3}, cos}, {{"heads", 2}}), HasSubstr("cos"));
  EXPECT_THAT(said({flat, {1, 2, 2, 3}, cos}, {{"heads", 2}}), HasSubstr("cos: wanted [T, w]"));
  EXPECT_THAT(said({{2, 4, 12}, {5, 3}, {4, 3}}, {{"heads", 2}}), HasSubstr("cos"));
  EXPECT_THAT(said({{2, 4, 12}, {3, 4, 3}, {4, 3}}, {{"heads", 2}}), HasSubstr("cos"));
  EXPECT_THAT(said({flat, cos}, {{"heads", 2}}), HasSubstr("inputs: wanted 3"));
}

TEST(Verify, FindsBrokenEdges) {
  EXPECT_THAT(problem([](Graph& g) { value(g, "s").next = kNoValue; }),
              HasSubstr("state 's': next: not updated"));
  EXPECT_THAT(problem([](Graph& g) { value(g, "s").shape[1] = Dim(3); }),
              HasSubstr("graph 'sample'"));
  EXPECT_THAT(problem([](Graph& g) { g.outputs[0].value = 998; }),
              HasSubstr("output 'y': not made"));
  EXPECT_THAT(problem([](Graph& g) { g.outputs.push_back(g.outputs[0]); }),
              HasSubstr("named twice"));
  EXPECT_THAT(problem([](Graph& g) { g.inputs.push_back(g.inputs[0]); }),
              HasSubstr("input 'x': listed twice"));
  EXPECT_THAT(problem([](Graph& g) { g.states.push_back(g.inputs[0]); }),
              HasSubstr("of another kind"));
}

TEST(Verify, FindsBrokenBodies) {
  EXPECT_THAT(problem([](Graph& g) { g.nodes.back().body.reset(); }),
              HasSubstr("steps_0: body is absent"));
  EXPECT_THAT(problem([](Graph& g) { g.nodes.back().body->outputs.clear(); }),
              HasSubstr("body outputs: wanted 1, got 0"));
  EXPECT_THAT(problem([](Graph& g) { g.nodes.back().body->nodes.clear(); }),
              HasSubstr("is not made"));
  EXPECT_THAT(problem([](Graph& g) { g.nodes.back().body->inputs.clear(); }),
              HasSubstr("body inputs: wanted 1, got 0"));
  EXPECT_THAT(problem([](Graph& g) { value(*g.nodes.back().body, "carried_0").shape[1] = Dim(9); }),
              HasSubstr("body input 0: shape"));
  EXPECT_THAT(problem([](Graph& g) { value(*g.nodes.back().body, "mul_0").shape[1] = Dim(9); }),
              AllOf(HasSubstr("steps_0: body: mul_0"), HasSubstr("shape")));
  EXPECT_THAT(problem([](Graph& g) { value(*g.nodes.back().body, "scalar_0").constant.bytes = 3; }),
              HasSubstr("constant 'scalar_0': bytes: wanted 4, got 3"));
}

}  // namespace
}  // namespace antiphon::ir
