// Nodes, names, captured values and loop bodies of a graph under construction.
#include "engine/import/graph_builder.h"

#include <algorithm>

#include "engine/ir/custom_op.h"
#include "engine/ir/dims.h"
#include "engine/ir/schema.h"

namespace antiphon::onnx {

using ir::kNoValue;
using ir::ValueId;

namespace {
std::size_t u(ValueId id) { return static_cast<std::size_t>(id); }
}  // namespace

GraphBuilder::GraphBuilder(std::string name) {
  graph_.name = std::move(name);
  scopes_.emplace_back();
  scopes_.back().graph = &graph_;
}

void GraphBuilder::fail(Status error) {
  if (error_.ok()) error_ = std::move(error);
}

Status GraphBuilder::take_error() { return std::exchange(error_, Status()); }

std::string GraphBuilder::unique_name(const std::string& base) {
  const int count = names_[base]++;
  return count == 0 ? base : unique_name(base + "." + std::to_string(count));
}

ir::Graph* GraphBuilder::graph_of(int serial) const {
  for (const Scope& scope : scopes_)
    if (scope.serial == serial) return scope.graph;
  return nullptr;
}

bool GraphBuilder::is_open(int serial) const { return graph_of(serial) != nullptr; }

const ir::ValueInfo& GraphBuilder::info(ValueRef value) const {
  static const ir::ValueInfo kNone;
  const ir::Graph* graph = value.valid() ? graph_of(value.scope) : nullptr;
  return graph ? graph->values[u(value.id)] : kNone;
}

const ir::ValueInfo* GraphBuilder::constant_info(ValueRef value) const {
  const ir::ValueInfo& found = info(value);
  return value.valid() && found.kind == ir::ValueKind::kConstant ? &found : nullptr;
}

const ir::Node* GraphBuilder::maker(ValueRef value) const {
  if (value.scope != scope()) return nullptr;
  const auto& list = scopes_.back().graph->nodes;
  const auto found = std::find_if(list.rbegin(), list.rend(), [&](const ir::Node& node) {
    return std::find(node.outputs.begin(), node.outputs.end(), value.id) != node.outputs.end();
  });
  return found == list.rend() ? nullptr : &*found;
}

void GraphBuilder::name(ValueRef value, const std::string& name) {
  ir::Graph* graph = value.valid() ? graph_of(value.scope) : nullptr;
  if (!graph || graph->values[u(value.id)].kind != ir::ValueKind::kTemp) return;
  if (named_.emplace(value.scope, value.id).second) graph->values[u(value.id)].name = name;
}

ValueRef GraphBuilder::input(const std::string& name, DType dtype, Shape shape) {
  ir::ValueInfo value;
  value.name = name;
  value.kind = ir::ValueKind::kInput;
  value.dtype = dtype;
  value.shape = std::move(shape);
  const ValueRef out{0, graph_.add_value(std::move(value))};
  graph_.inputs.push_back(out.id);
  const Shape& dims = graph_.values[u(out.id)].shape;
  for (std::size_t axis = 0; axis < dims.size(); ++axis)
    if (!dims[axis].is_static())
      symbols_.try_emplace(dims[axis].symbol, Whole::extent(out, static_cast<int>(axis)));
  return out;
}

void GraphBuilder::output(const std::string& name, ValueRef value) {
  graph_.outputs.push_back({name, value.id});
}

ValueRef GraphBuilder::constant(DType dtype, Shape shape, ir::ConstantData data) {
  ir::ValueInfo value;
  value.name = unique_name(label_ + ".constant");
  value.kind = ir::ValueKind::kConstant;
  value.dtype = dtype;
  value.shape = std::move(shape);
  value.constant = std::move(data);
  return {scope(), graph().add_value(std::move(value))};
}

ValueRef GraphBuilder::constant(DType dtype, const std::vector<std::int64_t>& dims,
                                const void* data) {
  return {scope(), add_constant(graph(), unique_name(label_ + ".constant"), dtype, dims, data)};
}

ValueRef GraphBuilder::scalar(float value) { return constant(DType::kF32, {}, &value); }

ValueId GraphBuilder::local(ValueRef value, std::size_t depth) {
  if (scopes_[depth].serial == value.scope) return value.id;
  if (depth == 0) return kNoValue;
  const ValueId outer = local(value, depth - 1);
  return outer == kNoValue ? kNoValue : capture(depth, outer);
}

// A constant is held by the body itself; all else is an invariant input of the loop.
ValueId GraphBuilder::capture(std::size_t depth, ValueId outer) {
  const ir::Graph& around = *scopes_[depth - 1].graph;
  ir::Graph& body = *scopes_[depth].graph;
  const auto found = scopes_[depth].captured.find(outer);
  if (found != scopes_[depth].captured.end()) return found->second;
  ir::ValueInfo value = around.values[u(outer)];
  const bool constant = value.kind == ir::ValueKind::kConstant;
  if (!constant) value.kind = ir::ValueKind::kInput;
  const ValueId id = body.add_value(std::move(value));
  if (!constant) {
    body.inputs.push_back(id);
    scopes_[depth].loop.inputs.push_back(outer);
  }
  scopes_[depth].captured[outer] = id;
  return id;
}

std::vector<ValueRef> GraphBuilder::add(ir::Node node, const std::vector<ValueRef>& inputs,
                                        std::size_t num_outputs) {
  std::vector<ValueRef> out(num_outputs);
  if (failed()) return out;
  std::vector<ir::ValueType> types(inputs.size());
  std::vector<const ir::ValueType*> pointers(inputs.size(), nullptr);
  node.inputs.assign(inputs.size(), kNoValue);
  node.outputs.assign(num_outputs, kNoValue);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].valid()) continue;
    node.inputs[i] = local(inputs[i], scopes_.size() - 1);
    if (node.inputs[i] == kNoValue) {
      fail(internal_error("a value of a closed loop body is read outside it"));
      return out;
    }
    const ir::ValueInfo& value = graph().values[u(node.inputs[i])];
    types[i] = {value.dtype, value.shape};
    pointers[i] = &types[i];
  }
  while (!node.inputs.empty() && node.inputs.back() == kNoValue) {
    node.inputs.pop_back();
    pointers.pop_back();
  }
  auto made = ir::infer_outputs(node, pointers);
  if (!made.ok()) {
    fail(made.status());
    return out;
  }
  node.name = unique_name(label_);
  if (node.body) node.body->name = node.name;
  for (std::size_t i = 0; i < made->size(); ++i) {
    ir::ValueInfo value;
    value.name = num_outputs == 1 ? node.name : node.name + "/" + std::to_string(i);
    value.dtype = (*made)[i].dtype;
    value.shape = std::move((*made)[i].shape);
    node.outputs[i] = graph().add_value(std::move(value));
    out[i] = {scope(), node.outputs[i]};
  }
  graph().nodes.push_back(std::move(node));
  return out;
}

