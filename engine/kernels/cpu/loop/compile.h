// From a loop body to phases of tasks.
#pragma once

#include <memory>

#include "engine/kernels/cpu/loop/linear_weights.h"
#include "engine/kernels/cpu/loop/program.h"

namespace antiphon::loop {

// The program for one binding of extents and view.num_threads members. `packed` may be null: then
// only the sizes are right (workspace_bytes asks for them).
// kInvalidArgument, kUnsupported: names the body's node.
Result<std::unique_ptr<LoopProgram>> compile(const NodeView& view, const LoopPacked* packed);

}  // namespace antiphon::loop
