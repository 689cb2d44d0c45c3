// Extents that no arithmetic over the inputs' names tells get names of their own, so that passes
// see which of them are the same: a sum of T steps and those that a slice at a past's length leaves
// has as many steps as the layers behind it.
#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/ir/dims.h"
#include "engine/ir/schema.h"
#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

using ir::kNoValue;
using ir::Node;
using ir::OpKind;

// Empty: a real number, whose text would not be exact.
std::string attr_text(const ir::Attr& attr) {
  if (const auto* i = std::get_if<std::int64_t>(&attr)) return std::to_string(*i);
  if (const auto* text = std::get_if<std::string>(&attr)) return "'" + *text + "'";
  const auto* list = std::get_if<std::vector<std::int64_t>>(&attr);
  if (!list) return {};
  std::string out = "[";
  for (const std::int64_t i : *list) out += std::to_string(i) + " ";
  return out;
}

// All that a shape rule goes by: nodes of one text make results of the same extents. Empty: it goes
// by more than that.
std::string rule_text(const ir::Graph& graph, const Node& node) {
  if (node.body || node.custom) return {};
  std::vector<std::string> inputs;
  for (const ir::ValueId id : node.inputs) {
    if (id == kNoValue) {
      inputs.emplace_back("-");
      continue;
    }
    const ir::ValueInfo& info = info_of(graph, id);
    for (const Dim& dim : info.shape)
      if (ir::is_unknown(dim)) return {};
    inputs.push_back(ir::shape_text(info.shape));
  }
  std::string out(ir::op_name(node.op));
  if (node.op == OpKind::kBinary) {
    std::sort(inputs.begin(), inputs.end());  // broadcasting takes both alike
  } else {
    for (const auto& [name, attr] : node.attrs.all()) {
      const std::string value = attr_text(attr);
      if (value.empty()) return {};
      out += ";" + name + "=" + value;
    }
  }
  for (const std::string& input : inputs) out += ";" + input;
  return out;
}

bool forget(ir::Graph& graph) {
  bool changed = false;
  for (ir::ValueInfo& value : graph.values)
    for (Dim& dim : value.shape) {
      if (!ir::is_its_own(dim)) continue;
      dim = {};
      changed = true;
    }
  return changed;
}

class Names {
 public:
  explicit Names(ir::Graph& graph) : graph_(graph) {}

  // False: none were given. By names a rule may find that a node can never run; that is for a run
  // to say, so then there are none at all.
  bool give() {
    bool changed = false;
    for (const Node& node : graph_.nodes) {
      if (!has(node.inputs, ir::is_its_own) && !has(node.outputs, ir::is_unknown)) continue;
      const auto told = told_of(node);
      if (!told.ok()) {
        forget(graph_);
        return false;
      }
      changed = give(node, *told) || changed;
    }
    return changed;
  }

 private:
  bool has(const std::vector<ir::ValueId>& ids, bool (*property)(const Dim&)) const {
    return std::any_of(ids.begin(), ids.end(), [&](ir::ValueId id) {
      if (id == kNoValue) return false;
      const Shape& shape = info_of(graph_, id).shape;
      return std::any_of(shape.begin(), shape.end(), property);
    });
  }

  // Of the node's results: what its rule tells by now, else names of their own.
  bool give(const Node& node, const std::vector<ir::ValueType>& told) {
    if (!has(node.outputs, ir::is_unknown)) return false;
    const std::string text = rule_text(graph_, node);
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == kNoValue) continue;
      Shape& shape = graph_.values[static_cast<std::size_t>(node.outputs[i])].shape;
      for (std::size_t axis = 0; axis < shape.size(); ++axis) {
        if (!ir::is_unknown(shape[axis])) continue;
        const Dim& dim = told[i].shape[axis];
        shape[axis] =
            ir::is_unknown(dim) ? of(text, std::to_string(i) + ":" + std::to_string(axis)) : dim;
      }
    }
    return true;
  }

  Result<std::vector<ir::ValueType>> told_of(const Node& node) const {
    std::vector<ir::ValueType> types(node.inputs.size());
    std::vector<const ir::ValueType*> inputs(node.inputs.size(), nullptr);
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == kNoValue) continue;
      types[i] = {info_of(graph_, node.inputs[i]).dtype, info_of(graph_, node.inputs[i]).shape};
      inputs[i] = &types[i];
    }
    return ir::infer_outputs(node, inputs);
  }

  Dim of(const std::string& text, const std::string& place) {
    if (text.empty()) return ir::dim_of_its_own(++count_);
    const auto [found, fresh] = names_.try_emplace(text + ";" + place);
    if (fresh) found->second = ir::dim_of_its_own(++count_);
    return found->second;
  }

  ir::Graph& graph_;
  int count_ = 0;
  std::map<std::string, Dim> names_;  // rule, inputs and place -> name
};

}  // namespace

Result<bool> name_extents(ir::Graph& graph) { return Names(graph).give(); }

Result<bool> unname_extents(ir::Graph& graph) { return forget(graph); }

}  // namespace antiphon::passes
