// Runs one loop node by the loop program and by the reference interpreter.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/ir/graph.h"
#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/kernel.h"
#include "engine/network.h"
#include "tests/support/reference_interpreter.h"

namespace antiphon::test {

using Outputs = std::vector<RefTensor>;

// The first loop of a network's graph: as written, or after the passes.
ir::Node loop_of(const Network& net);
ir::Node optimized_loop_of(const Network& net, bool expand_int8 = true);
// Weights of the body's linears as int8 with a scale a row, and w_scale inputs.
void quantize_linears(ir::Graph& body);
// f32 [dims], uniform in [-range, range): the data of a constant.
Value random_constant(Network& net, const std::string& name, std::vector<std::int64_t> dims,
                      std::uint64_t seed, double range = 0.5);

// A loop node with inputs: compiled once, run as often as wanted.
class LoopRunner {
 public:
  // inputs: one for every input of the node. kernel: of loops.
  LoopRunner(const ir::Node& node, const Outputs& inputs, int num_threads, Isa isa,
             const Kernel& kernel = cpu::kLoopProgram);
  ~LoopRunner();
  LoopRunner(const LoopRunner&) = delete;
  Status prepare();
  Status run();
  Outputs outputs() const;
  int num_phases() const;  // barriers an iteration
  std::size_t workspace_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// One f32 value for each input of the node, at the extents given for the symbols.
Outputs random_inputs(const ir::Node& node, const std::vector<std::vector<std::int64_t>>& dims,
                      std::uint64_t seed);

// Teams of 1, 2 and 3 members on every SIMD level of this machine against the reference, within
// `tolerance` (absolute); all teams of a level to the bit. What the loop says nobody reads is not
// looked at.
void expect_like_reference(const ir::Node& node, const Outputs& inputs, double tolerance,
                           const Kernel& kernel = cpu::kLoopProgram);

}  // namespace antiphon::test
