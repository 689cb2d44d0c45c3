// Plan files: one mapped file with the header's fields, the graph, kernel names, offsets and
// constants.
//
// Layout, little-endian: "ANTPLAN2" | u64 file bytes | u64 header bytes | u64 FNV-1a of the header
// | header | zeros to a multiple of 64 | constants. Header: engine version, device, ISA, precision,
// threads, tuned, network hash, profile, passes, graph, kernels of every step with their times,
// memory plan.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "engine/base/status.h"
#include "engine/plan/plan_data.h"

namespace antiphon::plan {

inline constexpr std::string_view kEngineVersion = "0.1.0";

// Written beside the path, then renamed. Reproducible: equal plans give equal bytes.
Status write_plan(const PlanData& data, const std::string& path);

// What a file cannot hold: the operators of plug-ins, and the code that the plan will live in.
struct PlanExtras {
  std::shared_ptr<const void> keeps;
  std::function<Status(ir::Graph&)> bind;  // before the graph is verified; may be null
};

// Maps and checks everything before a kernel sees it. `most`: the best ISA of this machine (or its
// cap).
Result<std::shared_ptr<const Plan>> read_plan(const std::string& path, const Backend& backend,
                                              Isa most, const PlanExtras& extras = {});

}  // namespace antiphon::plan
