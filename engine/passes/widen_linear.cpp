// One linear made of several that read the same x.
#include "engine/passes/widen_linear.h"

#include <cstring>

#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

std::int64_t rows_of(const ir::Graph& graph, const ir::Node& linear) {
  return info_of(graph, linear.inputs[kWeights]).shape[0].extent;
}

// The constants of one input, one below the other; zeros where a node has none.
ir::ValueId stacked(ir::Graph& graph, const std::vector<const ir::Node*>& linears,
                    std::size_t input, const std::string& name) {
  std::vector<char> bytes;
  std::vector<std::int64_t> dims;
  DType dtype = DType::kF32;
  std::int64_t rows = 0;
  for (const ir::Node* linear : linears) {
    const std::int64_t mine = rows_of(graph, *linear);
    rows += mine;
    const ir::ValueId id = input_at(*linear, input);
    if (id == ir::kNoValue) {
      bytes.resize(bytes.size() + static_cast<std::size_t>(mine) * sizeof(float), 0);
      continue;
    }
    const TensorView view = constant_view(graph, id);
    const auto* data = static_cast<const char*>(view.data);
    bytes.insert(bytes.end(), data, data + info_of(graph, id).constant.bytes);
    dims = view.dims;
    dtype = view.dtype;
  }
  if (dims.empty()) return ir::kNoValue;
  dims[0] = rows;
  return add_constant(graph, name, dtype, dims, bytes.data());
}

// True: no attribute but how x becomes bytes.
bool only_quantizer(const ir::Attrs& attrs) {
  for (const auto& [name, value] : attrs.all())
    if (!name.starts_with("x_")) return false;
  return true;
}

}  // namespace

bool can_widen(const ir::Graph& graph, const std::vector<const ir::Node*>& linears) {
  const ir::Node& first = *linears.front();
  for (const ir::Node* linear : linears) {
    if (linear->op != ir::OpKind::kLinear || linear->inputs[0] != first.inputs[0]) return false;
    if (input_at(*linear, kResidual) != ir::kNoValue || !only_quantizer(linear->attrs))
      return false;
    if (linear->attrs.all() != first.attrs.all()) return false;
    for (const std::size_t i : {kWeights, kScale, kBias})
      if (input_at(*linear, i) != ir::kNoValue && !is_constant(graph, input_at(*linear, i)))
        return false;
    const bool scaled = input_at(*linear, kScale) != ir::kNoValue;
    if (scaled != (input_at(first, kScale) != ir::kNoValue)) return false;
  }
  return true;
}

ir::Node widened(ir::Graph& graph, const std::vector<const ir::Node*>& linears,
                 const std::string& name) {
  const ir::Node& first = *linears.front();
  ir::Node out;
  out.op = ir::OpKind::kLinear;
  out.name = name;
  out.attrs = first.attrs;
  out.inputs = {first.inputs[0], stacked(graph, linears, kWeights, name + ".w"),
                stacked(graph, linears, kScale, name + ".w_scale"),
                stacked(graph, linears, kBias, name + ".bias")};
  while (out.inputs.back() == ir::kNoValue) out.inputs.pop_back();
  const ir::ValueId y = add_like(graph, first.outputs[0], name);
  std::int64_t rows = 0;
  for (const ir::Node* linear : linears) rows += rows_of(graph, *linear);
  graph.values[static_cast<std::size_t>(y)].shape.back() = Dim(rows);
  out.outputs = {y};
  return out;
}

}  // namespace antiphon::passes
