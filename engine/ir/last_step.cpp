// From a body's results back to what they are made of.
#include "engine/ir/last_step.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace antiphon::ir {

std::vector<bool> made_in_last_step(const Node& loop) {
  const Graph& body = *loop.body;
  const std::vector<std::int64_t> unread = loop.attrs.ints("unread");
  std::vector<bool> made(body.values.size(), false);
  for (std::size_t i = 0; i < body.outputs.size(); ++i)
    if (std::ranges::find(unread, static_cast<std::int64_t>(i)) == unread.end())
      made[static_cast<std::size_t>(body.outputs[i].value)] = true;
  for (std::size_t n = body.nodes.size(); n-- > 0;) {
    const Node& node = body.nodes[n];
    const bool wanted = std::ranges::any_of(node.outputs, [&](ValueId id) {
      return id != kNoValue && made[static_cast<std::size_t>(id)];
    });
    if (!wanted) continue;
    for (const ValueId id : node.inputs)
      if (id != kNoValue) made[static_cast<std::size_t>(id)] = true;
  }
  return made;
}

}  // namespace antiphon::ir
