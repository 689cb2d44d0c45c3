// Replays a graph over its memory plan, byte range by byte range: who owns what, and was it
// overwritten?
#include <algorithm>
#include <string>

#include "engine/plan/memory_planner.h"

namespace antiphon::plan {
namespace {

std::size_t index(ir::ValueId id) { return static_cast<std::size_t>(id); }

struct Held {
  std::size_t begin, end;
  ir::ValueId value;
};

class Replay {
 public:
  Replay(const ir::Graph& graph, const std::vector<Tensor>& tensors, const MemoryPlan& plan)
      : graph_(graph), tensors_(tensors), plan_(plan) {}

  Status run() {
    if (plan_.offset.size() != graph_.values.size() || plan_.root.size() != graph_.values.size())
      return invalid_argument("memory plan: " + std::to_string(plan_.offset.size()) +
                              " offsets for " + std::to_string(graph_.values.size()) + " values");
    for (const auto& ids : {graph_.inputs, graph_.states})
      for (const ir::ValueId id : ids) ANTIPHON_RETURN_IF_ERROR(write(id, ir::kNoValue));
    for (const ir::Node& node : graph_.nodes) {
      for (const ir::ValueId id : node.inputs) ANTIPHON_RETURN_IF_ERROR(read(id, node.name));
      const bool view = is_view(node);
      if (view) ANTIPHON_RETURN_IF_ERROR(check_view(node));
      for (const ir::ValueId id : node.outputs) {
        if (id == ir::kNoValue) continue;
        ANTIPHON_RETURN_IF_ERROR(write(id, view ? node.inputs[0] : ir::kNoValue));
      }
      // Outputs of one node must not overlap each other: each is still whole.
      for (const ir::ValueId id : node.outputs) ANTIPHON_RETURN_IF_ERROR(read(id, node.name));
    }
    for (const ir::NamedOutput& out : graph_.outputs)
      ANTIPHON_RETURN_IF_ERROR(read(out.value, "output " + out.name));
    for (const ir::ValueId id : graph_.states)
      ANTIPHON_RETURN_IF_ERROR(read(graph_.values[index(id)].next, "next state"));
    return {};
  }

 private:
  bool constant(ir::ValueId id) const {
    return graph_.values[index(id)].kind == ir::ValueKind::kConstant;
  }

  // A view lies within what it is a view of, at the place that the node says.
  Status check_view(const ir::Node& node) const {
    const ir::ValueId from = node.inputs[0], to = node.outputs[0];
    const Tensor& x = tensors_[index(from)];
    const std::size_t at = view_offset(node, x);
    if (at == kNoOffset || at > x.bytes() || tensors_[index(to)].bytes() > x.bytes() - at)
      return invalid_argument("memory plan: " + node.name + " is no view of its input");
    const bool placed = !constant(plan_.root[index(from)]);
    if (placed && plan_.offset[index(to)] != plan_.offset[index(from)] + at)
      return invalid_argument("memory plan: " + node.name + " does not lie in its input");
    return {};
  }

  // `shares`: a view of this value stays whole although the bytes are the same.
  Status write(ir::ValueId id, ir::ValueId shares) {
    if (constant(id)) return {};
    const std::string& name = graph_.values[index(id)].name;
    const ir::ValueId root = plan_.root[index(id)];
    if (root < 0 || index(root) >= graph_.values.size())
      return invalid_argument("memory plan: bad root of '" + name + "'");
    if (constant(root)) {  // its memory is read only
      if (shares != ir::kNoValue && plan_.root[index(shares)] == root) return {};
      return invalid_argument("memory plan: '" + name + "' lies in the constant '" +
                              graph_.values[index(root)].name + "'");
    }
    const std::size_t begin = plan_.offset[index(id)];
    if (begin == kNoOffset) return invalid_argument("memory plan: '" + name + "' has no place");
    if (begin % kArenaAlignment != 0 && shares == ir::kNoValue)
      return invalid_argument("memory plan: '" + name + "' is not aligned");
    const std::size_t bytes = tensors_[index(id)].bytes(), end = begin + bytes;
    if (end < begin || end > plan_.arena_bytes)
      return invalid_argument("memory plan: '" + name + "' is outside the arena");
    std::erase_if(held_, [&](const Held& h) {
      const bool overlaps = h.begin < end && begin < h.end;
      return h.value == id || (overlaps && (shares == ir::kNoValue ||
                                            plan_.root[index(h.value)] != plan_.root[index(id)]));
    });
    held_.push_back({begin, end, id});
    return {};
  }

  Status read(ir::ValueId id, const std::string& reader) const {
    if (id == ir::kNoValue || constant(id)) return {};
    if (constant(plan_.root[index(id)])) return {};  // a view of it: write() has seen to that
    const bool whole =
        std::any_of(held_.begin(), held_.end(), [&](const Held& h) { return h.value == id; });
    if (!whole)
      return invalid_argument("memory plan: '" + graph_.values[index(id)].name +
                              "' was overwritten before " + reader + " reads it");
    return {};
  }

  const ir::Graph& graph_;
  const std::vector<Tensor>& tensors_;
  const MemoryPlan& plan_;
  std::vector<Held> held_;
};

}  // namespace

Status check_memory(const ir::Graph& graph, const std::vector<Tensor>& tensors,
                    const MemoryPlan& plan) {
  return Replay(graph, tensors, plan).run();
}

}  // namespace antiphon::plan
