// A graph as text, one node a line.
#include <charconv>
#include <map>
#include <set>
#include <string>

#include "engine/ir/dims.h"
#include "engine/ir/enum_names.h"
#include "engine/ir/graph.h"

namespace antiphon::ir {
namespace {

std::string number(double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, static_cast<float>(value)).ptr;
  return {buffer, end};
}

class Writer {
 public:
  Writer(const Graph& graph, std::string indent) : graph_(graph), indent_(std::move(indent)) {
    // Names of orphans do not count.
    std::set<ValueId> live(graph.inputs.begin(), graph.inputs.end());
    live.insert(graph.states.begin(), graph.states.end());
    for (const ValueId id : graph.states)
      live.insert(graph.values[static_cast<std::size_t>(id)].next);
    for (const NamedOutput& output : graph.outputs) live.insert(output.value);
    for (const Node& node : graph.nodes) {
      live.insert(node.inputs.begin(), node.inputs.end());
      live.insert(node.outputs.begin(), node.outputs.end());
    }
    for (const ValueId id : live)
      if (id >= 0 && static_cast<std::size_t>(id) < graph.values.size())
        ++uses_[graph.values[static_cast<std::size_t>(id)].name];
  }

  std::string write() {
    line("graph " + graph_.name);
    indent_ += "  ";
    for (const ValueId id : graph_.inputs) line("input " + declared(id));
    for (const ValueId id : graph_.states)
      line("state " + declared(id) + " -> " +
           ref(graph_.values[static_cast<std::size_t>(id)].next));
    write_constants();
    for (const Node& node : graph_.nodes) write_node(node);
    for (const NamedOutput& output : graph_.outputs)
      line("output " + output.name + " = " + ref(output.value));
    return std::move(out_);
  }

 private:
  void line(const std::string& text) { out_ += indent_ + text + "\n"; }

  std::string ref(ValueId id) const {
    if (id < 0 || static_cast<std::size_t>(id) >= graph_.values.size()) return "-";
    const std::string& name = graph_.values[static_cast<std::size_t>(id)].name;
    const bool unique = uses_.at(name) == 1 && !name.empty();
    return "%" + (unique ? name : name + "@" + std::to_string(id));
  }
  std::string type(ValueId id) const {
    const ValueInfo& info = graph_.values[static_cast<std::size_t>(id)];
    return std::string(dtype_name(info.dtype)) + shape_text(info.shape);
  }
  std::string declared(ValueId id) const { return id < 0 ? "-" : ref(id) + ": " + type(id); }

  // Only those that a node or an output reads.
  void write_constants() {
    std::vector<bool> used(graph_.values.size(), false);
    const auto mark = [&](ValueId id) {
      if (is_constant(graph_, id)) used[static_cast<std::size_t>(id)] = true;
    };
    for (const Node& node : graph_.nodes)
      for (const ValueId id : node.inputs) mark(id);
    for (const NamedOutput& output : graph_.outputs) mark(output.value);
    for (const ValueId id : graph_.states) mark(graph_.values[static_cast<std::size_t>(id)].next);
    for (std::size_t i = 0; i < used.size(); ++i)
      if (used[i])
        line("const " + declared(static_cast<ValueId>(i)) + literal(static_cast<ValueId>(i)));
  }

  // The value of a small f32 constant.
  std::string literal(ValueId id) const {
    const TensorView view = constant_view(graph_, id);
    if (view.dtype != DType::kF32 || view.num_elements() != 1) return {};
    return " = " + number(view.f32()[0]);
  }

  void write_node(const Node& node) {
    std::string text;
    for (std::size_t i = 0; i < node.outputs.size(); ++i)
      text += (i ? ", " : "") + declared(node.outputs[i]);
    text += " = " + std::string(op_name(node.op)) + "(";
    for (std::size_t i = 0; i < node.inputs.size(); ++i)
      text += (i ? ", " : "") + ref(node.inputs[i]);
    text += ")";
    std::string attrs;
    for (const auto& [name, value] : node.attrs.all())
      attrs += (attrs.empty() ? "" : ", ") + name + "=" + attr_text(node, name, value);
    if (!attrs.empty()) text += " {" + attrs + "}";
    line(text);
    if (node.op == OpKind::kPointwise) write_program(node);
    if (node.body) out_ += Writer(*node.body, indent_ + "  ").write();
  }

  static std::string attr_text(const Node& node, const std::string& name, const Attr& value) {
    if (const auto* i = std::get_if<std::int64_t>(&value)) {
      const std::string known = enum_attr_name(node.op, name, *i);
      return known.empty() ? std::to_string(*i) : known;
    }
    if (const auto* f = std::get_if<double>(&value)) return number(*f);
    if (const auto* s = std::get_if<std::string>(&value)) return "'" + *s + "'";
    std::string out = "[";
    for (const std::int64_t d : std::get<std::vector<std::int64_t>>(value))
      out += (out.size() > 1 ? ", " : "") + std::to_string(d);
    return out + "]";
  }

  void write_program(const Node& node) {
    const auto reg = [](std::int16_t r) { return "r" + std::to_string(r); };
    for (std::size_t i = 0; i < node.pointwise.steps.size(); ++i) {
      const PointwiseStep& step = node.pointwise.steps[i];
      std::string text = "  r" + std::to_string(node.inputs.size() + i) + " = ";
      switch (step.kind) {
        case PointwiseStep::Kind::kUnary:
          text += std::string(unary_name(step.op)) + " " + reg(step.a);
          break;
        case PointwiseStep::Kind::kBinary:
          text += std::string(binary_name(step.op)) + " " + reg(step.a) + " " + reg(step.b);
          break;
        case PointwiseStep::Kind::kClamp:
          text += "clamp " + reg(step.a) + " " + number(step.low) + " " + number(step.high);
          break;
        case PointwiseStep::Kind::kWhere:
          text += "where " + reg(step.a) + " " + reg(step.b) + " " + reg(step.c);
          break;
        case PointwiseStep::Kind::kScalar: text += number(step.low); break;
        case PointwiseStep::Kind::kFromBytes:
        case PointwiseStep::Kind::kToBytes:
          text += step.kind == PointwiseStep::Kind::kToBytes ? "to_bytes " : "from_bytes ";
          text += reg(step.a) + " " + number(step.low) + " " + number(step.high);
          break;
      }
      line(text);
    }
    std::string results = "  ->";
    for (const std::int16_t r : node.pointwise.results) results += " " + reg(r);
    line(results);
  }

  const Graph& graph_;
  std::string indent_;
  std::string out_;
  std::map<std::string, int> uses_;
};

}  // namespace

std::string to_text(const Graph& graph) { return Writer(graph, "").write(); }

}  // namespace antiphon::ir
