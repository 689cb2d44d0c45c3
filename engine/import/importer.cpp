// The walk over a model: names, sub-graphs, functions, and one error for all that fails.
#include "engine/import/importer.h"

#include <algorithm>
#include <functional>

#include "engine/import/custom.h"
#include "engine/import/op.h"
#include "engine/import/op_table.h"
#include "engine/import/parts.h"
#include "engine/ir/dims.h"
#include "engine/plugins.h"

namespace antiphon::onnx {

using onnx_wire::GraphProto;
using onnx_wire::NodeProto;

namespace {

constexpr int kMinOpset = 7, kMaxOpset = 28;
constexpr int kMaxDepth = 16;               // sub-graphs and functions inside each other
constexpr std::size_t kMaxNodes = 400'000;  // with every loop unrolled
constexpr std::size_t kMaxErrors = 100;     // listed in one message

bool is_onnx_domain(const std::string& domain) { return domain.empty() || domain == "ai.onnx"; }

std::string label_of(const NodeProto& node) {
  if (!node.name().empty()) return node.name();
  for (const std::string& output : node.output())
    if (!output.empty()) return output;
  return node.op_type();
}

// Names that a node reads, its sub-graphs' included.
void add_reads(const NodeProto& node, const std::function<void(const std::string&)>& read,
               int depth) {
  for (const std::string& name : node.input())
    if (!name.empty()) read(name);
  if (depth > kMaxDepth) return;
  const auto inside = [&](const GraphProto& graph) {
    for (const NodeProto& inner : graph.node()) add_reads(inner, read, depth + 1);
    for (const auto& output : graph.output()) read(output.name());
  };
  for (const auto& attr : node.attribute()) {
    if (attr.has_g()) inside(attr.g());
    for (const GraphProto& graph : attr.graphs()) inside(graph);
  }
}

}  // namespace

const Item* Frame::find(const std::string& name) const {
  for (const Frame* frame = this; frame; frame = frame->around) {
    const auto found = frame->items.find(name);
    if (found != frame->items.end()) return &found->second;
  }
  return nullptr;
}

Importer::Importer(const onnx_wire::ModelProto& model, const ImportOptions& options)
    : model_(model), options_(options), builder_(model.graph().name()) {}

Status Importer::check_model() {
  if (!model_.has_graph()) return invalid_argument("not an ONNX model: it has no graph");
  for (const auto& function : model_.functions())
    functions_[function.domain() + ":" + function.name()] = &function;
  return {};
}

bool Importer::spend(std::size_t nodes) {
  spent_ += nodes;
  if (spent_ <= kMaxNodes) return true;
  builder_.fail(antiphon::unsupported("more than " + std::to_string(kMaxNodes) +
                                      " nodes with every loop unrolled"));
  return false;
}

int Importer::num_readers(const std::string& name) const {
  const auto found = readers_.find(name);
  return found == readers_.end() ? 0 : found->second;
}

void Importer::report(const NodeProto& node, const Frame& frame, const Status& error) {
  any_invalid_ = any_invalid_ || error.code() != StatusCode::kUnsupported;
  if (outermost_) unsupported_.insert(outermost_);
  std::string text = "node '" + frame.path + label_of(node) + "' (" + node.op_type() + "): ";
  text += error.message();
  if (reported_.insert(text).second) errors_.push_back(std::move(text));
}

std::set<const NodeProto*> Importer::unsupported_nodes() const {
  return any_invalid_ ? std::set<const NodeProto*>() : unsupported_;
}

void Importer::set_outputs_failed(const NodeProto& node, Frame& frame) {
  Item failed;
  failed.kind = Item::Kind::kFailed;
  for (const std::string& output : node.output())
    if (!output.empty()) frame.items[output] = failed;
}

void Importer::call_function(const onnx_wire::FunctionProto& function, const NodeProto& node,
                             Frame& frame) {
  Frame inner;
  inner.depth = frame.depth + 1;
  inner.path = frame.path + label_of(node) + "/";
  for (const auto& opset : function.opset_import())
    inner.opsets[is_onnx_domain(opset.domain()) ? "" : opset.domain()] =
        static_cast<int>(std::clamp<std::int64_t>(opset.version(), 0, 1000));
  if (inner.opsets.empty()) inner.opsets = frame.opsets;
  for (const auto& attr : function.attribute_proto()) inner.attributes[attr.name()] = &attr;
  for (const auto& attr : node.attribute()) {
    const onnx_wire::AttributeProto* given = &attr;
    if (!attr.ref_attr_name().empty()) {
      const auto outer = frame.attributes.find(attr.ref_attr_name());
      if (outer == frame.attributes.end()) continue;
      given = outer->second;
    }
    inner.attributes[attr.name()] = given;
  }
  for (int i = 0; i < function.input_size(); ++i) {
    const Item* item =
        i < node.input_size() && !node.input(i).empty() ? frame.find(node.input(i)) : nullptr;
    inner.items[function.input(i)] = item ? *item : Item();
  }
  std::set<std::string> wanted;
  for (int i = 0; i < std::min(function.output_size(), node.output_size()); ++i)
    if (!node.output(i).empty()) wanted.insert(function.output(i));
  run_nodes(function.node(), wanted, inner);
  for (int i = 0; i < node.output_size(); ++i) {
    if (node.output(i).empty()) continue;
    const Item* item = i < function.output_size() ? inner.find(function.output(i)) : nullptr;
    if (!item) {
      report(node, frame, invalid_argument("the function makes no output " + std::to_string(i)));
      return set_outputs_failed(node, frame);
    }
    frame.items[node.output(i)] = *item;
  }
}

void Importer::run_node(const NodeProto& node, Frame& frame) {
  const auto function = functions_.find(node.domain() + ":" + node.op_type());
  const auto custom =
      options_.plugins ? options_.plugins->find(node.domain() + "::" + node.op_type()) : nullptr;
  const bool given = custom && !is_onnx_domain(node.domain());  // a plug-in's goes before ours
  const Operator* entry = given ? nullptr : find_operator(node.domain(), node.op_type());
  const bool part =
      node.domain() == kPartDomain && options_.plugins && options_.plugins->has_fallback();
  if (!entry && !custom && !part && function == functions_.end()) {
    const std::string domain =
        is_onnx_domain(node.domain()) ? std::string() : " of domain '" + node.domain() + "'";
    report(node, frame, antiphon::unsupported("the operator" + domain + " is not supported"));
    return set_outputs_failed(node, frame);
  }
  for (const std::string& name : node.input()) {
    const Item* item = name.empty() ? nullptr : frame.find(name);
    if (name.empty()) continue;
    if (!item) {
      report(node, frame,
             invalid_argument("input '" + name +
                              "' is not made by any node before it, nor an "
                              "input or initialiser: a missing input, or a cycle"));
      return set_outputs_failed(node, frame);
    }
    if (item->kind == Item::Kind::kFailed) return set_outputs_failed(node, frame);
  }
  if (frame.depth > kMaxDepth) {
    report(node, frame, antiphon::unsupported("functions and sub-graphs are nested too deeply"));
    return set_outputs_failed(node, frame);
  }
  if (!entry && !custom && !part) return call_function(*function->second, node, frame);
  const auto opset = frame.opsets.find("");
  const int version = opset == frame.opsets.end() ? kMaxOpset : opset->second;
  Status error;
  if (version < kMinOpset || version > kMaxOpset) {
    error = antiphon::unsupported("opset " + std::to_string(version) + ", wanted " +
                                  std::to_string(kMinOpset) + " to " + std::to_string(kMaxOpset));
  } else if (spend(1)) {
    builder_.set_label(frame.path + label_of(node));
    Op op(*this, frame, node, version);
    if (part)
      lower_part(op, node);
    else if (!entry)
      lower_custom(op, node, custom);
    else if (!fold_known(op))
      entry->lower(op);
    error = builder_.take_error();
  } else {
    error = builder_.take_error();
  }
  if (!error.ok()) {
    report(node, frame, error);
    return set_outputs_failed(node, frame);
  }
  for (const std::string& output : node.output()) {
    if (output.empty()) continue;
    const Item& item = frame.items.try_emplace(output).first->second;
    if (item.kind == Item::Kind::kValue) builder_.name(item.value, frame.path + output);
  }
}

void Importer::run_nodes(const google::protobuf::RepeatedPtrField<NodeProto>& nodes,
                         const std::set<std::string>& wanted, Frame& frame) {
  // Only what the outputs need, from the last node back.
  std::set<std::string> live = wanted;
  std::vector<bool> needed(static_cast<std::size_t>(nodes.size()), false);
  for (int n = nodes.size(); n-- > 0;) {
    const NodeProto& node = nodes[n];
    const bool used = std::any_of(node.output().begin(), node.output().end(),
                                  [&](const std::string& name) { return live.contains(name); });
    if (!used) continue;
    needed[static_cast<std::size_t>(n)] = true;
    add_reads(
        node, [&](const std::string& name) { live.insert(name); }, 0);
  }
  for (int n = 0; n < nodes.size(); ++n) {
    if (!needed[static_cast<std::size_t>(n)]) continue;
    if (frame.depth == 0) outermost_ = &nodes[n];
    run_node(nodes[n], frame);
    if (errors_.size() >= kMaxErrors) return;
  }
}

std::vector<Item> Importer::run_subgraph(const GraphProto& graph, Frame& around,
                                         const std::vector<Item>& inputs, const std::string& part) {
  std::vector<Item> out(static_cast<std::size_t>(graph.output_size()));
  Frame frame;
  frame.around = &around;
  frame.attributes = around.attributes;
  frame.opsets = around.opsets;
  frame.depth = around.depth + 1;
  frame.path = around.path + part + "/";
  if (frame.depth > kMaxDepth) {
    builder_.fail(antiphon::unsupported("sub-graphs are nested too deeply"));
    return out;
  }
  if (const Status status = add_initializers(graph, frame); !status.ok()) {
    builder_.fail(status);
    return out;
  }
  for (std::size_t i = 0; i < inputs.size() && i < static_cast<std::size_t>(graph.input_size());
       ++i)
    frame.items[graph.input(static_cast<int>(i)).name()] = inputs[i];
  std::set<std::string> wanted;
  for (const auto& output : graph.output()) wanted.insert(output.name());
  const std::size_t errors = errors_.size();
  run_nodes(graph.node(), wanted, frame);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const Item* item = frame.find(graph.output(static_cast<int>(i)).name());
    if (item && item->kind != Item::Kind::kFailed) {
      out[i] = *item;
    } else if (errors_.size() == errors) {
      builder_.fail(invalid_argument(part + ": output '" +
                                     graph.output(static_cast<int>(i)).name() + "' is not made"));
    } else {
      builder_.fail(antiphon::unsupported(part + " holds nodes that cannot be imported"));
    }
  }
  return out;
}

