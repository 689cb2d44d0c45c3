// Runs of nodes that repeat: what an exporter leaves of a loop that it unrolled.
#pragma once

#include <vector>

#include "engine/passes/rewrite.h"

namespace antiphon::passes {

// Node begin + t * period + p is alike for every t < count: the same operator with the same
// attributes, types and constants. A slice may take another step of the same axis each time.
struct Repeat {
  int begin = 0, period = 0, count = 0;
  int slack = 0;          // how many further nodes go on like that, less than a period
  std::vector<int> tail;  // [period] of a last period that lacks some: its nodes, -1: lacking
  int num_tail = 0;       // that it has
  int num_nodes() const { return period * count + num_tail; }
};

// Of at least `least_count` periods and with a linear of constant weights in them; those that cover
// most nodes first, at most one for each period.
std::vector<Repeat> find_repeats(const ir::Graph& graph, int least_count);

// Takes the nodes behind the last period as another one, as far as they are alike.
void find_tail(const ir::Graph& graph, Repeat& repeat);

// One step of an axis, counted from the front.
bool is_step(const ir::Graph& graph, const ir::Node& node);

}  // namespace antiphon::passes
