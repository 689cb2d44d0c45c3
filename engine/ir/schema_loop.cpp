// Shape rule of the structured loop: the rules of its body, run on one step.
#include "engine/ir/schema_rules.h"

namespace antiphon::ir {
namespace {

constexpr std::int64_t kMaxTrips = std::int64_t{1} << 31;

struct LoopParts {
  std::size_t num_carried = 0, num_scanned = 0, num_emitted = 0, scan_axis = 0;
  bool has_stop = false;
};

Result<LoopParts> parts_of(const Node& node, In in) {
  LoopParts p;
  if (!node.body) return invalid_argument("body is absent");
  const auto count = [&](const char* name, std::size_t& out) {
    const std::int64_t value = node.attrs.i(name);
    out = static_cast<std::size_t>(value);
    return want_range(node, name, value, 0, 1 << 20);
  };
  ANTIPHON_RETURN_IF_ERROR(count("num_carried", p.num_carried));
  ANTIPHON_RETURN_IF_ERROR(count("num_scanned", p.num_scanned));
  ANTIPHON_RETURN_IF_ERROR(count("num_emitted", p.num_emitted));
  ANTIPHON_RETURN_IF_ERROR(count("scan_axis", p.scan_axis));
  p.has_stop = node.attrs.i("has_stop") != 0;
  if (in.size() < p.num_carried + p.num_scanned)
    return invalid_argument("inputs: fewer than num_carried + num_scanned");
  if (node.body->inputs.size() != in.size())
    return invalid_argument("body inputs: wanted " + std::to_string(in.size()) + ", got " +
                            std::to_string(node.body->inputs.size()));
  const std::size_t outputs = p.num_carried + p.num_emitted + (p.has_stop ? 1 : 0);
  if (node.body->outputs.size() != outputs)
    return invalid_argument("body outputs: wanted " + std::to_string(outputs) + ", got " +
                            std::to_string(node.body->outputs.size()));
  return p;
}

// The types of the body's inputs, and the trip count.
Result<std::vector<ValueType>> step_types(const Node& node, In in, const LoopParts& p, Dim& trips) {
  std::vector<ValueType> out;
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (!in[i]) return invalid_argument("input " + std::to_string(i) + " is absent");
    out.push_back(*in[i]);
    if (i < p.num_carried || i >= p.num_carried + p.num_scanned) continue;
    Shape& shape = out.back().shape;
    if (p.scan_axis >= shape.size())
      return invalid_argument("scan_axis: " + std::to_string(p.scan_axis) + " of " +
                              shape_text(shape));
    const Dim steps = shape[p.scan_axis];
    if (i == p.num_carried) trips = steps;
    ANTIPHON_RETURN_IF_ERROR(want_extent(steps, "length of a scanned sequence", trips));
    trips = more_specific(trips, steps);
    shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(p.scan_axis));
  }
  if (p.num_scanned == 0) {
    const std::int64_t limit = node.attrs.i("trip_limit");
    ANTIPHON_RETURN_IF_ERROR(want_range(node, "trip_limit", limit, 0, kMaxTrips));
    trips = Dim(limit);
  }
  return out;
}

Result<std::vector<ValueType>> body_types(const Graph& body, const std::vector<ValueType>& inputs) {
  std::vector<ValueType> types(body.values.size());
  std::vector<bool> known(body.values.size(), false);
  const auto index = [&](ValueId id) { return static_cast<std::size_t>(id); };
  const auto valid = [&](ValueId id) {
    return id >= 0 && index(id) < types.size() && known[index(id)];
  };
  for (std::size_t i = 0; i < body.values.size(); ++i) {
    if (body.values[i].kind != ValueKind::kConstant) continue;
    types[i] = {body.values[i].dtype, body.values[i].shape};
    known[i] = true;
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const ValueId id = body.inputs[i];
    if (id < 0 || index(id) >= types.size()) return invalid_argument("body input out of range");
    types[index(id)] = inputs[i];
    known[index(id)] = true;
  }
  for (const Node& node : body.nodes) {
    std::vector<const ValueType*> in;
    for (const ValueId id : node.inputs) {
      if (id != kNoValue && !valid(id))
        return invalid_argument("body: " + node.name + " uses a value that is not made before it");
      in.push_back(id == kNoValue ? nullptr : &types[index(id)]);
    }
    auto made = infer_outputs(node, in);
    if (!made.ok()) return made.status().with_context("body: " + node.name);
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == kNoValue) continue;
      if (node.outputs[i] < 0 || index(node.outputs[i]) >= types.size())
        return invalid_argument("body: " + node.name + ": output out of range");
      types[index(node.outputs[i])] = std::move((*made)[i]);
      known[index(node.outputs[i])] = true;
    }
  }
  std::vector<ValueType> out;
  for (const NamedOutput& output : body.outputs) {
    if (!valid(output.value))
      return invalid_argument("body: output " + output.name + " is not made");
    out.push_back(types[index(output.value)]);
  }
  return out;
}

}  // namespace

Types loop_rule(const Node& node, In in) {
  ANTIPHON_ASSIGN_OR_RETURN(const LoopParts p, parts_of(node, in));
  Dim trips;
  ANTIPHON_ASSIGN_OR_RETURN(const auto steps, step_types(node, in, p, trips));
  ANTIPHON_ASSIGN_OR_RETURN(auto made, body_types(*node.body, steps));
  std::vector<ValueType> out;
  for (std::size_t i = 0; i < p.num_carried; ++i) {
    const std::string field = "next of carried value " + std::to_string(i);
    ANTIPHON_RETURN_IF_ERROR(want_dtype(made[i], field.c_str(), in[i]->dtype));
    ANTIPHON_RETURN_IF_ERROR(want_shape(made[i], field.c_str(), in[i]->shape));
    out.push_back(*in[i]);
  }
  for (std::size_t i = 0; i < p.num_emitted; ++i) {
    ValueType type = std::move(made[p.num_carried + i]);
    if (p.scan_axis > type.shape.size())
      return invalid_argument("emitted value " + std::to_string(i) + ": no axis " +
                              std::to_string(p.scan_axis) + " in or after " +
                              shape_text(type.shape));
    type.shape.insert(type.shape.begin() + static_cast<std::ptrdiff_t>(p.scan_axis), trips);
    out.push_back(std::move(type));
  }
  if (p.has_stop) {
    const ValueType& stop = made.back();
    if (stop.dtype != DType::kF32 && stop.dtype != DType::kBool)
      return invalid_argument("stop: wanted f32 or bool, got " +
                              std::string(dtype_name(stop.dtype)));
    for (const Dim& dim : stop.shape) ANTIPHON_RETURN_IF_ERROR(want_extent(dim, "stop", Dim(1)));
    out.push_back({DType::kI32, {Dim(1)}});
  }
  return out;
}

}  // namespace antiphon::ir
