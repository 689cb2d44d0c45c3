// Graphs as exporters write them, through all passes: the same numbers, and what is left of the
// layers.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "engine/ir/op_enums.h"
#include "engine/ir/schema.h"
#include "engine/passes/passes.h"
#include "engine/passes/pipeline.h"
#include "tests/support/reference_interpreter.h"

namespace antiphon::test {

using ir::OpKind;
using ir::ValueId;
using Dims = std::vector<std::int64_t>;
using AttrList = std::vector<std::pair<const char*, ir::Attr>>;

class Exported : public testing::Test {
 protected:
  ValueId input(const char* name, const Dims& dims) {
    ir::ValueInfo info;
    info.name = name;
    info.kind = ir::ValueKind::kInput;
    for (const std::int64_t d : dims) info.shape.emplace_back(d);
    graph_.inputs.push_back(graph_.add_value(std::move(info)));
    inputs_[name] = random_ref(dims, 100 + inputs_.size());
    return graph_.inputs.back();
  }
  ValueId weights(const Dims& dims) {
    const RefTensor t = random_ref(dims, ++seed_);
    const std::vector<float> data(t.values.begin(), t.values.end());
    return add_constant(graph_, "w" + std::to_string(seed_), DType::kF32, dims, data.data());
  }
  ValueId scalar(float value) {
    return add_constant(graph_, "c" + std::to_string(++seed_), DType::kF32, {}, &value);
  }
  ValueId node(OpKind op, const std::vector<ValueId>& inputs, const AttrList& attrs = {}) {
    ir::Node made;
    made.op = op;
    made.name = "n" + std::to_string(graph_.nodes.size());
    made.inputs = inputs;
    for (const auto& [name, value] : attrs) made.attrs.set(name, value);
    std::vector<ir::ValueType> types;
    for (const ValueId id : inputs) {
      const ir::ValueInfo none, &info = id < 0 ? none : graph_.values[static_cast<std::size_t>(id)];
      types.push_back({info.dtype, info.shape});
    }
    std::vector<const ir::ValueType*> pointers;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      pointers.push_back(inputs[i] < 0 ? nullptr : &types[i]);
    made.outputs = {0};
    auto out = ir::infer_outputs(made, pointers);
    EXPECT_TRUE(out.ok()) << out.status().to_string();
    ir::ValueInfo info;
    info.name = made.name;
    info.dtype = (*out)[0].dtype;
    info.shape = (*out)[0].shape;
    made.outputs = {graph_.add_value(std::move(info))};
    graph_.nodes.push_back(std::move(made));
    return graph_.nodes.back().outputs[0];
  }
  ValueId binary(Binary op, ValueId a, ValueId b) {
    return node(OpKind::kBinary, {a, b}, {{"op", static_cast<std::int64_t>(op)}});
  }
  ValueId unary(Unary op, ValueId x) {
    return node(OpKind::kUnary, {x}, {{"op", static_cast<std::int64_t>(op)}});
  }
  ValueId conv(ValueId x, const Dims& w, const Dims& pads, const AttrList& more = {}) {
    AttrList attrs = {{"pads", pads}};
    attrs.insert(attrs.end(), more.begin(), more.end());
    return node(ir::kOpConvNd, {x, weights(w), ir::kNoValue, weights({w[0]})}, attrs);
  }
  void output(ValueId id) { graph_.outputs.push_back({"y", id}); }

  // The operators that are left, in order, after all passes; the numbers are the same.
  std::vector<std::string> optimised() {
    ir::Graph graph = graph_.clone();
    const auto report = passes::run_passes(graph, {});
    EXPECT_TRUE(report.ok()) << report.status().to_string();
    const auto want = run_reference(graph_, inputs_), got = run_reference(graph, inputs_);
    EXPECT_TRUE(want.ok() && got.ok()) << got.status().to_string() << ir::to_text(graph);
    if (!want.ok() || !got.ok()) return {};
    for (std::size_t i = 0; i < want->at("y").values.size(); ++i) {
      const double w = want->at("y").values[i];
      EXPECT_NEAR(got->at("y").values[i], w, 1e-5 * (1 + std::abs(w))) << "at " << i;
    }
    text_ = ir::to_text(graph);
    std::vector<std::string> names;
    for (const ir::Node& n : graph.nodes) names.emplace_back(ir::op_name(n.op));
    return names;
  }

  ir::Graph graph_;
  RefTensors inputs_;
  std::string text_;
  std::uint64_t seed_ = 0;
};

}  // namespace antiphon::test
