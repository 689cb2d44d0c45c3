// Writes and reads graphs for plan files.
#include "engine/plan/graph_io.h"

#include <utility>
#include <variant>

#include "engine/ir/op_enums.h"

namespace antiphon::plan {
namespace {

constexpr int kMaxDepth = 4;  // loops in loops

void write_dims(const Shape& shape, ByteWriter& out) {
  out.number(static_cast<std::uint32_t>(shape.size()));
  for (const Dim& dim : shape) {
    out.number(dim.extent);
    out.text(dim.symbol);
  }
}

Shape read_dims(ByteReader& in) {
  Shape shape(in.count("shape", 12));
  for (Dim& dim : shape) {
    dim.extent = in.number<std::int64_t>("extent");
    dim.symbol = in.text("symbol");
    if (dim.extent < -1) in.fail("extent", "is " + std::to_string(dim.extent));
  }
  return shape;
}

void write_attrs(const ir::Attrs& attrs, ByteWriter& out) {
  out.number(static_cast<std::uint32_t>(attrs.all().size()));
  for (const auto& [name, value] : attrs.all()) {
    out.text(name);
    out.number(static_cast<std::uint8_t>(value.index()));
    if (const auto* i = std::get_if<std::int64_t>(&value)) out.number(*i);
    if (const auto* d = std::get_if<double>(&value)) out.number(*d);
    if (const auto* s = std::get_if<std::string>(&value)) out.text(*s);
    if (const auto* list = std::get_if<std::vector<std::int64_t>>(&value)) {
      out.number(static_cast<std::uint32_t>(list->size()));
      for (const std::int64_t v : *list) out.number(v);
    }
  }
}

ir::Attrs read_attrs(ByteReader& in) {
  ir::Attrs attrs;
  const std::uint32_t n = in.count("attributes", 5);
  for (std::uint32_t i = 0; i < n && in.status().ok(); ++i) {
    const std::string name = in.text("attribute name");
    switch (in.number<std::uint8_t>("attribute type")) {
      case 0: attrs.set(name, in.number<std::int64_t>("attribute")); break;
      case 1: attrs.set(name, in.number<double>("attribute")); break;
      case 2: attrs.set(name, in.text("attribute")); break;
      case 3: {
        std::vector<std::int64_t> list(in.count("attribute", 8));
        for (std::int64_t& v : list) v = in.number<std::int64_t>("attribute");
        attrs.set(name, std::move(list));
        break;
      }
      default: in.fail("attribute type", "of '" + name + "' is unknown");
    }
  }
  return attrs;
}

void write_program(const ir::PointwiseProgram& program, ByteWriter& out) {
  out.number(static_cast<std::uint32_t>(program.steps.size()));
  for (const ir::PointwiseStep& s : program.steps) {
    out.number(s.kind);
    out.number(s.op);
    for (const std::int16_t r : {s.a, s.b, s.c}) out.number(r);
    out.number(s.low);
    out.number(s.high);
  }
  out.number(static_cast<std::uint32_t>(program.results.size()));
  for (const std::int16_t r : program.results) out.number(r);
}

ir::PointwiseProgram read_program(ByteReader& in) {
  ir::PointwiseProgram program;
  program.steps.resize(in.count("program", 16));
  for (ir::PointwiseStep& s : program.steps) {
    s.kind = in.number<ir::PointwiseStep::Kind>("program step");
    s.op = in.number<std::uint8_t>("program step");
    for (std::int16_t* r : {&s.a, &s.b, &s.c}) *r = in.number<std::int16_t>("program step");
    s.low = in.number<float>("program step");
    s.high = in.number<float>("program step");
  }
  program.results.resize(in.count("program results", 2));
  for (std::int16_t& r : program.results) r = in.number<std::int16_t>("program results");
  return program;
}

void write_ids(const std::vector<ir::ValueId>& ids, ByteWriter& out) {
  out.number(static_cast<std::uint32_t>(ids.size()));
  for (const ir::ValueId id : ids) out.number(id);
}

std::vector<ir::ValueId> read_ids(ByteReader& in, const char* field, std::size_t num_values,
                                  bool optional) {
  std::vector<ir::ValueId> ids(in.count(field, 4));
  for (ir::ValueId& id : ids) {
    id = in.number<ir::ValueId>(field);
    if (id < (optional ? -1 : 0) || (id >= 0 && static_cast<std::size_t>(id) >= num_values)) {
      in.fail(field, "value " + std::to_string(id) + " of " + std::to_string(num_values));
      id = 0;
    }
  }
  return ids;
}

std::size_t elements(const Shape& shape) {
  std::size_t n = 1;
  for (const Dim& d : shape) n *= d.is_static() ? static_cast<std::size_t>(d.extent) : 0;
  return n;
}

ir::ValueInfo read_value(ByteReader& in, std::string_view blob,
                         const std::shared_ptr<const void>& owner) {
  ir::ValueInfo v;
  v.name = in.text("value name");
  v.kind = in.number<ir::ValueKind>("value kind");
  v.dtype = in.number<DType>("dtype");
  v.next = in.number<ir::ValueId>("next state");
  v.shape = read_dims(in);
  if (v.kind > ir::ValueKind::kConstant) in.fail("value kind", "of '" + v.name + "' is unknown");
  if (v.dtype > DType::kBool) in.fail("dtype", "of '" + v.name + "' is unknown");
  if (!in.status().ok() || v.kind != ir::ValueKind::kConstant) return v;
  const std::uint64_t offset = in.number<std::uint64_t>("constant offset");
  const std::uint64_t bytes = in.number<std::uint64_t>("constant bytes");
  if (offset % 64 != 0 || offset > blob.size() || bytes > blob.size() - offset)
    in.fail("constant offset", "of '" + v.name + "' lies outside the constants");
  else if (bytes != elements(v.shape) * dtype_bytes(v.dtype))
    in.fail("constant bytes", "of '" + v.name + "' do not match its shape");
  else
    v.constant = {owner, blob.data() + offset, bytes};
  return v;
}

}  // namespace

std::uint64_t ConstantBlob::add(const ir::ConstantData& constant) {
  const auto [at, added] = seen_.emplace(std::pair(constant.data, constant.bytes), 0);
  if (added) {
    bytes_.append((64 - bytes_.size() % 64) % 64, '\0');
    at->second = bytes_.size();
    bytes_.append(static_cast<const char*>(constant.data), constant.bytes);
  }
  return at->second;
}

void write_graph(const ir::Graph& graph, ByteWriter& out, ConstantBlob& blob) {
  out.text(graph.name);
  out.number(static_cast<std::uint32_t>(graph.values.size()));
  for (const ir::ValueInfo& v : graph.values) {
    out.text(v.name);
    out.number(v.kind);
    out.number(v.dtype);
    out.number(v.next);
    write_dims(v.shape, out);
    if (v.kind != ir::ValueKind::kConstant) continue;
    out.number(blob.add(v.constant));
    out.number(static_cast<std::uint64_t>(v.constant.bytes));
  }
  out.number(static_cast<std::uint32_t>(graph.nodes.size()));
  for (const ir::Node& node : graph.nodes) {
    out.number(node.op);
    out.text(node.name);
    write_ids(node.inputs, out);
    write_ids(node.outputs, out);
    write_attrs(node.attrs, out);
    write_program(node.pointwise, out);
    out.number(static_cast<std::uint8_t>(node.body != nullptr));
    if (node.body) write_graph(*node.body, out, blob);
  }
  write_ids(graph.inputs, out);
  write_ids(graph.states, out);
  out.number(static_cast<std::uint32_t>(graph.outputs.size()));
  for (const ir::NamedOutput& o : graph.outputs) {
    out.text(o.name);
    out.number(o.value);
  }
}

ir::Graph read_graph(ByteReader& in, std::string_view blob, std::shared_ptr<const void> owner,
                     int depth) {
  ir::Graph graph;
  if (depth > kMaxDepth) in.fail("body", "loops are nested too deeply");
  graph.name = in.text("graph name");
  const std::uint32_t num_values = in.count("values", 14);
  for (std::uint32_t i = 0; i < num_values && in.status().ok(); ++i)
    graph.values.push_back(read_value(in, blob, owner));
  const std::size_t n = graph.values.size();
  for (const ir::ValueInfo& v : graph.values)
    if (v.next < -1 || (v.next >= 0 && static_cast<std::size_t>(v.next) >= n))
      in.fail("next state", "of '" + v.name + "' is no value");
  const std::uint32_t num_nodes = in.count("nodes", 20);
  for (std::uint32_t i = 0; i < num_nodes && in.status().ok(); ++i) {
    ir::Node node;
    node.op = in.number<ir::OpKind>("op");
    if (static_cast<int>(node.op) >= ir::kNumAllOpKinds)
      in.fail("op", std::to_string(static_cast<int>(node.op)) + " is unknown");
    node.name = in.text("node name");
    node.inputs = read_ids(in, "node inputs", n, true);
    node.outputs = read_ids(in, "node outputs", n, true);
    node.attrs = read_attrs(in);
    node.pointwise = read_program(in);
    if (in.number<std::uint8_t>("has body") != 0 && in.status().ok())
      node.body = std::make_unique<ir::Graph>(read_graph(in, blob, owner, depth + 1));
    graph.nodes.push_back(std::move(node));
  }
  graph.inputs = read_ids(in, "graph inputs", n, false);
  graph.states = read_ids(in, "graph states", n, false);
  const std::uint32_t num_outputs = in.count("graph outputs", 8);
  for (std::uint32_t i = 0; i < num_outputs && in.status().ok(); ++i) {
    ir::NamedOutput o;
    o.name = in.text("output name");
    o.value = in.number<ir::ValueId>("output value");
    if (o.value < 0 || static_cast<std::size_t>(o.value) >= n)
      in.fail("output value", "of '" + o.name + "' is no value");
    graph.outputs.push_back(std::move(o));
  }
  return graph;
}

}  // namespace antiphon::plan
