// What a graph starts with: inputs, initialisers, constants; and items as values of the graph.
#include <cctype>
#include <cstring>

#include "engine/import/importer.h"
#include "engine/import/tensors.h"
#include "engine/ir/dims.h"
#include "engine/ir/op_enums.h"

namespace antiphon::onnx {

namespace {

// The name of an extent in letters that the engine takes.
std::string symbol_of(const std::string& text) {
  std::string out;
  for (const char c : text) out += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  if (out.empty() || std::isdigit(static_cast<unsigned char>(out[0])) != 0) out = "n" + out;
  return out;
}

Result<Shape> input_shape(const onnx_wire::ValueInfoProto& input, const ImportOptions& options) {
  const auto names = options.symbols.find(input.name());
  const auto& type = input.type().tensor_type();
  if (!type.has_shape())
    return invalid_argument("its rank is not given: the model must say how many axes it has");
  Shape shape;
  for (const auto& dim : type.shape().dim()) {
    const std::size_t axis = shape.size();
    if (dim.has_dim_value() && dim.dim_value() >= 0) {
      shape.emplace_back(dim.dim_value());
      continue;
    }
    std::string name = dim.has_dim_param() && !dim.dim_param().empty()
                           ? symbol_of(dim.dim_param())
                           : symbol_of(input.name()) + "_" + std::to_string(axis);
    if (names != options.symbols.end() && axis < names->second.size() &&
        !names->second[axis].empty())
      name = symbol_of(names->second[axis]);
    const auto fixed = options.extents.find(name);
    if (fixed != options.extents.end())
      shape.emplace_back(fixed->second);
    else
      shape.emplace_back(std::move(name));
  }
  return shape;
}

Result<Item> frozen_item(const HostTensor& tensor, Element type) {
  if (storage_of(type) != tensor.dtype)
    return invalid_argument("frozen to " + std::string(dtype_name(tensor.dtype)) + ", wanted " +
                            element_name(static_cast<int>(type)));
  auto constant = std::make_shared<Constant>();
  constant->type = type;
  constant->dims = tensor.dims;
  constant->bytes = tensor.bytes.size();
  const auto wanted =
      static_cast<std::size_t>(num_elements(tensor.dims)) * dtype_bytes(tensor.dtype);
  if (wanted != tensor.bytes.size()) return invalid_argument("frozen: dims and bytes differ");
  std::shared_ptr<void> memory = aligned_memory(constant->bytes);
  if (!memory) return exhausted("no memory for the frozen value");
  if (constant->bytes != 0) std::memcpy(memory.get(), tensor.bytes.data(), constant->bytes);
  constant->data = memory.get();
  constant->owner = std::move(memory);
  return Item::of(std::shared_ptr<const Constant>(std::move(constant)));
}

}  // namespace

Status Importer::add_input(Frame& frame, const onnx_wire::ValueInfoProto& input) {
  if (frame.items.contains(input.name())) return {};  // an initialiser gives its value
  if (!input.type().has_tensor_type())
    return unsupported("only tensors can enter a network, not sequences or optional values");
  const auto type = static_cast<Element>(input.type().tensor_type().elem_type());
  const std::optional<DType> dtype = storage_of(type);
  if (!dtype)
    return unsupported("elements of type " + element_name(static_cast<int>(type)) +
                       " are not supported");
  const auto frozen = options_.frozen.find(input.name());
  if (frozen != options_.frozen.end()) {
    ANTIPHON_ASSIGN_OR_RETURN(frame.items[input.name()], frozen_item(frozen->second, type));
    return {};
  }
  ANTIPHON_ASSIGN_OR_RETURN(Shape shape, input_shape(input, options_));
  frame.items[input.name()] =
      Item::of(builder_.input(input.name(), *dtype, std::move(shape)), type);
  return {};
}

Status Importer::add_inputs(Frame& frame) {
  std::set<std::string> names;
  for (const auto& input : model_.graph().input()) {
    const std::string context = "input '" + input.name() + "'";
    if (input.name().empty()) return invalid_argument("an input has no name");
    if (!names.insert(input.name()).second) return invalid_argument(context + ": listed twice");
    if (const Status status = add_input(frame, input); !status.ok())
      return status.with_context(context);
  }
  for (const auto& [name, value] : options_.frozen)
    if (!names.contains(name))
      return invalid_argument("frozen: the model has no input '" + name + "'");
  return {};
}

Status Importer::add_initializers(const onnx_wire::GraphProto& graph, Frame& frame) {
  if (graph.sparse_initializer_size() > 0)
    return unsupported("sparse initialisers are not supported");
  for (const auto& tensor : graph.initializer()) {
    auto made = read_tensor(tensor);
    if (!made.ok()) return made.status().with_context("initialiser '" + tensor.name() + "'");
    frame.items[tensor.name()] = Item::of(std::move(made).value());
  }
  return {};
}

Result<std::shared_ptr<const Constant>> Importer::constant(const onnx_wire::TensorProto& tensor) {
  return read_tensor(tensor);
}

namespace {

// Numbers as a constant of the storage type.
ValueRef number_constant(GraphBuilder& graph, const Known& known, DType dtype) {
  std::vector<char> bytes(known.values.size() * dtype_bytes(dtype) + 1);
  for (std::size_t i = 0; i < known.values.size(); ++i) {
    char* to = bytes.data() + i * dtype_bytes(dtype);
    if (dtype == DType::kF32) {
      const auto value = static_cast<float>(known.values[i].real);
      std::memcpy(to, &value, sizeof value);
    } else {
      const std::int64_t value = known.values[i].whole.number().value_or(0);
      std::memcpy(to, &value, dtype_bytes(dtype));
    }
  }
  return graph.constant(dtype, known.dims, bytes.data());
}

// Expressions over extents as a tensor made at run time.
ValueRef extents_value(GraphBuilder& graph, const Known& known, DType dtype) {
  std::vector<ValueRef> like;
  std::string text;
  for (const Number& n : known.values) {
    if (n.whole.terms() > 64) {
      graph.fail(unsupported("a number is too long an expression of extents"));
      return {};
    }
    text += (text.empty() ? "" : ",") + n.whole.text(like);
  }
  const bool direct = dtype == DType::kI64 || dtype == DType::kI32 || dtype == DType::kF32;
  const DType made = direct ? dtype : DType::kI64;
  ValueRef out = graph.node(ir::kOpExtents, like,
                            {{"extents", text},
                             {"dtype", static_cast<std::int64_t>(made)},
                             {"scalar", std::int64_t{known.dims.empty() ? 1 : 0}}});
  if (known.dims.size() > 1) out = graph.node(ir::OpKind::kReshape, {out}, {{"dims", known.dims}});
  if (!direct)
    out = graph.node(ir::OpKind::kCast, {out}, {{"dtype", static_cast<std::int64_t>(dtype)}});
  return out;
}

}  // namespace

ValueRef Importer::to_value(const Item& item) {
  if (builder_.failed()) return {};
  switch (item.kind) {
    case Item::Kind::kValue: return item.value;
    case Item::Kind::kConstant:
    case Item::Kind::kKnown: break;
    default:
      builder_.fail(unsupported("a sequence or an absent value stands where a tensor must be"));
      return {};
  }
  const std::optional<DType> dtype = storage_of(item.type);
  if (!dtype) {
    builder_.fail(unsupported("elements of type " + element_name(static_cast<int>(item.type))));
    return {};
  }
  const auto found = item.made->find(builder_.scope());
  if (found != item.made->end()) return {builder_.scope(), found->second};
  ValueRef value;
  if (item.kind == Item::Kind::kConstant) {
    Shape shape;
    for (const std::int64_t dim : item.constant->dims) shape.emplace_back(dim);
    value = builder_.constant(*dtype, std::move(shape),
                              {item.constant->owner, item.constant->data, item.constant->bytes});
  } else if (item.known->all_numbers()) {
    value = number_constant(builder_, *item.known, *dtype);
  } else {
    value = extents_value(builder_, *item.known, *dtype);
  }
  if (value.valid()) (*item.made)[value.scope] = value.id;
  return value;
}

}  // namespace antiphon::onnx
