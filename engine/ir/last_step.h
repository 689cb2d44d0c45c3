// What the last step of a loop must still make.
#pragma once

#include <vector>

#include "engine/ir/graph.h"

namespace antiphon::ir {

// By value of the loop's body: true where it leads to what is emitted, to the stop condition or to
// a final carried value that is read (the loop's attr `unread` lists those that are not).
std::vector<bool> made_in_last_step(const Node& loop);

}  // namespace antiphon::ir
