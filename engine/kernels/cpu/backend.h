// The CPU back end: its ordered kernel table.
#pragma once

#include "engine/kernels/isa.h"
#include "engine/kernels/kernel.h"

namespace antiphon {

// Every OpKind. Immutable; any thread.
const Backend& cpu_backend();

}  // namespace antiphon
