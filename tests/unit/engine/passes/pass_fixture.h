// Runs passes on networks and holds the numbers against the untouched graph.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include "engine/ir/schema.h"
#include "engine/network.h"
#include "engine/passes/passes.h"
#include "engine/passes/pipeline.h"
#include "tests/support/reference_interpreter.h"

namespace antiphon::test {

class PassTest : public testing::Test {
 protected:
  using Run = Result<bool> (*)(ir::Graph&);

  // A constant of random numbers.
  Value weights(const char* name, std::vector<std::int64_t> dims) {
    const RefTensor t = random_ref(dims, ++seed_);
    const std::vector<float> data(t.values.begin(), t.values.end());
    return net_.constant(name, {DType::kF32, t.dims, data.data()});
  }
  // The same as int8 with a scale for each row, and the Dequantize of it. weight() does the same.
  Value int8_weights(const std::string& name, std::int64_t rows, std::int64_t columns) {
    std::string header = "{\"" + name + "\":{\"dtype\":\"I8\",\"shape\":[" + std::to_string(rows) +
                         "," + std::to_string(columns) + "],\"data_offsets\":[" +
                         std::to_string(4 * rows) + "," +
                         std::to_string(4 * rows + rows * columns) + "]},\"" + name +
                         ".scale\":{\"dtype\":\"F32\",\"shape\":[" + std::to_string(rows) +
                         "],\"data_offsets\":[0," + std::to_string(4 * rows) + "]}}";
    std::string bytes;
    for (int i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i) & 0xff);
    bytes += header;
    for (std::int64_t r = 0; r < rows; ++r) {
      const float scale = 0.25f / static_cast<float>(r + 1);
      bytes.append(reinterpret_cast<const char*>(&scale), 4);
    }
    for (std::int64_t i = 0; i < rows * columns; ++i)
      bytes += static_cast<char>((i * 37 + 11) % 255 - 127);
    const auto file = Weights::parse(bytes, "test");
    EXPECT_TRUE(file.ok()) << file.status().to_string();
    return net_.weight(**file, name);
  }

  // The graph after `passes`, in this order, on the graph and its bodies, valid and equal in
  // numbers.
  ir::Graph after(const std::vector<Run>& passes, bool expect_change = true) {
    EXPECT_TRUE(net_.status().ok()) << net_.status().to_string();
    ir::Graph graph = net_.graph().clone();
    bool changed = false;
    for (const Run run : passes) {
      const auto result = passes::run_everywhere({"pass", run}, graph);
      EXPECT_TRUE(result.ok()) << result.status().to_string();
      changed = changed || (result.ok() && *result);
      const Status status = ir::verify(graph);
      EXPECT_TRUE(status.ok()) << status.to_string() << "\n" << ir::to_text(graph);
    }
    EXPECT_EQ(changed, expect_change);
    expect_equal(graph);
    return graph;
  }

  // B = 2, T = 5, all else 3; i32 inputs are 0, 1, 2, 0, ...; states are random too.
  void expect_equal(const ir::Graph& graph) const {
    const ir::Graph& plain = net_.graph();
    RefTensors inputs, states;
    std::uint64_t seed = 100;
    for (const auto* ids : {&plain.inputs, &plain.states})
      for (const ir::ValueId id : *ids) {
        const ir::ValueInfo& info = plain.values[static_cast<std::size_t>(id)];
        std::vector<std::int64_t> dims;
        for (const Dim& d : info.shape)
          dims.push_back(d.is_static() ? d.extent : d.symbol == "B" ? 2 : d.symbol == "T" ? 5 : 3);
        RefTensor t = random_ref(dims, ++seed);
        t.dtype = info.dtype;
        for (std::size_t i = 0; info.dtype == DType::kI32 && i < t.values.size(); ++i)
          t.values[i] = static_cast<double>(i % 3);
        (ids == &plain.inputs ? inputs : states)[info.name] = std::move(t);
      }
    RefTensors states_after = states, states_plain = states;
    const auto want = run_reference(plain, inputs, &states_plain);
    const auto got = run_reference(graph, inputs, &states_after);
    ASSERT_TRUE(want.ok()) << want.status().to_string();
    ASSERT_TRUE(got.ok()) << got.status().to_string() << "\n" << ir::to_text(graph);
    expect_near(*got, *want);
    expect_near(states_after, states_plain);
  }

  static void expect_near(const RefTensors& got, const RefTensors& want) {
    ASSERT_EQ(got.size(), want.size());
    for (const auto& [name, w] : want) {
      const RefTensor& g = got.at(name);
      ASSERT_EQ(g.dims, w.dims) << name;
      // Folded constants are rounded to f32 once: 2^-24 a term, some dozens of terms.
      for (std::size_t i = 0; i < w.values.size(); ++i)
        ASSERT_NEAR(g.values[i], w.values[i], 1e-5 * (1 + std::abs(w.values[i])))
            << name << " at " << i;
    }
  }

  // The lines of the nodes alone: no edges, no constants.
  static std::string nodes_text(const ir::Graph& graph) {
    std::string out;
    std::istringstream text(ir::to_text(graph));
    for (std::string line; std::getline(text, line);) {
      const std::size_t start = line.find_first_not_of(' ');
      const std::string word = line.substr(start, line.find(' ', start) - start);
      if (word != "graph" && word != "input" && word != "state" && word != "const" &&
          word != "output")
        out += line + "\n";
    }
    return out;
  }

  Network net_{"net"};
  std::uint64_t seed_ = 0;
};

}  // namespace antiphon::test
