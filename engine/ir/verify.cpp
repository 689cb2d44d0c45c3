// Checks a whole graph against the schema table.
#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "engine/ir/dims.h"
#include "engine/ir/op_enums.h"
#include "engine/ir/schema.h"

namespace antiphon::ir {
namespace {

class Verifier {
 public:
  explicit Verifier(const Graph& graph) : graph_(graph), ready_(graph.values.size(), false) {}

  Status run(bool is_body) {
    ANTIPHON_RETURN_IF_ERROR(check_edges(is_body));
    std::set<std::string> names;
    for (const Node& node : graph_.nodes) {
      if (!names.insert(node.name).second)
        return invalid_argument(node.name + ": two nodes of this name");
      if (const Status status = check_node(node); !status.ok())
        return status.with_context(node.name);
    }
    return check_results(is_body);
  }

 private:
  bool in_range(ValueId id) const {
    return id >= 0 && static_cast<std::size_t>(id) < graph_.values.size();
  }
  const ValueInfo& info(ValueId id) const { return graph_.values[static_cast<std::size_t>(id)]; }
  bool ready(ValueId id) const { return in_range(id) && ready_[static_cast<std::size_t>(id)]; }

  Status check_edge(ValueId id, ValueKind kind, const char* what) {
    if (!in_range(id))
      return invalid_argument(std::string(what) + ": no value " + std::to_string(id));
    if (info(id).kind != kind)
      return invalid_argument(std::string(what) + " '" + info(id).name +
                              "': the value is of another kind");
    if (ready(id))
      return invalid_argument(std::string(what) + " '" + info(id).name + "': listed twice");
    ready_[static_cast<std::size_t>(id)] = true;
    return {};
  }

  Status check_edges(bool is_body) {
    for (std::size_t i = 0; i < graph_.values.size(); ++i) {
      const ValueInfo& value = graph_.values[i];
      if (value.kind != ValueKind::kConstant) continue;
      ANTIPHON_RETURN_IF_ERROR(check_constant(value));
      ready_[i] = true;
    }
    for (const ValueId id : graph_.inputs)
      ANTIPHON_RETURN_IF_ERROR(check_edge(id, ValueKind::kInput, "input"));
    if (is_body && !graph_.states.empty()) return invalid_argument("states: a loop body has none");
    for (const ValueId id : graph_.states)
      ANTIPHON_RETURN_IF_ERROR(check_edge(id, ValueKind::kState, "state"));
    return {};
  }

  static Status check_constant(const ValueInfo& value) {
    std::size_t wanted = dtype_bytes(value.dtype);
    for (const Dim& dim : value.shape) {
      if (!dim.is_static())
        return invalid_argument("constant '" + value.name + "': shape: wanted static, got " +
                                shape_text(value.shape));
      if (__builtin_mul_overflow(wanted, static_cast<std::size_t>(dim.extent), &wanted))
        return invalid_argument("constant '" + value.name + "': shape: too large");
    }
    if (value.constant.bytes != wanted || (wanted != 0 && !value.constant.data))
      return invalid_argument("constant '" + value.name + "': bytes: wanted " +
                              std::to_string(wanted) + ", got " +
                              std::to_string(value.constant.bytes));
    return {};
  }

  Status check_node(const Node& node) {
    if (static_cast<int>(node.op) >= kNumAllOpKinds)
      return invalid_argument("op: no such operator");
    if (node.body && node.op != OpKind::kLoop) return invalid_argument("body: only a loop has one");
    std::vector<ValueType> types(node.inputs.size());
    std::vector<const ValueType*> pointers;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId id = node.inputs[i];
      pointers.push_back(id == kNoValue ? nullptr : &types[i]);
      if (id == kNoValue) continue;
      if (!ready(id))
        return invalid_argument("input " + std::to_string(i) + ": " +
                                (in_range(id) ? "'" + info(id).name + "' is not made before it"
                                              : "no value " + std::to_string(id)));
      types[i] = {info(id).dtype, info(id).shape};
    }
    ANTIPHON_ASSIGN_OR_RETURN(const auto made, infer_outputs(node, pointers));
    for (std::size_t i = 0; i < made.size(); ++i) {
      const ValueId id = node.outputs[i];
      const std::string field = "output " + std::to_string(i);
      ANTIPHON_RETURN_IF_ERROR(check_edge(id, ValueKind::kTemp, field.c_str()));
      ANTIPHON_RETURN_IF_ERROR(check_type(info(id), made[i], field));
    }
    if (!node.body) return {};
    for (std::size_t i = 0; i < node.inputs.size(); ++i)
      ANTIPHON_RETURN_IF_ERROR(check_body_input(node, i, types[i]));
    Verifier body(*node.body);
    const Status status = body.run(/*is_body=*/true);
    return status.ok() ? status : status.with_context("body");
  }

  Status check_body_input(const Node& node, std::size_t index, ValueType type) const {
    const ValueInfo& inside = node.body->values[static_cast<std::size_t>(node.body->inputs[index])];
    const auto carried = static_cast<std::size_t>(node.attrs.i("num_carried"));
    const auto scanned = static_cast<std::size_t>(node.attrs.i("num_scanned"));
    if (index >= carried && index < carried + scanned)
      type.shape.erase(type.shape.begin() + static_cast<std::ptrdiff_t>(node.attrs.i("scan_axis")));
    return check_type(inside, type, "body input " + std::to_string(index));
  }

  static Status check_type(const ValueInfo& recorded, const ValueType& inferred,
                           const std::string& field) {
    if (recorded.dtype != inferred.dtype)
      return invalid_argument(field + ": dtype: inferred " +
                              std::string(dtype_name(inferred.dtype)) + ", recorded " +
                              std::string(dtype_name(recorded.dtype)));
    const auto agrees = [](const Dim& a, const Dim& b) {
      return a == b || is_unknown(a) || is_unknown(b) || is_its_own(a) || is_its_own(b);
    };
    if (std::equal(recorded.shape.begin(), recorded.shape.end(), inferred.shape.begin(),
                   inferred.shape.end(), agrees))
      return {};
    return invalid_argument(field + ": shape: inferred " + shape_text(inferred.shape) +
                            ", recorded " + shape_text(recorded.shape));
  }

  Status check_results(bool is_body) const {
    for (const ValueId id : graph_.states) {
      const ValueInfo& state = info(id);
      const std::string field = "state '" + state.name + "': next";
      if (!ready(state.next)) return invalid_argument(field + ": not updated");
      const ValueType next = {info(state.next).dtype, info(state.next).shape};
      ANTIPHON_RETURN_IF_ERROR(check_type(state, next, field));
    }
    std::set<std::string> names;
    for (const NamedOutput& output : graph_.outputs) {
      if (!ready(output.value)) return invalid_argument("output '" + output.name + "': not made");
      if (!is_body && !names.insert(output.name).second)
        return invalid_argument("output '" + output.name + "': named twice");
    }
    return {};
  }

  const Graph& graph_;
  std::vector<bool> ready_;  // made before the node that is looked at
};

}  // namespace

Status verify(const Graph& graph) {
  Verifier verifier(graph);
  const Status status = verifier.run(/*is_body=*/false);
  return status.ok() ? status : status.with_context("graph '" + graph.name + "'");
}

}  // namespace antiphon::ir
