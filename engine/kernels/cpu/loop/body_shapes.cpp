// Concrete shapes of a loop body's values: its shape rules, run on the extents of a binding.
#include "engine/kernels/cpu/loop/body_shapes.h"

#include <limits>
#include <optional>

#include "engine/ir/schema.h"

namespace antiphon::loop {
namespace {

std::size_t index(ir::ValueId id) { return static_cast<std::size_t>(id); }

ir::ValueType type_of(const Tensor& tensor, int without_axis = -1) {
  ir::ValueType type{tensor.dtype, {}};
  for (int i = 0; i < tensor.rank; ++i)
    if (i != without_axis) type.shape.emplace_back(tensor.dims[static_cast<std::size_t>(i)]);
  return type;
}

Result<Tensor> tensor_of(const ir::ValueInfo& info, const ir::ValueType& type) {
  Tensor t;
  t.dtype = type.dtype;
  if (type.shape.size() > static_cast<std::size_t>(Tensor::kMaxRank))
    return unsupported("body: " + info.name + ": rank " + std::to_string(type.shape.size()));
  t.rank = static_cast<std::int32_t>(type.shape.size());
  for (int i = 0; i < t.rank; ++i) {
    const std::int64_t extent = type.shape[static_cast<std::size_t>(i)].extent;
    if (extent < 0) return invalid_argument("body: " + info.name + ": an extent is not known");
    t.dims[static_cast<std::size_t>(i)] = extent;
  }
  if (info.kind == ir::ValueKind::kConstant) {
    t.is_constant = true;
    t.data = const_cast<void*>(info.constant.data);
  }
  return t;
}

// Gathers the widths that users take; false: something reads it otherwise.
bool gather_slices(const ir::Graph& body, ir::ValueId value, std::int64_t extent,
                   std::optional<std::int64_t>& width, int depth) {
  bool used = false;
  for (const ir::NamedOutput& out : body.outputs)
    if (out.value == value) return false;
  for (const ir::Node& node : body.nodes) {
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] != value) continue;
      used = true;
      if (node.op == ir::OpKind::kSlice) {
        const auto last = static_cast<std::int64_t>(body.values[index(value)].shape.size()) - 1;
        const std::int64_t axis = node.attrs.i("axis");
        if (axis != last && axis != -1) return false;
        const std::int64_t begin = node.attrs.i("begin");
        std::int64_t end = node.attrs.i("end", std::numeric_limits<std::int64_t>::max());
        if (end == std::numeric_limits<std::int64_t>::max()) end = extent;
        const std::int64_t n =
            (end < 0 ? end + extent : end) - (begin < 0 ? begin + extent : begin);
        if (n <= 0 || extent % n != 0 || (begin < 0 ? begin + extent : begin) % n != 0)
          return false;
        if (width && *width != n) return false;
        width = n;
        continue;
      }
      const bool same = node.op == ir::OpKind::kBinary || node.op == ir::OpKind::kUnary ||
                        node.op == ir::OpKind::kIdentity || node.op == ir::OpKind::kPointwise ||
                        (node.op == ir::OpKind::kLinear && i == 4);  // its residual
      if (!same || depth > 8) return false;
      for (const ir::ValueId out : node.outputs)
        if (!gather_slices(body, out, extent, width, depth + 1)) return false;
    }
  }
  return used;
}

}  // namespace

