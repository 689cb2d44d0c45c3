// Runs a graph in double precision, one node at a time: what kernels, passes and loop programs are
// compared with.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/base/status.h"
#include "engine/ir/graph.h"

namespace antiphon::test {

// Row-major. Whole numbers and truth values (0, 1) are held as doubles too.
struct RefTensor {
  DType dtype = DType::kF32;
  std::vector<std::int64_t> dims;
  std::vector<double> values;
};
using RefTensors = std::map<std::string, RefTensor>;

std::int64_t num_elements(const std::vector<std::int64_t>& dims);
// Reads `view`, any element type.
RefTensor ref_tensor(const TensorView& view);
// f32, uniform in [low, high), rounded to single precision; the same for the same seed.
RefTensor random_ref(std::vector<std::int64_t> dims, std::uint64_t seed, double low = -1,
                     double high = 1);

// All outputs by name. inputs: by name, every one. states: by name; absent ones are zero; holds
// what they are after the run. Null: a graph without state, or the states are forgotten. Every
// result is also held against the shape rules; kInternal where they disagree.
Result<RefTensors> run_reference(const ir::Graph& graph, const RefTensors& inputs,
                                 RefTensors* states = nullptr);

// One node alone; absent inputs are null.
Result<std::vector<RefTensor>> run_reference_node(const ir::Node& node,
                                                  const std::vector<const RefTensor*>& inputs);

}  // namespace antiphon::test
