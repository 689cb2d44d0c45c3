// Network: inputs, states, outputs, constants and weights.
#include <cstdint>
#include <cstring>
#include <utility>

#include "engine/ir/dims.h"
#include "engine/ir/half.h"
#include "engine/network/impl.h"

namespace antiphon {

using ir::ValueKind;

Network::Network(std::string name) : impl_(std::make_unique<Impl>(std::move(name))) {}
Network::~Network() = default;
Network::Network(Network&&) noexcept = default;
Network& Network::operator=(Network&&) noexcept = default;

const Status& Network::status() const { return impl_->status; }
const ir::Graph& Network::graph() const { return impl_->graph; }

namespace {

Status check_shape(const Shape& shape) {
  for (const Dim& dim : shape)
    if (!dim.is_static() && !ir::valid_symbol(dim.symbol))
      return invalid_argument("'" + dim.symbol +
                              "' is not the name of an extent: letters, digits and _");
  return {};
}

bool has_edge(const ir::Graph& graph, const std::vector<ir::ValueId>& ids, std::string_view name) {
  for (const ir::ValueId id : ids)
    if (graph.values[static_cast<std::size_t>(id)].name == name) return true;
  return false;
}

}  // namespace

Value Network::input(std::string_view name, DType dtype, Shape shape) {
  const std::string operation = "input '" + std::string(name) + "'";
  if (impl_->failed()) return {};
  if (impl_->scopes.size() > 1)
    return impl_->fail(operation, invalid_argument("declared inside a loop body")), Value{};
  if (has_edge(impl_->graph, impl_->graph.inputs, name))
    return impl_->fail(operation, invalid_argument("declared twice")), Value{};
  if (const Status status = check_shape(shape); !status.ok())
    return impl_->fail(operation, status), Value{};
  ir::ValueInfo info;
  info.name = std::string(name);
  info.kind = ValueKind::kInput;
  info.dtype = dtype;
  info.shape = std::move(shape);
  const ir::ValueId id = impl_->graph.add_value(std::move(info));
  impl_->graph.inputs.push_back(id);
  return impl_->handle_of(id);
}

Value Network::state(std::string_view name, Shape shape) {
  const std::string operation = "state '" + std::string(name) + "'";
  if (impl_->failed()) return {};
  if (impl_->scopes.size() > 1)
    return impl_->fail(operation, invalid_argument("declared inside a loop body")), Value{};
  if (has_edge(impl_->graph, impl_->graph.states, name))
    return impl_->fail(operation, invalid_argument("declared twice")), Value{};
  for (std::size_t i = 0; i < shape.size(); ++i)
    if (!shape[i].is_static() && (i != 0 || shape[i].symbol != "B"))
      return impl_->fail(operation,
                         invalid_argument("wanted static extents after a leading \"B\", got " +
                                          ir::shape_text(shape))),
             Value{};
  ir::ValueInfo info;
  info.name = std::string(name);
  info.kind = ValueKind::kState;
  info.shape = std::move(shape);
  const ir::ValueId id = impl_->graph.add_value(std::move(info));
  impl_->graph.states.push_back(id);
  return impl_->handle_of(id);
}

void Network::update(Value state, Value next) {
  if (impl_->failed()) return;
  const ir::ValueInfo* info = impl_->info_of(state);
  const ir::ValueInfo* to = impl_->info_of(next);
  const std::string operation = "update of '" + (info ? info->name : std::string("?")) + "'";
  if (impl_->scopes.size() > 1)
    return impl_->fail(operation, invalid_argument("called inside a loop body"));
  if (!info || info->kind != ValueKind::kState)
    return impl_->fail(operation, invalid_argument("not a state of this network"));
  if (!to) return impl_->fail(operation, invalid_argument("next is not a value of this network"));
  if (info->next != ir::kNoValue) return impl_->fail(operation, invalid_argument("updated twice"));
  const bool fits = std::equal(info->shape.begin(), info->shape.end(), to->shape.begin(),
                               to->shape.end(), ir::compatible);
  if (!fits || to->dtype != info->dtype)
    return impl_->fail(operation, invalid_argument("wanted " + ir::shape_text(info->shape) +
                                                   " f32, got " + ir::shape_text(to->shape) + " " +
                                                   std::string(dtype_name(to->dtype))));
  const ir::ValueId id = impl_->local_id(state);
  impl_->graph.values[static_cast<std::size_t>(id)].next = impl_->local_id(next);
}

void Network::output(std::string_view name, Value value) {
  const std::string operation = "output '" + std::string(name) + "'";
  if (impl_->failed()) return;
  if (impl_->scopes.size() > 1)
    return impl_->fail(operation, invalid_argument("declared inside a loop body"));
  if (!impl_->info_of(value))
    return impl_->fail(operation, invalid_argument("not a value of this network"));
  for (const ir::NamedOutput& output : impl_->graph.outputs)
    if (output.name == name) return impl_->fail(operation, invalid_argument("declared twice"));
  impl_->graph.outputs.push_back({std::string(name), impl_->local_id(value)});
}

Value Network::constant(std::string_view name, const TensorView& tensor) {
  return impl_->constant(std::string(name), tensor.dtype, tensor.dims, tensor.data);
}

Value Network::scalar(float value) {
  if (impl_->failed()) return {};
  return impl_->constant(impl_->unique_name("scalar"), DType::kF32, {}, &value);
}

Value Network::weight(const Weights& weights, std::string_view name) {
  if (impl_->failed()) return {};
  const std::string operation = "weight '" + std::string(name) + "'";
  const auto found = weights.tensor(name);
  if (!found.ok()) return impl_->fail(operation, found.status()), Value{};
  const TensorView& view = found.value();
  if (view.dtype == DType::kF16) {
    std::vector<float> wide(static_cast<std::size_t>(view.num_elements()));
    for (std::size_t i = 0; i < wide.size(); ++i) {
      std::uint16_t half = 0;
      std::memcpy(&half, static_cast<const char*>(view.data) + 2 * i, 2);
      wide[i] = ir::half_to_float(half);
    }
    return impl_->constant(std::string(name), DType::kF32, view.dims, wide.data());
  }
  if (view.dtype != DType::kI8) return constant(name, view);
  const std::string scale_name = std::string(name) + ".scale";
  const auto scale = weights.tensor(scale_name);
  if (!scale.ok()) return impl_->fail(operation, scale.status()), Value{};
  if (scale->dtype != DType::kF32 || view.dims.empty() || scale->num_elements() != view.dims[0])
    return impl_->fail(operation,
                       invalid_argument(scale_name + ": wanted one f32 for each of the rows")),
           Value{};
  const Value quantized = constant(name, view);
  const Value scales = impl_->constant(scale_name, DType::kF32, {view.dims[0]}, scale->data);
  ir::Attrs attrs;
  attrs.set("axis", std::int64_t{0});
  return impl_->add(ir::OpKind::kDequantize, "dequantize", {quantized, scales}, std::move(attrs));
}

Value Network::zeros(Shape shape) {
  if (impl_->failed()) return {};
  std::string text;
  std::vector<Value> like;
  for (const Dim& dim : shape) {
    if (!text.empty()) text += ",";
    if (dim.is_static()) {
      text += std::to_string(dim.extent);
      continue;
    }
    // Any value that has this symbol tells the extent.
    bool found = false;
    for (std::size_t h = 0; h < impl_->handles.size() && !found; ++h) {
      const Value value{static_cast<std::int32_t>(h)};
      const ir::ValueInfo* info = impl_->info_of(value);
      for (std::size_t axis = 0; info && axis < info->shape.size() && !found; ++axis) {
        if (!ir::same_extent(info->shape[axis], dim)) continue;
        std::size_t index = 0;
        while (index < like.size() && like[index].id != value.id) ++index;
        if (index == like.size()) like.push_back(value);
        text += std::to_string(index) + ":" + std::to_string(axis);
        found = true;
      }
    }
    if (!found)
      return impl_->fail("zeros", invalid_argument("no value has the extent '" + dim.symbol + "'")),
             Value{};
  }
  ir::Attrs attrs;
  attrs.set("shape_text", text);
  return impl_->add(ir::OpKind::kZeros, "zeros", like, std::move(attrs));
}

}  // namespace antiphon
