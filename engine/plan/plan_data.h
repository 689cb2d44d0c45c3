// A compiled network: the optimised graph, the kernels picked for every node, and where memory
// lies.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/ir/graph.h"
#include "engine/kernels/kernel.h"
#include "engine/plan/memory_planner.h"
#include "engine/plan/resolve.h"

namespace antiphon::plan {

// One kernel that a step may run with, and its weights.
struct Candidate {
  const Kernel* kernel = nullptr;
  std::unique_ptr<Packed> packed;  // may be null
  double time_us = 0;              // when tuned, at the usual extents
};

// A node and the kernels for it, best first. A binding takes the first that accepts its extents.
struct Step {
  std::size_t node = 0;  // index in the graph
  std::vector<Candidate> candidates;
  std::vector<KernelChoice> considered;  // for the report
};

// Immutable once made: any thread.
struct PlanData {
  std::shared_ptr<const void> keeps;  // code that kernels and packed weights live in; goes last
  ir::Graph graph;
  std::map<std::string, DimRange> profile;
  Precision precision = Precision::kF32;
  Isa isa = Isa::kPortable;
  int num_threads = 1;
  bool tuned = false;
  std::uint64_t network_hash = 0;
  std::vector<Step> steps;  // in order; views have none
  MemoryPlan memory;
  std::size_t workspace_bytes = 0;  // the largest of any step
  PlanReport report;
};

// Extents of a profile's smallest, usual and largest point.
Extents extents_at(const std::map<std::string, DimRange>& profile, std::int64_t DimRange::*point);

// The views of one node on resolved tensors. `inputs` and `outputs` are storage for the spans.
NodeView view_of(const ir::Node& node, const std::vector<Tensor>& tensors, Isa isa, int num_threads,
                 std::vector<Tensor>& inputs, std::vector<Tensor>& outputs);

}  // namespace antiphon::plan
