// Measures kernels on one node and keeps the fastest.
#pragma once

#include <span>
#include <string>

#include "engine/base/status.h"
#include "engine/kernels/kernel.h"
#include "engine/plan/select.h"

namespace antiphon::plan {

// What a time depends on: ISA, threads, op, attributes, program, types and shapes, and whether the
// weights were in the cache.
std::string timing_key(const NodeView& view, bool cold);

// The minimum of several runs after a first decides: noise only adds. A coarse kernel must win by a
// twentieth, one that allocates by a tenth. Times found in the cache are not
// measured again. A kernel that fails on the made-up data is passed over.
Result<const Kernel*> fastest(std::span<const Kernel* const> kernels, const NodeView& view,
                              const SelectOptions& options, double* time_us);

}  // namespace antiphon::plan
