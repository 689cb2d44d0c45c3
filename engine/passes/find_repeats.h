// Runs of nodes that repeat: what an exporter leaves of a loop that it unrolled.
#pragma once

#include <vector>

#include "engine/passes/rewrite.h"

namespace antiphon::passes {

// Node begin + t * period + p is alike for every t < count: the same operator with the same
// attributes, types and constants. `tail`: how many further nodes go on like that, less than a
// period. A slice may take another step of the same axis each time.
struct Repeat {
  int begin = 0, period = 0, count = 0, tail = 0;
  int num_nodes() const { return period * count + tail; }
};

// Of at least `least_count` periods and with a linear of constant weights in them; those that cover
// most nodes first, at most one for each period.
std::vector<Repeat> find_repeats(const ir::Graph& graph, int least_count);

// One step of an axis, counted from the front.
bool is_step(const ir::Graph& graph, const ir::Node& node);

}  // namespace antiphon::passes
