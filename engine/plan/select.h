// Picks the kernels of every node: the first that accepts, or the one that measures fastest.
#pragma once

#include <string>
#include <vector>

#include "engine/base/status.h"
#include "engine/kernels/kernel.h"
#include "engine/plan/plan_data.h"
#include "engine/plan/timing_cache.h"

namespace antiphon::plan {

struct SelectOptions {
  bool tune = false;
  TimingCache* cache = nullptr;  // read and extended when tuning; may be null
  Team* team = nullptr;          // runs the candidates; wanted when tuning
  bool allow_coarse = false;     // kernels that quantise activations to bytes may win
  // Runs are timed with the weights out of the cores' caches, as a network finds them that has more
  // of them than fit. select_kernels() sets it.
  bool cold = false;
};

// Fills data.steps (kernels only: pack() comes next). Picked at the profile's smallest, usual and
// largest extents, since a kernel may refuse some of them.
// kUnsupported: no kernel takes a node; the message lists every kernel's reason.
Status select_kernels(const Backend& backend, const SelectOptions& options, PlanData& data);

// A kernel as a plan file lists it.
struct TimedName {
  std::string name;
  double time_us = 0;
};
// Takes the kernels of every step by name in place of picking.
Status use_kernels(const Backend& backend, const std::vector<std::vector<TimedName>>& names,
                   PlanData& data);

// Packs the weights of every candidate and asks for workspace sizes.
Status pack_weights(PlanData& data);

}  // namespace antiphon::plan
