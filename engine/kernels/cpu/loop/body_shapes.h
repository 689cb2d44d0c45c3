// Concrete shapes of a loop body's values, and how the node's inputs and outputs map to them.
#pragma once

#include <vector>

#include "engine/kernels/cpu/loop/program.h"

namespace antiphon::loop {

constexpr int kMaxRegisters = 64;  // of a point-wise program

struct BodyShapes {
  std::vector<Tensor> values;  // of the body, by id; rank -1: unused. Constants have data
  std::int64_t trips = 0;
  int num_carried = 0, num_scanned = 0, num_emitted = 0;
  int scan_axis = 0;
  bool has_stop = false, reverse = false;
};

// kInvalidArgument: a shape rule fails; names the body's node.
Result<BodyShapes> body_shapes(const NodeView& view);

// In how many equal groups along the last axis the users of a linear's output take it apart: 4 for
// the gates of an LSTM. 1: not at all.
std::int64_t gate_groups(const ir::Graph& body, const ir::Node& linear);

// Why the body cannot be compiled, or null. Static text: it names the kind of the node.
const char* refuse_body(const ir::Graph& body);

}  // namespace antiphon::loop
