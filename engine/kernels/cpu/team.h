// The pinned threads that run phases of a plan.
#pragma once

#include <memory>

#include "engine/kernels/kernel.h"

namespace antiphon {

// Owns threads - 1 threads (threads < 1 counts as 1): the caller of run() is member 0 and is never
// pinned, but run() moves it off the cores of the others. Members spin briefly for work and at
// barriers, then sleep. pin: member i stays on the i-th core that the process may use. Allocates
// here only. One run() at a time, from any one thread.
std::unique_ptr<Team> make_team(int threads, bool pin);

}  // namespace antiphon
