// Runs the shape rules of a whole graph on static extents.
#include "engine/plan/resolve.h"

#include <set>
#include <utility>

#include "engine/ir/schema.h"

namespace antiphon::plan {
namespace {

Result<ir::ValueType> bind(const ir::ValueInfo& info, const Extents& extents) {
  ir::ValueType type{info.dtype, info.shape};
  for (Dim& dim : type.shape) {
    if (dim.is_static()) continue;
    const auto found = extents.find(dim.symbol);
    if (found == extents.end())
      return invalid_argument(info.name + ": no extent given for '" + dim.symbol + "'");
    dim = Dim(found->second);
  }
  return type;
}

Result<Tensor> to_tensor(const ir::ValueInfo& info, const ir::ValueType& type) {
  Tensor t;
  t.dtype = type.dtype;
  if (type.shape.size() > static_cast<std::size_t>(Tensor::kMaxRank))
    return unsupported(info.name + ": rank " + std::to_string(type.shape.size()) + ", at most " +
                       std::to_string(Tensor::kMaxRank) + " is supported");
  t.rank = static_cast<std::int32_t>(type.shape.size());
  std::int64_t elements = 1;
  for (int i = 0; i < t.rank; ++i) {
    const std::int64_t extent = type.shape[static_cast<std::size_t>(i)].extent;
    if (extent < 0)
      return internal_error(info.name + ": extent of axis " + std::to_string(i) + " is unknown");
    if (extent != 0 && elements > (std::int64_t{1} << 40) / extent)
      return invalid_argument(info.name + ": more than 2^40 elements");
    elements *= extent;
    t.dims[static_cast<std::size_t>(i)] = extent;
  }
  if (info.kind == ir::ValueKind::kConstant) {
    t.is_constant = true;
    t.data = const_cast<void*>(info.constant.data);
  }
  return t;
}

}  // namespace

std::vector<std::string> symbols_of(const ir::Graph& graph) {
  std::set<std::string> names;
  for (const auto& ids : {graph.inputs, graph.states})
    for (const ir::ValueId id : ids)
      for (const Dim& dim : graph.values[static_cast<std::size_t>(id)].shape)
        if (!dim.is_static() && !dim.symbol.empty()) names.insert(dim.symbol);
  return {names.begin(), names.end()};
}

Result<std::vector<Tensor>> resolve(const ir::Graph& graph, const Extents& extents) {
  std::vector<ir::ValueType> types(graph.values.size());
  std::vector<bool> known(graph.values.size(), false);
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    if (graph.values[i].kind == ir::ValueKind::kTemp) continue;
    ANTIPHON_ASSIGN_OR_RETURN(types[i], bind(graph.values[i], extents));
    known[i] = true;
  }
  for (const ir::Node& node : graph.nodes) {
    std::vector<const ir::ValueType*> inputs;
    for (const ir::ValueId id : node.inputs) {
      if (id != ir::kNoValue && !known[static_cast<std::size_t>(id)])
        return internal_error(node.name + ": uses a value before it is made");
      inputs.push_back(id == ir::kNoValue ? nullptr : &types[static_cast<std::size_t>(id)]);
    }
    auto outputs = ir::infer_outputs(node, inputs);
    if (!outputs.ok()) return outputs.status().with_context(node.name);
    if (outputs->size() < node.outputs.size())
      return internal_error(node.name + ": the shape rule gives too few outputs");
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == ir::kNoValue) continue;
      types[static_cast<std::size_t>(node.outputs[i])] = std::move((*outputs)[i]);
      known[static_cast<std::size_t>(node.outputs[i])] = true;
    }
  }
  std::vector<Tensor> tensors(graph.values.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    tensors[i].rank = -1;
    if (!known[i]) continue;
    ANTIPHON_ASSIGN_OR_RETURN(tensors[i], to_tensor(graph.values[i], types[i]));
  }
  return tensors;
}

std::string describe(const Tensor& tensor) {
  if (tensor.rank < 0) return "-";
  std::string text(dtype_name(tensor.dtype));
  text += tensor.is_constant ? "const[" : "[";
  for (int i = 0; i < tensor.rank; ++i)
    text += (i ? "," : "") + std::to_string(tensor.dims[static_cast<std::size_t>(i)]);
  return text + "]";
}

}  // namespace antiphon::plan
