// Views of nodes on resolved tensors, and points of a profile.
#include "engine/plan/plan_data.h"

namespace antiphon::plan {

Extents extents_at(const std::map<std::string, DimRange>& profile, std::int64_t DimRange::*point) {
  Extents extents;
  for (const auto& [symbol, range] : profile) extents[symbol] = range.*point;
  return extents;
}

NodeView view_of(const ir::Node& node, const std::vector<Tensor>& tensors, Isa isa, int num_threads,
                 std::vector<Tensor>& inputs, std::vector<Tensor>& outputs) {
  Tensor absent;
  absent.rank = -1;
  inputs.clear();
  outputs.clear();
  for (const ir::ValueId id : node.inputs)
    inputs.push_back(id == ir::kNoValue ? absent : tensors[static_cast<std::size_t>(id)]);
  for (const ir::ValueId id : node.outputs)
    outputs.push_back(id == ir::kNoValue ? absent : tensors[static_cast<std::size_t>(id)]);
  return NodeView{&node, inputs, outputs, isa, num_threads};
}

}  // namespace antiphon::plan
