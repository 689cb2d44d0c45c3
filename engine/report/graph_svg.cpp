// Boxes for nodes, curves for values.
#include "engine/report/graph_svg.h"

#include <algorithm>
#include <map>

#include "engine/ir/dims.h"
#include "engine/ir/enum_names.h"
#include "engine/ir/op_enums.h"
#include "engine/report/html.h"
#include "engine/report/layout.h"

namespace antiphon::report {
namespace {

constexpr double kBoxWidth = 148, kBoxHeight = 32;
constexpr std::size_t kBoxCharacters = 24;
constexpr double kMargin = 8;

std::string attr_text(const ir::Node& node, const std::string& name, const ir::Attr& value) {
  if (const auto* i = std::get_if<std::int64_t>(&value)) {
    const std::string known = ir::enum_attr_name(node.op, name, *i);
    return known.empty() ? std::to_string(*i) : known;
  }
  if (const auto* f = std::get_if<double>(&value)) return std::to_string(*f);
  if (const auto* s = std::get_if<std::string>(&value)) return *s;
  std::string out;
  for (const std::int64_t v : std::get<std::vector<std::int64_t>>(value))
    out += (out.empty() ? "" : ", ") + std::to_string(v);
  return "[" + out + "]";
}

class Picture {
 public:
  Picture(const ir::Graph& graph, const std::string& prefix, const std::vector<NodeNote>& notes)
      : graph_(graph), prefix_(prefix), notes_(notes) {
    find_edges();
    layout_ = lay_out(shape_, kBoxWidth, kBoxHeight);
  }

  std::string write() {
    const double width = layout_.width + 2 * kMargin, height = layout_.height + 2 * kMargin;
    out_ = "<svg class=\"graph\" role=\"img\" width=\"" + number_text(width) + "\" height=\"" +
           number_text(height) + "\" viewBox=\"" + number_text(-kMargin) + " " +
           number_text(-kMargin) + " " + number_text(width) + " " + number_text(height) + "\">\n";
    out_ += "<title>" + escaped(graph_.name) + ": " + std::to_string(graph_.nodes.size()) +
            " nodes</title>\n";
    write_lines();
    for (std::size_t i = 0; i < graph_.inputs.size() + graph_.states.size(); ++i) write_input(i);
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) write_node(i);
    for (std::size_t i = 0; i < graph_.outputs.size(); ++i) write_output(i);
    return std::move(out_) + "</svg>\n";
  }

 private:
  const ir::ValueInfo& value(ir::ValueId id) const {
    return graph_.values[static_cast<std::size_t>(id)];
  }
  ir::ValueId input_at(std::size_t i) const {
    return i < graph_.inputs.size() ? graph_.inputs[i] : graph_.states[i - graph_.inputs.size()];
  }

  // Boxes: inputs and states, nodes, outputs.
  void find_edges() {
    std::map<ir::ValueId, std::size_t> made_by;
    first_node_ = graph_.inputs.size() + graph_.states.size();
    for (std::size_t i = 0; i < first_node_; ++i) made_by[input_at(i)] = i;
    const auto connect = [&](ir::ValueId id, std::size_t to) {
      const auto from = made_by.find(id);
      if (from != made_by.end()) shape_.edges.emplace_back(from->second, to);
    };
    std::size_t at = first_node_;
    for (const ir::Node& node : graph_.nodes) {
      for (const ir::ValueId id : node.inputs) connect(id, at);
      for (const ir::ValueId id : node.outputs) made_by[id] = at;
      ++at;
    }
    first_output_ = at;
    for (const ir::NamedOutput& output : graph_.outputs) connect(output.value, at++);
    shape_.num_nodes = at;
  }

  void write_lines() {
    std::string lines;
    for (const Segment& s : layout_.segments) {
      const double bend = (s.to.y - s.from.y) / 2;
      lines += "M" + number_text(s.from.x) + " " + number_text(s.from.y) + "C" +
               number_text(s.from.x) + " " + number_text(s.from.y + bend) + " " +
               number_text(s.to.x) + " " + number_text(s.to.y - bend) + " " + number_text(s.to.x) +
               " " + number_text(s.to.y);
      if (s.arrives) lines += "m-3 -5l3 5l3 -5";
    }
    out_ += "<path class=\"edge\" d=\"" + lines + "\"/>\n";
    for (const Jump& jump : layout_.jumps) {
      const Point to = layout_.nodes[jump.consumer];
      const double y = to.y - kBoxHeight / 2 - 3;
      out_ += "<text class=\"jump\" x=\"" + number_text(to.x + 8) + "\" y=\"" + number_text(y) +
              "\">↑ " + shortened(box_name(jump.producer), kBoxCharacters) + "</text>\n";
    }
  }

  std::string box_name(std::size_t box) const {
    if (box < first_node_) return value(input_at(box)).name;
    return graph_.nodes[box - first_node_].name;
  }

  // link: opened before, closed behind the box.
  void write_box(std::size_t box, const std::string& kind, const std::string& id,
                 const std::string& first, const std::string& second, const std::string& hint) {
    const Point c = layout_.nodes[box];
    const bool edge = box < first_node_ || box >= first_output_;
    out_ += "<g class=\"" + kind + "\"" + (id.empty() ? "" : " id=\"" + id + "\"") + "><title>" +
            hint + "</title><rect x=\"" + number_text(c.x - kBoxWidth / 2) + "\" y=\"" +
            number_text(c.y - kBoxHeight / 2) + "\" width=\"" + number_text(kBoxWidth) +
            "\" height=\"" + number_text(kBoxHeight) + "\" rx=\"" + (edge ? "15" : "3") + "\"/>";
    out_ += "<text x=\"" + number_text(c.x) + "\" y=\"" + number_text(c.y - 3) + "\"><tspan>" +
            first + "</tspan><tspan class=\"small\" x=\"" + number_text(c.x) + "\" dy=\"13\">" +
            second + "</tspan></text></g>";
  }

