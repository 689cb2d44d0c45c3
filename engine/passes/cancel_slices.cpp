// A slice of a concat that lies within one part: a slice of that part, or the part itself.
#include <limits>

#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

constexpr std::int64_t kToTheEnd = std::numeric_limits<std::int64_t>::max();

std::int64_t front_axis(const ir::Graph& graph, const ir::Node& node) {
  const std::int64_t axis = node.attrs.i("axis");
  return axis < 0 ? axis + static_cast<std::int64_t>(info_of(graph, node.inputs[0]).shape.size())
                  : axis;
}

bool read_from(ir::Node& slice, ir::ValueId part, std::int64_t begin, std::int64_t end) {
  slice.inputs[0] = part;
  slice.attrs.set("begin", begin);
  slice.attrs.set("end", end);
  return true;
}

bool try_node(ir::Graph& graph, const Uses& uses, int index) {
  ir::Node& node = node_at(graph, index);
  if (node.op != ir::OpKind::kSlice) return false;
  const ir::Node* concat = made_by(graph, uses, node.inputs[0], ir::OpKind::kConcat);
  if (!concat || front_axis(graph, *concat) != front_axis(graph, node)) return false;
  const auto axis = static_cast<std::size_t>(front_axis(graph, node));
  const std::int64_t begin = node.attrs.i("begin"), end = node.attrs.i("end", kToTheEnd);
  if (begin >= 0 && end >= 0 && end != kToTheEnd) {  // counted from the front
    std::int64_t first = 0;
    for (const ir::ValueId part : concat->inputs) {
      const Dim& extent = info_of(graph, part).shape[axis];
      if (!extent.is_static() || begin < first) return false;
      if (end <= first + extent.extent) return read_from(node, part, begin - first, end - first);
      first += extent.extent;
    }
  } else if (begin < 0 && (end < 0 || end == kToTheEnd)) {  // counted from the end
    const std::int64_t last = end == kToTheEnd ? 0 : end;
    std::int64_t after = 0;  // steps in the parts behind
    for (std::size_t i = concat->inputs.size(); i-- > 0;) {
      const Dim& extent = info_of(graph, concat->inputs[i]).shape[axis];
      if (!extent.is_static() || last > -after) return false;
      if (-begin <= after + extent.extent)
        return read_from(node, concat->inputs[i], extent.extent + after + begin,
                         extent.extent + after + last);
      after += extent.extent;
    }
  }
  return false;
}

}  // namespace

Result<bool> cancel_slices(ir::Graph& graph) { return rewrite_all(graph, try_node); }

}  // namespace antiphon::passes