Result<BodyShapes> body_shapes(const NodeView& view) {
  const ir::Node& loop = *view.node;
  const ir::Graph& body = *loop.body;
  BodyShapes s;
  s.num_carried = static_cast<int>(loop.attrs.i("num_carried"));
  s.num_scanned = static_cast<int>(loop.attrs.i("num_scanned"));
  s.num_emitted = static_cast<int>(loop.attrs.i("num_emitted"));
  s.scan_axis = static_cast<int>(loop.attrs.i("scan_axis"));
  s.has_stop = loop.attrs.i("has_stop") != 0;
  s.reverse = loop.attrs.i("reverse") != 0;
  s.trips = loop.attrs.i("trip_limit");
  if (body.inputs.size() != view.inputs.size())
    return invalid_argument("body: takes another number of inputs");

  std::vector<ir::ValueType> types(body.values.size());
  std::vector<bool> known(body.values.size(), false);
  for (std::size_t i = 0; i < body.values.size(); ++i) {
    if (body.values[i].kind != ir::ValueKind::kConstant) continue;
    types[i] = {body.values[i].dtype, body.values[i].shape};
    known[i] = true;
  }
  for (int i = 0; i < static_cast<int>(body.inputs.size()); ++i) {
    const Tensor& tensor = view.inputs[static_cast<std::size_t>(i)];
    const bool scanned = i >= s.num_carried && i < s.num_carried + s.num_scanned;
    if (scanned) s.trips = tensor.dims[static_cast<std::size_t>(s.scan_axis)];
    types[index(body.inputs[static_cast<std::size_t>(i)])] =
        type_of(tensor, scanned ? s.scan_axis : -1);
    known[index(body.inputs[static_cast<std::size_t>(i)])] = true;
  }
  for (const ir::Node& node : body.nodes) {
    std::vector<const ir::ValueType*> inputs;
    for (const ir::ValueId id : node.inputs)
      inputs.push_back(id == ir::kNoValue ? nullptr : &types[index(id)]);
    auto made = ir::infer_outputs(node, inputs);
    if (!made.ok()) return made.status().with_context("body: " + node.name);
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == ir::kNoValue) continue;
      types[index(node.outputs[i])] = std::move((*made)[i]);
      known[index(node.outputs[i])] = true;
    }
  }
  s.values.resize(body.values.size());
  for (std::size_t i = 0; i < s.values.size(); ++i) {
    s.values[i].rank = -1;
    if (!known[i]) continue;
    ANTIPHON_ASSIGN_OR_RETURN(s.values[i], tensor_of(body.values[i], types[i]));
  }
  return s;
}

std::int64_t gate_groups(const ir::Graph& body, const ir::Node& linear) {
  const Dim& rows = body.values[index(linear.inputs[1])].shape[0];
  if (!rows.is_static() || rows.extent == 0) return 1;
  std::optional<std::int64_t> width;
  if (!gather_slices(body, linear.outputs[0], rows.extent, width, 0) || !width) return 1;
  if (*width < kSlicedRows) return 1;  // too narrow to be split
  return rows.extent / *width;
}

const char* refuse_body(const ir::Graph& body) {
  for (const ir::ValueInfo& value : body.values)
    if (value.dtype == DType::kF16) return "body has an f16 value";
  for (const ir::Node& node : body.nodes) {
    switch (node.op) {
      case ir::OpKind::kAttention: return "body has an attention node: write it as matmul, softmax";
      case ir::OpKind::kDequantize: return "body has a dequantize node that no pass folded";
      case ir::OpKind::kQuantize: return "body has a quantize node";
      case ir::OpKind::kLoop: return "body has a loop node: loops do not nest";
      default: break;
    }
    if (node.op == ir::OpKind::kPointwise && node.attrs.has("parts"))
      return "body has a pointwise node on parts";
    for (const ir::PointwiseStep& step : node.pointwise.steps)
      if (step.kind == ir::PointwiseStep::Kind::kFromBytes ||
          step.kind == ir::PointwiseStep::Kind::kToBytes)
        return "body has a pointwise node on bytes";
    if (node.inputs.size() + node.pointwise.steps.size() >
            static_cast<std::size_t>(kMaxRegisters) &&
        node.op == ir::OpKind::kPointwise)
      return "body has a pointwise node with more than 64 registers";
    const bool is_linear = node.op == ir::OpKind::kLinear;
    if (!is_linear && node.op != ir::OpKind::kConv) continue;
    for (std::size_t i = 1; i < node.inputs.size() && i < 4; ++i) {
      if (node.inputs[i] == ir::kNoValue || ir::is_constant(body, node.inputs[i])) continue;
      if (!is_linear) return "body has a conv node with weights that are not constant";
      if (i != 1 || body.values[index(node.inputs[i])].dtype != DType::kF32)
        return "body has a linear node with int8 weights, or a bias, that is not constant";
    }
  }
  return nullptr;
}

}  // namespace antiphon::loop