Status Importer::add_outputs(Frame& frame) {
  std::set<std::string> names;
  for (const auto& output : model_.graph().output()) {
    const Item* item = frame.find(output.name());
    const std::string field = "output '" + output.name() + "': ";
    if (!names.insert(output.name()).second) return invalid_argument(field + "listed twice");
    if (!item) return invalid_argument(field + "no node makes it");
    if (item->kind == Item::Kind::kFailed) continue;
    if (item->kind == Item::Kind::kSequence || item->kind == Item::Kind::kAbsent)
      return antiphon::unsupported(field + "sequences and optional values cannot leave a network");
    builder_.set_label(output.name());
    ValueRef value = to_value(*item);
    const ir::ValueKind kind = builder_.info(value).kind;
    if (kind == ir::ValueKind::kInput || kind == ir::ValueKind::kConstant)
      value = builder_.node(ir::OpKind::kIdentity, {value});
    const Status status = builder_.take_error();
    if (!status.ok()) return status.with_context("output '" + output.name() + "'");
    builder_.output(output.name(), value);
  }
  if (names.empty()) return invalid_argument("the graph has no outputs");
  return {};
}

Status Importer::all_errors() const {
  std::string text;
  for (std::size_t i = 0; i < errors_.size(); ++i) text += (i ? "\n  " : "\n  ") + errors_[i];
  const std::string head = std::to_string(errors_.size()) +
                           (errors_.size() == 1 ? " node" : " nodes") + " cannot be imported:";
  return any_invalid_ ? invalid_argument(head + text) : antiphon::unsupported(head + text);
}

Result<ir::Graph> Importer::run() {
  ANTIPHON_RETURN_IF_ERROR(check_model());
  Frame frame;
  for (const auto& opset : model_.opset_import())
    frame.opsets[is_onnx_domain(opset.domain()) ? "" : opset.domain()] =
        static_cast<int>(std::clamp<std::int64_t>(opset.version(), 0, 1000));
  if (!frame.opsets.contains(""))
    return invalid_argument("opset_import: the version of the default domain is not given");
  ANTIPHON_RETURN_IF_ERROR(add_initializers(model_.graph(), frame));
  ANTIPHON_RETURN_IF_ERROR(add_inputs(frame));
  std::set<std::string> wanted;
  for (const auto& output : model_.graph().output()) wanted.insert(output.name());
  for (const NodeProto& node : model_.graph().node())
    add_reads(
        node, [&](const std::string& name) { ++readers_[name]; }, 0);
  for (const std::string& name : wanted) ++readers_[name];
  run_nodes(model_.graph().node(), wanted, frame);
  if (!errors_.empty()) return all_errors();
  ANTIPHON_RETURN_IF_ERROR(add_outputs(frame));
  return builder_.take();
}

}  // namespace antiphon::onnx
