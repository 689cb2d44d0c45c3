// Turns the layers of a network into int8 ones, before the passes run.
#pragma once

#include "engine/calibrate.h"
#include "engine/ir/graph.h"

namespace antiphon::calibration {

// int8 weights with one scale an output, and how the input becomes bytes of 0..levels; in loops'
// bodies the weights alone. Gives the number of layers changed. kInvalidArgument: as check_fits().
Result<int> place(ir::Graph& graph, const Calibration& ranges, int levels);

// The numbers of bytes of 0..levels for a range; zero is met exactly.
struct ByteNumbers {
  float scale = 1;
  int zero = 0;
};
ByteNumbers byte_numbers(const TensorRange& range, int levels);

}  // namespace antiphon::calibration
