// Shape rule and kernel of parts that ONNX Runtime runs.
#include "engine/plugin/ort_part.h"

#include <optional>

namespace antiphon {
namespace {

// ONNX's number of each type that a part's edges have.
constexpr std::int32_t kFloat = 1, kUInt8 = 2, kInt8 = 3, kInt32 = 6, kInt64 = 7, kBool = 9;

std::optional<DType> dtype_of(std::int32_t type) {
  switch (type) {
    case kFloat: return DType::kF32;
    case kUInt8: return DType::kU8;
    case kInt8: return DType::kI8;
    case kInt32: return DType::kI32;
    case kInt64: return DType::kI64;
    case kBool: return DType::kBool;
    default: return std::nullopt;
  }
}

OrtTensor lend(const Tensor& tensor, const OrtEdge& edge) {
  return {edge.type,
          {tensor.dims.data(), static_cast<std::size_t>(tensor.rank)},
          tensor.data,
          tensor.bytes()};
}

// Values over the memory of one binding.
struct BoundPart final : Prepared {
  explicit BoundPart(const OrtPart& p) : part(p) {}
  ~BoundPart() override {
    for (void* value : inputs) part.session().release(value);
    for (void* value : outputs) part.session().release(value);
  }
  BoundPart(const BoundPart&) = delete;
  BoundPart& operator=(const BoundPart&) = delete;
  const OrtPart& part;
  std::vector<void*> inputs, outputs;
};

const OrtPart& part_of(const NodeView& view) {
  return static_cast<const OrtPart&>(*view.node->custom);
}

const char* refuse(const NodeView& view) {
  return view.node->attrs.s("operator") == kOrtPartName ? nullptr : "is for another operator";
}

std::size_t workspace_bytes(const NodeView&) { return 0; }

Result<std::unique_ptr<Prepared>> prepare(const NodeView& view, const Packed*) {
  const OrtPart& part = part_of(view);
  auto bound = std::make_unique<BoundPart>(part);
  for (std::size_t i = 1; i < view.inputs.size(); ++i) {
    ANTIPHON_ASSIGN_OR_RETURN(
        void* value, part.session().bind(lend(view.inputs[i], part.session().inputs()[i - 1])));
    bound->inputs.push_back(value);
  }
  for (std::size_t i = 0; i < view.outputs.size(); ++i) {
    ANTIPHON_ASSIGN_OR_RETURN(
        void* value, part.session().bind(lend(view.outputs[i], part.session().outputs()[i])));
    bound->outputs.push_back(value);
  }
  return std::unique_ptr<Prepared>(std::move(bound));
}

// ONNX Runtime allocates inside: such a layer has no steady state without allocations.
Status run(const NodeView&, const LaunchArgs& args) {
  auto& bound = static_cast<BoundPart&>(*args.prepared);
  return bound.part.session().run(bound.inputs, bound.outputs);
}

}  // namespace

Result<std::shared_ptr<const OrtPart>> OrtPart::create(std::shared_ptr<const OrtLibrary> library,
                                                       std::string_view model) {
  auto out = std::make_shared<OrtPart>();
  ANTIPHON_ASSIGN_OR_RETURN(out->session_, OrtSession::create(std::move(library), model));
  out->name = kOrtPartName;
  out->min_inputs = out->max_inputs = static_cast<int>(out->session_->inputs().size()) + 1;
  out->num_outputs = static_cast<int>(out->session_->outputs().size());
  return std::shared_ptr<const OrtPart>(std::move(out));
}

// An open extent of an output has the name of one of an input.
Result<Dim> OrtPart::output_extent(std::size_t output, std::size_t axis,
                                   std::span<const ir::ValueType* const> inputs) const {
  const OrtEdge& edge = session_->outputs()[output];
  if (edge.dims[axis] >= 0) return Dim(edge.dims[axis]);
  const std::string& symbol = edge.symbols[axis];
  for (std::size_t i = 0; i < session_->inputs().size() && !symbol.empty(); ++i) {
    const OrtEdge& from = session_->inputs()[i];
    for (std::size_t a = 0; a < from.symbols.size(); ++a)
      if (from.dims[a] < 0 && from.symbols[a] == symbol) return inputs[i + 1]->shape[a];
  }
  return unsupported("output '" + edge.name + "': ONNX Runtime does not know axis " +
                     std::to_string(axis) +
                     " before it runs; wanted extents that are fixed or an input's");
}

Result<std::vector<ir::ValueType>> OrtPart::infer(
    const ir::Node&, std::span<const ir::ValueType* const> inputs) const {
  const auto& edges = session_->inputs();
  if (inputs.size() != edges.size() + 1)
    return invalid_argument("has " + std::to_string(inputs.size()) + " inputs, wanted " +
                            std::to_string(edges.size() + 1));
  for (std::size_t i = 0; i < edges.size(); ++i) {
    const ir::ValueType* given = inputs[i + 1];
    if (!given || dtype_of(edges[i].type) != given->dtype ||
        given->shape.size() != edges[i].dims.size())
      return invalid_argument("input '" + edges[i].name +
                              "': type or rank differs from the part's");
  }
  std::vector<ir::ValueType> out;
  for (std::size_t o = 0; o < session_->outputs().size(); ++o) {
    const OrtEdge& edge = session_->outputs()[o];
    const std::optional<DType> dtype = dtype_of(edge.type);
    if (!dtype)
      return unsupported("output '" + edge.name + "': ONNX type " + std::to_string(edge.type));
    ir::ValueType type{*dtype, {}};
    for (std::size_t axis = 0; axis < edge.dims.size(); ++axis) {
      ANTIPHON_ASSIGN_OR_RETURN(Dim dim, output_extent(o, axis, inputs));
      type.shape.push_back(std::move(dim));
    }
    out.push_back(std::move(type));
  }
  return out;
}

const Kernel kOrtPartKernel = {.op = ir::OpKind::kCustom,
                               .name = "cpu/onnxruntime",
                               .refuse = refuse,
                               .workspace_bytes = workspace_bytes,
                               .run = run,
                               .pack = nullptr,
                               .prepare = prepare,
                               .in_place = nullptr};

}  // namespace antiphon
