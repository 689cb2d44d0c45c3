// A command of the user's that says how good a plan is.
#pragma once

#include <string>

#include "engine/base/status.h"

namespace antiphon::cli {

// Runs `command` with the plan's path as its last argument, and reads the one number it prints.
// kInvalidArgument: it printed something else, or ended with an error.
Result<double> evaluate_plan(const std::string& command, const std::string& plan_path);

}  // namespace antiphon::cli
