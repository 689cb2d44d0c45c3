// A graph of convolutions on bytes with the channels last, made by hand, and the passes that keep
// values bytes.
#pragma once

#include <algorithm>

#include "engine/ir/input_quantizer.h"
#include "engine/ir/op_enums.h"
#include "tests/unit/engine/passes/pass_fixture.h"

namespace antiphon::test {

// x [1, 6, 8, 8].
class BytesTest : public testing::Test {
 protected:
  using Dims = std::vector<std::int64_t>;

  BytesTest() {
    ir::ValueInfo x;
    x.name = "x";
    x.kind = ir::ValueKind::kInput;
    x.shape = {Dim(1), Dim(6), Dim(8), Dim(8)};
    x_ = graph_.add_value(std::move(x));
    graph_.inputs.push_back(x_);
  }

  ir::ValueId add(ir::Node node, Dims dims) {
    ir::ValueInfo y;
    y.name = node.name + ".y";
    for (const std::int64_t d : dims) y.shape.emplace_back(d);
    node.outputs = {graph_.add_value(std::move(y))};
    graph_.nodes.push_back(std::move(node));
    return graph_.nodes.back().outputs[0];
  }
  const Shape& shape(ir::ValueId id) const {
    return graph_.values[static_cast<std::size_t>(id)].shape;
  }

  ir::ValueId constant(const std::string& name, Dims dims) {
    const RefTensor t = random_ref(dims, ++seed_);
    const std::vector<float> data(t.values.begin(), t.values.end());
    return ir::add_constant(graph_, name, DType::kF32, dims, data.data());
  }

  // 3 x 3 with padding, relu; as many outputs as inputs.
  ir::ValueId conv(const char* name, ir::ValueId x, const ir::InputQuantizer& numbers,
                   ir::ValueId residual = ir::kNoValue) {
    const std::int64_t c = shape(x)[3].extent, outputs = 8;
    const RefTensor w = random_ref({outputs, c, 3, 3}, ++seed_, -90, 90);
    std::vector<std::int8_t> bytes;
    for (const double v : w.values) bytes.push_back(static_cast<std::int8_t>(v));
    const std::vector<float> scales(static_cast<std::size_t>(outputs), 2e-3f);
    ir::Node node;
    node.op = ir::kOpConvLast;
    node.name = name;
    node.inputs = {
        x, ir::add_constant(graph_, std::string(name) + ".w", DType::kI8, w.dims, bytes.data()),
        ir::add_constant(graph_, std::string(name) + ".s", DType::kF32, {outputs}, scales.data()),
        constant(std::string(name) + ".b", {outputs})};
    if (residual != ir::kNoValue) node.inputs.push_back(residual);
    node.attrs.set("pads", Dims{1, 1, 1, 1});
    node.attrs.set("act", static_cast<std::int64_t>(Unary::kRelu));
    ir::set_input_quantizer(node.attrs, numbers);
    return add(std::move(node), {1, shape(x)[1].extent, shape(x)[2].extent, outputs});
  }
  ir::ValueId pool(const char* name, ir::ValueId x, ir::Pool op = ir::Pool::kMax) {
    ir::Node node;
    node.op = ir::kOpPoolLast;
    node.name = name;
    node.inputs = {x};
    node.attrs.set("op", static_cast<std::int64_t>(op));
    node.attrs.set("kernel", Dims{2, 2});
    node.attrs.set("strides", Dims{2, 2});
    return add(std::move(node),
               {1, shape(x)[1].extent / 2, shape(x)[2].extent / 2, shape(x)[3].extent});
  }
  ir::ValueId grow(const char* name, ir::ValueId x, const ir::InputQuantizer* numbers = nullptr) {
    ir::Node node;
    node.op = ir::kOpConvTransposeLast;
    node.name = name;
    node.inputs = {x, constant(std::string(name) + ".w", {shape(x)[3].extent, 5, 2, 2})};
    node.attrs.set("strides", Dims{2, 2});
    if (numbers) ir::set_input_quantizer(node.attrs, *numbers);
    return add(std::move(node), {1, 2 * shape(x)[1].extent, 2 * shape(x)[2].extent, 5});
  }
  ir::ValueId join(const char* name, ir::ValueId a, ir::ValueId b) {
    ir::Node node;
    node.op = ir::OpKind::kConcat;
    node.name = name;
    node.inputs = {a, b};
    node.attrs.set("axis", std::int64_t{3});
    return add(std::move(node), {1, shape(a)[1].extent, shape(a)[2].extent,
                                 shape(a)[3].extent + shape(b)[3].extent});
  }
  void output(const char* name, ir::ValueId id) { graph_.outputs.push_back({name, id}); }

  DType dtype(ir::ValueId id) const { return graph_.values[static_cast<std::size_t>(id)].dtype; }
  const ir::Node& node(const char* name) const {
    const auto found = std::find_if(graph_.nodes.begin(), graph_.nodes.end(),
                                    [&](const ir::Node& n) { return n.name == name; });
    EXPECT_NE(found, graph_.nodes.end()) << name;
    return *found;
  }

  RefTensors values(const ir::Graph& graph) {
    const auto out = run_reference(graph, {{"x", random_ref({1, 6, 8, 8}, 77, -3, 3)}});
    EXPECT_TRUE(out.ok()) << out.status().to_string();
    return *out;
  }

  // Runs the pass. Largest change of an output.
  double change_by(Result<bool> (*pass)(ir::Graph&), bool expect_change = true) {
    const RefTensors before = values(graph_);
    const auto changed = pass(graph_);
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
  ir::ValueId x_ = ir::kNoValue;
  std::uint64_t seed_ = 0;
};

}  // namespace antiphon::test
