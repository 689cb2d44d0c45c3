// What networks and plans are, as JSON for the C ABI and the command line.
#pragma once

#include <string>

#include "engine/engine.h"
#include "engine/onnx.h"

namespace antiphon {

// {"inputs": [{"name", "dtype", "shape"}]}; a shape holds numbers, and symbols as text;
// null where an output has neither.
std::string network_json(const OnnxNetwork& network);
// The same with outputs, and the plan's report.
std::string plan_json(const Plan& plan);

}  // namespace antiphon
