// If, Loop and Scan. A condition that is known picks its branch; a loop whose trip count is known
// is unrolled where its values change shape; the others become structured loops.
#include <algorithm>

#include "engine/import/importer.h"
#include "engine/import/onnx.pb.h"
#include "engine/import/op.h"
#include "engine/import/ops.h"
#include "engine/ir/dims.h"

namespace antiphon::onnx {

using onnx_wire::GraphProto;

namespace {

constexpr std::int64_t kMaxUnrolled = 4096;
constexpr std::int64_t kMaxTrips = std::int64_t{1} << 30;

const GraphProto* graph_attr(Op& op, const char* name) {
  const auto* attr = op.attr(name);
  if (attr && attr->has_g()) return &attr->g();
  op.invalid(std::string(name) + " is absent");
  return nullptr;
}

bool same_type(const Op& op, ValueRef a, ValueRef b) {
  const Shape &x = op.graph().info(a).shape, &y = op.graph().info(b).shape;
  return op.dtype(a) == op.dtype(b) && ir::same_shape(x, y);
}

// Both branches are computed and one is taken: values have no side effects.
Item chosen(Op& op, ValueRef condition, const Item& yes, const Item& no) {
  if (yes.kind == Item::Kind::kSequence || no.kind == Item::Kind::kSequence ||
      yes.kind == Item::Kind::kAbsent || no.kind == Item::Kind::kAbsent) {
    op.unsupported("a sequence or optional value that depends on a condition at run time");
    return {};
  }
  const ValueRef a = op.to_value(yes), b = op.to_value(no);
  if (op.failed()) return {};
  if (!same_type(op, a, b)) {
    op.unsupported("the branches give " + ir::shape_text(op.graph().info(a).shape) + " and " +
                   ir::shape_text(op.graph().info(b).shape) +
                   ": a shape that depends on a condition at run time");
    return {};
  }
  return Item::of(op.where(condition, a, b), yes.type);
}

}  // namespace

void lower_if(Op& op) {
  const GraphProto* then_branch = graph_attr(op, "then_branch");
  const GraphProto* else_branch = graph_attr(op, "else_branch");
  if (op.failed()) return;
  Importer& importer = op.importer();
  const Known* known = op.known(0);
  if (known && known->all_numbers() && known->values.size() == 1) {
    const bool yes = known->values[0].whole.number() != 0;
    const auto out = importer.run_subgraph(yes ? *then_branch : *else_branch, op.frame(), {},
                                           yes ? "then_branch" : "else_branch");
    if (op.failed()) return;
    for (std::size_t i = 0; i < out.size(); ++i) op.set(i, out[i]);
    return;
  }
  const auto yes = importer.run_subgraph(*then_branch, op.frame(), {}, "then_branch");
  if (op.failed()) return;
  const auto no = importer.run_subgraph(*else_branch, op.frame(), {}, "else_branch");
  if (op.failed()) return;
  if (yes.size() != no.size()) return op.invalid("the branches give different numbers of outputs");
  const ValueRef condition = op.reshape(op.value(0), {});
  for (std::size_t i = 0; i < yes.size() && !op.failed(); ++i)
    op.set(i, chosen(op, condition, yes[i], no[i]));
}

namespace {

Item number_item(Element type, std::int64_t value) {
  return Item::of(Known{type, {}, {{value, 0}}});
}

struct LoopParts {
  const GraphProto* body = nullptr;
  std::size_t num_carried = 0, num_emitted = 0;
};

// Every iteration's nodes one after the other: any body, as long as what stops it is known.
void unroll(Op& op, const LoopParts& parts, std::int64_t trips) {
  std::vector<Item> carried;
  for (std::size_t i = 0; i < parts.num_carried; ++i) carried.push_back(op.item(2 + i));
  Item condition = op.has(1) ? op.item(1) : number_item(Element::kBool, 1);
  std::vector<std::vector<ValueRef>> emitted(parts.num_emitted);
  std::vector<Element> types(parts.num_emitted, Element::kFloat);
  for (std::int64_t i = 0; i < trips; ++i) {
    if (!condition.known || !condition.known->all_numbers())
      return op.unsupported("a condition at run time in a loop whose values change shape");
    if (condition.known->values[0].whole.number() == 0) break;
    std::vector<Item> inputs = {number_item(Element::kInt64, i), condition};
    inputs.insert(inputs.end(), carried.begin(), carried.end());
    const auto out = op.importer().run_subgraph(*parts.body, op.frame(), inputs, "body");
    if (op.failed()) return;
    condition = out[0];
    for (std::size_t k = 0; k < parts.num_carried; ++k) carried[k] = out[1 + k];
    for (std::size_t k = 0; k < parts.num_emitted; ++k) {
      const Item& item = out[1 + parts.num_carried + k];
      types[k] = item.type;
      const ValueRef value = op.to_value(item);
      Wholes dims = op.extents(value);
      dims.insert(dims.begin(), Whole(1));
      emitted[k].push_back(op.reshape(value, dims));
    }
    if (op.failed()) return;
  }
  for (std::size_t k = 0; k < parts.num_carried; ++k) op.set(k, carried[k]);
  for (std::size_t k = 0; k < parts.num_emitted; ++k) {
    const std::size_t at = parts.num_carried + k;
    if (!op.wants_output(at)) continue;
    if (emitted[k].empty()) return op.unsupported("a loop that never runs has no scan output");
    op.set(at, op.concat(emitted[k], 0), types[k]);
  }
}

std::optional<std::int64_t> known_number(const Item& item) {
  if (!item.known || item.known->values.size() != 1) return std::nullopt;
  return item.known->values[0].whole.number();
}

bool is_true(const Item& item) { return known_number(item).value_or(0) != 0; }

// Kinds of nodes that loop programs are made of.
bool runs_as_loop(const ir::Graph& body) {
  using ir::OpKind;
  return std::all_of(body.nodes.begin(), body.nodes.end(), [](const ir::Node& node) {
    const bool other = node.op == OpKind::kLoop || node.op == OpKind::kAttention ||
                       node.op == OpKind::kQuantize || node.op == OpKind::kDequantize;
    return !other && static_cast<int>(node.op) < ir::kNumOpKinds;
  });
}

// The loop as one node. False: the body cannot be one, and nothing was changed but nodes that
// nobody reads.
bool structured(Op& op, const LoopParts& parts, std::int64_t trips) {
  GraphBuilder& graph = op.graph();
  GraphBuilder::Loop loop;
  std::vector<Element> types;
  for (std::size_t i = 0; i < parts.num_carried; ++i) {
    if (op.item(2 + i).kind == Item::Kind::kSequence) return false;
    loop.carried.push_back(op.value(2 + i));
    types.push_back(op.element(2 + i));
  }
  // The iteration's number is carried as f32: what loops count in.
  loop.carried.push_back(op.number(DType::kF32, 0));
  loop.trip_limit = trips;
  if (op.failed()) return false;
  graph.begin_loop(loop);
  const ValueRef counter = graph.loop_input(parts.num_carried);
  std::vector<Item> inputs = {Item::of(op.cast(counter, DType::kI64), Element::kInt64),
                              number_item(Element::kBool, 1)};
  for (std::size_t i = 0; i < parts.num_carried; ++i)
    inputs.push_back(Item::of(graph.loop_input(i), types[i]));
  const auto out = op.importer().run_subgraph(*parts.body, op.frame(), inputs, "body");
  std::vector<ValueRef> next, emitted;
  bool fits = !op.failed();
  for (std::size_t i = 0; fits && i < out.size(); ++i) {
    if (i == 0) continue;
    fits = out[i].kind != Item::Kind::kSequence && out[i].present();
    if (!fits) break;
    const ValueRef value = op.to_value(out[i]);
    (i <= parts.num_carried ? next : emitted).push_back(value);
    if (i <= parts.num_carried)
      fits = !op.failed() && same_type(op, value, graph.loop_input(i - 1));
  }
  if (!fits || (trips <= kMaxUnrolled && !runs_as_loop(graph.innermost()))) {
    graph.abandon_loop();
    return false;
  }
  next.push_back(op.binary(Binary::kAdd, counter, 1.0));
  ValueRef stop;
  if (!is_true(out[0])) {
    const ValueRef go = op.to_value(out[0]);
    stop = op.reshape(op.unary(Unary::kNot, go), {1});
  }
  const std::vector<ValueRef> results = graph.end_loop(next, emitted, stop);
  if (op.failed()) return false;
  // Steps that were not run are zero, where ONNX has none: only loops that run to their end.
  for (std::size_t k = 0; k < parts.num_emitted && stop.valid(); ++k)
    if (op.wants_output(parts.num_carried + k)) {
      op.unsupported("scan outputs of a loop that a condition at run time may end early");
      return true;
    }
  for (std::size_t i = 0; i < parts.num_carried; ++i) op.set(i, results[i], types[i]);
  for (std::size_t i = 0; i < parts.num_emitted; ++i)
    op.set(parts.num_carried + i, results[parts.num_carried + 1 + i],
           out[1 + parts.num_carried + i].type);
  return true;
}

}  // namespace

void lower_loop(Op& op) {
  LoopParts parts;
  parts.body = graph_attr(op, "body");
  if (op.failed()) return;
  parts.num_carried = op.num_inputs() < 2 ? 0 : op.num_inputs() - 2;
  const auto outputs = static_cast<std::size_t>(parts.body->output_size());
  if (outputs < 1 + parts.num_carried ||
      static_cast<std::size_t>(parts.body->input_size()) != 2 + parts.num_carried)
    return op.invalid("body: wanted 2 inputs and 1 output more than the " +
                      std::to_string(parts.num_carried) + " carried values");
  parts.num_emitted = outputs - 1 - parts.num_carried;
  const std::optional<std::int64_t> limit = op.has(0) ? known_number(op.item(0)) : std::nullopt;
  if (op.has(0) && !limit)
    return op.unsupported(
        "M (input 0) is computed at run time; it must be a constant or be frozen");
  const std::optional<std::int64_t> start = op.has(1) ? known_number(op.item(1)) : std::nullopt;
  if (op.has(1) && !start)
    return op.unsupported(
        "cond (input 1) is computed at run time; it must be a constant or be frozen");
  const std::int64_t trips =
      std::clamp<std::int64_t>(start == 0 ? 0 : limit.value_or(kMaxTrips), 0, kMaxTrips);
  if (trips > 2 && structured(op, parts, trips)) return;
  if (trips > kMaxUnrolled && op.failed()) return;
  op.graph().take_error().ok();
  if (trips > kMaxUnrolled && limit)
    return op.unsupported("the body's values change shape, and " + std::to_string(trips) +
                          " iterations are too many to unroll");
  unroll(op, parts, std::min(trips, kMaxUnrolled));
}

namespace {

ValueRef moved_axis(Op& op, ValueRef x, std::int64_t from, std::int64_t to) {
  if (from == to) return x;
  Dims order;
  for (std::int64_t i = 0; i < op.rank(x); ++i)
    if (i != from) order.push_back(i);
  order.insert(order.begin() + to, from);
  return op.transpose(x, order);
}

struct ScanParts {
  const GraphProto* body = nullptr;
  std::size_t first = 0;  // input
  std::size_t num_state = 0, num_scanned = 0, num_emitted = 0;
  Dims in_axes, out_axes, in_directions, out_directions;
};

Dims padded_list(Dims list, std::size_t count) {
  list.resize(count, 0);
  return list;
}

bool read_scan(Op& op, ScanParts& s) {
  s.body = graph_attr(op, "body");
  if (op.failed()) return false;
  s.first = op.opset() < 9 ? 1 : 0;
  const std::int64_t scanned = op.attr_i("num_scan_inputs", 0);
  const auto given = static_cast<std::int64_t>(op.num_inputs() - s.first);
  if (op.opset() < 9 && op.has(0)) op.unsupported("sequence_lens is not supported");
  if (scanned < 1 || scanned > given) op.invalid("num_scan_inputs: " + std::to_string(scanned));
  if (op.failed()) return false;
  s.num_scanned = static_cast<std::size_t>(scanned);
  s.num_state = static_cast<std::size_t>(given - scanned);
  const auto outputs = static_cast<std::size_t>(s.body->output_size());
  if (outputs < s.num_state || s.body->input_size() != given) {
    op.invalid("body: inputs and outputs do not fit the node's");
    return false;
  }
  s.num_emitted = outputs - s.num_state;
  s.in_axes = padded_list(op.attr_ints("scan_input_axes"), s.num_scanned);
  s.out_axes = padded_list(op.attr_ints("scan_output_axes"), s.num_emitted);
  s.in_directions = padded_list(
      op.attr_ints(op.opset() < 9 ? "directions" : "scan_input_directions"), s.num_scanned);
  s.out_directions = padded_list(op.attr_ints("scan_output_directions"), s.num_emitted);
  return true;
}

}  // namespace

void lower_scan(Op& op) {
  ScanParts s;
  if (!read_scan(op, s)) return;
  GraphBuilder& graph = op.graph();
  GraphBuilder::Loop loop;
  std::vector<Element> types;
  const auto unbatched = [&](ValueRef x) {  // opset 8 has a batch axis in front
    if (op.opset() >= 9) return x;
    Wholes dims = op.extents(x);
    if (dims.empty() || dims[0].number() != 1) {
      op.unsupported("a batch of more than 1 in opset 8");
      return x;
    }
    dims.erase(dims.begin());
    return op.reshape(x, dims);
  };
  for (std::size_t i = 0; i < s.num_state; ++i) {
    loop.carried.push_back(unbatched(op.value(s.first + i)));
    types.push_back(op.element(s.first + i));
  }
  for (std::size_t i = 0; i < s.num_scanned; ++i) {
    const std::size_t input = s.first + s.num_state + i;
    ValueRef x = unbatched(op.value(input));
    x = moved_axis(op, x, op.axis(s.in_axes[i], op.rank(x)), 0);
    if (s.in_directions[i] != 0)
      x = op.node(ir::OpKind::kReverse, {x}, {{"axis", std::int64_t{0}}});
    loop.scanned.push_back(x);
    types.push_back(op.element(input));
  }
  if (op.failed()) return;
  graph.begin_loop(loop);
  std::vector<Item> inputs;
  for (std::size_t i = 0; i < types.size(); ++i)
    inputs.push_back(Item::of(graph.loop_input(i), types[i]));
  const auto out = op.importer().run_subgraph(*s.body, op.frame(), inputs, "body");
  std::vector<ValueRef> next, emitted;
  for (std::size_t i = 0; i < out.size() && !op.failed(); ++i)
    (i < s.num_state ? next : emitted).push_back(op.to_value(out[i]));
  if (op.failed()) return graph.abandon_loop();
  const std::vector<ValueRef> results = graph.end_loop(next, emitted, {});
  if (op.failed()) return;
  const auto batched = [&](ValueRef x) {
    if (op.opset() >= 9) return x;
    Wholes dims = op.extents(x);
    dims.insert(dims.begin(), Whole(1));
    return op.reshape(x, dims);
  };
  for (std::size_t i = 0; i < s.num_state; ++i) op.set(i, batched(results[i]), types[i]);
  for (std::size_t i = 0; i < s.num_emitted; ++i) {
    ValueRef y = results[s.num_state + i];
    if (s.out_directions[i] != 0)
      y = op.node(ir::OpKind::kReverse, {y}, {{"axis", std::int64_t{0}}});
    y = moved_axis(op, y, 0, op.axis(s.out_axes[i], op.rank(y)));
    op.set(s.num_state + i, batched(y), out[s.num_state + i].type);
  }
}

}  // namespace antiphon::onnx
