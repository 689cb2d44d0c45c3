// One HTML page about a build: graphs before and after, passes, kernels, time and memory.
#pragma once

#include <memory>
#include <string>

#include "engine/engine.h"
#include "engine/onnx.h"

namespace antiphon {

struct PlanReportOptions {
  std::string title;  // empty: the plan's name
  int runs = 20;      // that are measured, at the usual extents, on seeded inputs; fewer after 5 s
};

// The page, whole in itself: no script, nothing is loaded. `plan` was made of `network` by build()
// in this process: one from a file lacks passes and refusals. Runs the plan with as many threads as
// it was made for. A run that fails is told in the page.
// kInvalidArgument: runs is below 1.
Result<std::string> plan_report_html(const OnnxNetwork& network,
                                     const std::shared_ptr<const Plan>& plan,
                                     const PlanReportOptions& options = {});

}  // namespace antiphon
