// The layers of a network that can run in int8, before any pass has changed it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/calibrate.h"
#include "engine/ir/graph.h"

namespace antiphon::calibration {

struct Layer {
  std::string name;    // the node's; in a loop's body "LOOP/NODE"
  std::string tensor;  // its input's name, unique; empty in a loop's body
  ir::Graph* graph = nullptr;
  std::size_t node = 0;
  ir::ValueId x = ir::kNoValue;
};

// In the order of the nodes. They point into the graph.
std::vector<Layer> layers_of(ir::Graph& graph);
// Of the bytes of their weights.
std::uint64_t weights_hash(const std::vector<Layer>& layers);
const ir::ValueInfo& input_of(const Layer& layer);

// The errors of check_fits().
Status check_layers(const std::vector<Layer>& layers, const Calibration& calibration);

}  // namespace antiphon::calibration
