// From an optimised graph, or a plan file, to a plan.
#pragma once

#include <memory>
#include <string>

#include "engine/plan/plan_impl.h"
#include "engine/plan/select.h"

namespace antiphon::plan {

// data: graph, profile, precision, isa, num_threads, network_hash and the passes' part of the
// report are set; the rest is made here.
Result<std::shared_ptr<const Plan>> compile(const Backend& backend, const SelectOptions& options,
                                            PlanData data);

// The second half of both ways: checks the graph and the memory plan, packs, and fills the report.
Result<std::shared_ptr<const Plan>> finish(PlanData data);

// FNV-1a over the graph's text and the bytes of its constants.
std::uint64_t hash_of(const ir::Graph& graph);

}  // namespace antiphon::plan