std::vector<ValueRef> GraphBuilder::nodes(ir::OpKind op, const std::vector<ValueRef>& inputs,
                                          AttrList attrs, std::size_t num_outputs) {
  ir::Node node;
  node.op = op;
  for (auto& [name, value] : attrs) node.attrs.set(name, std::move(value));
  return add(std::move(node), inputs, num_outputs);
}

std::vector<ValueRef> GraphBuilder::custom(std::shared_ptr<const ir::CustomOp> op,
                                           const std::vector<ValueRef>& inputs, ir::Attrs attrs) {
  ir::Node node;
  node.op = ir::OpKind::kCustom;
  node.attrs = std::move(attrs);
  node.attrs.set("operator", op->name);
  const auto num_outputs = static_cast<std::size_t>(op->num_outputs);
  node.custom = std::move(op);
  return add(std::move(node), inputs, num_outputs);
}

ValueRef GraphBuilder::node(ir::OpKind op, const std::vector<ValueRef>& inputs, AttrList attrs) {
  return nodes(op, inputs, std::move(attrs), 1)[0];
}

Whole GraphBuilder::extent(ValueRef value, int axis) {
  const Shape& shape = info(value).shape;
  const Dim& dim = shape[static_cast<std::size_t>(axis)];
  if (dim.is_static()) return dim.extent;
  if (const auto found = symbols_.find(dim.symbol); found != symbols_.end()) return found->second;
  // A derived extent such as "2*T+4".
  for (const auto& [name, whole] : symbols_) {
    const Dim base(name);
    for (const std::int64_t factor : {std::int64_t{1}, ir::factor_of(dim).factor}) {
      if (factor < 1 || dim.symbol.find(name) == std::string::npos) continue;
      const Dim scaled = ir::dim_times(base, factor);
      const std::size_t sign = dim.symbol.find_first_of("+-");
      const std::string tail = sign == std::string::npos ? "0" : dim.symbol.substr(sign);
      if (tail.size() > 18) continue;
      const std::int64_t offset = std::stoll(tail);
      if (ir::dim_plus(scaled, offset) == dim) return whole * factor + offset;
    }
  }
  return Whole::extent(value, axis);
}