  std::string type_of(ir::ValueId id) const {
    if (id == ir::kNoValue) return "-";
    return std::string(dtype_name(value(id).dtype)) + ir::shape_text(value(id).shape);
  }

  void write_input(std::size_t i) {
    const ir::ValueInfo& info = value(input_at(i));
    const bool state = i >= graph_.inputs.size();
    write_box(
        i, "edge-box", "", shortened(info.name, kBoxCharacters),
        shortened(type_of(input_at(i)), kBoxCharacters + 4),
        (state ? "state " : "input ") + escaped(info.name) + ": " + escaped(type_of(input_at(i))));
    out_ += "\n";
  }

  void write_output(std::size_t i) {
    const ir::NamedOutput& output = graph_.outputs[i];
    write_box(first_output_ + i, "edge-box", "", shortened(output.name, kBoxCharacters),
              shortened(type_of(output.value), kBoxCharacters + 4),
              "output " + escaped(output.name) + ": " + escaped(type_of(output.value)));
    out_ += "\n";
  }

  std::string hint_of(const ir::Node& node) const {
    std::string text = node.name + "\n" + std::string(ir::op_name(node.op));
    for (const auto& [name, attr] : node.attrs.all())
      text += "\n" + name + " = " + attr_text(node, name, attr);
    for (const ir::ValueId id : node.inputs)
      if (id != ir::kNoValue) text += "\n← " + value(id).name + ": " + type_of(id);
    for (const ir::ValueId id : node.outputs)
      if (id != ir::kNoValue) text += "\n→ " + value(id).name + ": " + type_of(id);
    std::string safe;  // line by line: ends of lines are ours, others are not
    std::size_t begin = 0;
    for (std::size_t end = 0; end != std::string::npos; begin = end + 1) {
      end = text.find('\n', begin);
      safe += (begin ? "&#10;" : "") + escaped(text.substr(begin, end - begin));
    }
    return safe;
  }

  // The operator; of those that stand for many, which.
  static std::string box_title(const ir::Node& node) {
    std::string name(ir::op_name(node.op));
    if (node.body) return name + " · " + std::to_string(node.body->nodes.size()) + " nodes";
    if (node.op == ir::OpKind::kCustom) return node.attrs.s("operator", name);
    const std::string which = ir::enum_attr_name(node.op, "op", node.attrs.i("op"));
    return node.attrs.has("op") && !which.empty() ? name + " " + which : name;
  }

  void write_node(std::size_t i) {
    const ir::Node& node = graph_.nodes[i];
    const NodeNote note = i < notes_.size() ? notes_[i] : NodeNote();
    const std::string first = box_title(node);
    const ir::ValueId result = node.outputs.empty() ? ir::kNoValue : node.outputs[0];
    const std::string second = note.text.empty() ? type_of(result) : note.text;
    if (!note.row.empty()) out_ += "<a href=\"#" + note.row + "\">";
    write_box(first_node_ + i, op_class(node.op), prefix_ + std::to_string(i),
              shortened(first, kBoxCharacters), shortened(second, kBoxCharacters + 4),
              hint_of(node));
    if (note.share > 0.002) {
      const Point c = layout_.nodes[first_node_ + i];
      out_ += "<rect class=\"share\" x=\"" + number_text(c.x - kBoxWidth / 2) + "\" y=\"" +
              number_text(c.y + kBoxHeight / 2 - 3) + "\" width=\"" +
              number_text(kBoxWidth * std::min(1.0, note.share)) + "\" height=\"3\"/>";
    }
    out_ += note.row.empty() ? "\n" : "</a>\n";
  }

  const ir::Graph& graph_;
  const std::string& prefix_;
  const std::vector<NodeNote>& notes_;
  LayoutGraph shape_;
  Layout layout_;
  std::size_t first_node_ = 0, first_output_ = 0;
  std::string out_;
};

}  // namespace

const char* op_class(ir::OpKind op) {
  using enum ir::OpKind;
  const auto is = [op](auto... kinds) { return ((op == kinds) || ...); };
  if (is(kLinear, kConv, kMatMul, kAttention, ir::kOpConvNd, ir::kOpConvTranspose, ir::kOpConvLast,
         ir::kOpConvTransposeLast))
    return "dense";
  if (is(kSoftmax, kLogSoftmax, kLayerNorm, kReduce, ir::kOpPool, ir::kOpPoolLast, ir::kOpCumSum))
    return "norm";
  if (is(kUnary, kBinary, kClamp, kWhere, kPointwise, kCast, kQuantize, kDequantize, ir::kOpMath,
         ir::kOpMathBinary, ir::kOpRotary))
    return "point";
  if (is(kLoop)) return "loop";
  return is(kCustom) ? "other" : "move";
}

std::string graph_svg(const ir::Graph& graph, const std::string& prefix,
                      const std::vector<NodeNote>& notes) {
  std::string out = "<div class=\"scroll\">\n" + Picture(graph, prefix, notes).write() + "</div>\n";
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const ir::Node& node = graph.nodes[i];
    if (!node.body) continue;
    out += "<details><summary>body of " + escaped(node.name) + ", " +
           std::to_string(node.body->nodes.size()) + " nodes</summary>\n" +
           graph_svg(*node.body, prefix + std::to_string(i) + "-", {}) + "</details>\n";
  }
  return out;
}

}  // namespace antiphon::report
