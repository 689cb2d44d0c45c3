// What a plan tells about its edges.
#include "engine/plan/plan_impl.h"

#include "engine/plan/plan_file.h"

namespace antiphon::plan {

Status PlanImpl::save(const std::string& path) const { return write_plan(data_, path); }

std::vector<TensorSpec> PlanImpl::inputs() const {
  std::vector<TensorSpec> specs;
  for (const ir::ValueId id : data_.graph.inputs) {
    const ir::ValueInfo& info = data_.graph.values[static_cast<std::size_t>(id)];
    specs.push_back({info.name, info.dtype, info.shape});
  }
  return specs;
}

std::vector<TensorSpec> PlanImpl::outputs() const {
  std::vector<TensorSpec> specs;
  for (const ir::NamedOutput& out : data_.graph.outputs) {
    const ir::ValueInfo& info = data_.graph.values[static_cast<std::size_t>(out.value)];
    specs.push_back({out.name, info.dtype, info.shape});
  }
  return specs;
}

}  // namespace antiphon::plan