void GraphBuilder::begin_loop(const Loop& loop) {
  Scope scope;
  scope.serial = ++num_scopes_;
  scope.spec = loop;
  ir::Node& node = scope.loop;
  node.op = ir::OpKind::kLoop;
  node.body = std::make_unique<ir::Graph>();
  scope.graph = node.body.get();
  const std::size_t depth = scopes_.size() - 1;
  const auto add_input = [&](ValueRef value, bool slice) {
    const ValueId outer = local(value, depth);
    ir::ValueInfo inside;
    if (outer != kNoValue) inside = scopes_[depth].graph->values[u(outer)];
    if (slice && static_cast<std::size_t>(loop.scan_axis) < inside.shape.size())
      inside.shape.erase(inside.shape.begin() + loop.scan_axis);
    inside.name = (slice ? "scanned_" : "carried_") + std::to_string(node.inputs.size());
    inside.kind = ir::ValueKind::kInput;
    inside.constant = {};
    node.inputs.push_back(outer);
    node.body->inputs.push_back(node.body->add_value(std::move(inside)));
  };
  for (const ValueRef value : loop.carried) add_input(value, false);
  for (const ValueRef value : loop.scanned) add_input(value, true);
  scopes_.push_back(std::move(scope));
}

ValueRef GraphBuilder::loop_input(std::size_t index) const {
  return {scope(), scopes_.back().graph->inputs[index]};
}

void GraphBuilder::abandon_loop() { scopes_.pop_back(); }

std::vector<ValueRef> GraphBuilder::end_loop(const std::vector<ValueRef>& next,
                                             const std::vector<ValueRef>& emitted, ValueRef stop) {
  const std::size_t results = next.size() + emitted.size() + (stop.valid() ? 1 : 0);
  std::vector<std::pair<std::string, ValueRef>> outputs;
  for (const ValueRef v : next) outputs.emplace_back("next_" + std::to_string(outputs.size()), v);
  for (const ValueRef v : emitted)
    outputs.emplace_back("emitted_" + std::to_string(outputs.size() - next.size()), v);
  if (stop.valid()) outputs.emplace_back("stop", stop);
  for (const auto& [name, value] : outputs) {
    const ValueId id = value.valid() ? local(value, scopes_.size() - 1) : kNoValue;
    if (id == kNoValue) fail(internal_error("a loop body's " + name + " is not made"));
    graph().outputs.push_back({name, id});
  }
  Scope scope = std::move(scopes_.back());
  scopes_.pop_back();
  ir::Node node = std::move(scope.loop);
  const auto number = [](std::size_t n) { return static_cast<std::int64_t>(n); };
  node.attrs.set("num_carried", number(next.size()));
  node.attrs.set("num_scanned", number(scope.spec.scanned.size()));
  node.attrs.set("num_emitted", number(emitted.size()));
  node.attrs.set("scan_axis", std::int64_t{scope.spec.scan_axis});
  node.attrs.set("trip_limit", scope.spec.trip_limit);
  node.attrs.set("has_stop", std::int64_t{stop.valid() ? 1 : 0});
  if (scope.spec.reverse) node.attrs.set("reverse", std::int64_t{1});
  std::vector<ValueRef> inputs;
  for (const ValueId id : node.inputs) inputs.push_back({scopes_.back().serial, id});
  node.inputs.clear();
  return add(std::move(node), inputs, results);
}

}  // namespace antiphon::onnx
