// Compares what one input is in every period.
#include "engine/passes/recurrence.h"

#include <algorithm>
#include <set>

#include "engine/ir/op_enums.h"

namespace antiphon::passes {
namespace {

using ir::Node;
using ir::OpKind;
using ir::ValueId;

std::size_t u(std::int64_t i) { return static_cast<std::size_t>(i); }

template <typename T>
std::size_t index_in(std::vector<T>& list, const T& item) {
  const auto found = std::find(list.begin(), list.end(), item);
  if (found != list.end()) return u(found - list.begin());
  list.push_back(item);
  return list.size() - 1;
}

bool is_f32(const ir::Graph& graph, ValueId id) { return info_of(graph, id).dtype == DType::kF32; }

// A look-up of rows by ids that cannot be negative.
bool is_embedding(const ir::Graph& graph, const Uses& uses, const Node& gather) {
  const ValueId table = gather.inputs[0];
  if (gather.attrs.i("axis") != 0 || !ir::is_constant(graph, table) || !is_f32(graph, table) ||
      info_of(graph, table).shape.size() != 2)
    return false;
  ValueId id = gather.inputs[1];
  while (uses.maker(id) >= 0) {
    const Node& maker = graph.nodes[u(uses.maker(id))];
    if (maker.op == OpKind::kReduce)
      return maker.attrs.i("op") == static_cast<int>(Reduce::kArgMax);
    if (maker.op != OpKind::kCast && maker.op != OpKind::kReshape) return false;
    id = maker.inputs[0];
  }
  return false;
}

bool runs_in_loops(const ir::Graph& graph, const Uses& uses, const Node& node) {
  for (const ValueId id : node.outputs)
    if (id != ir::kNoValue && info_of(graph, id).dtype == DType::kF16) return false;
  if (node.op == ir::kOpGather) return is_embedding(graph, uses, node);
  switch (node.op) {
    case OpKind::kLoop:
    case OpKind::kAttention:
    case OpKind::kQuantize:
    case OpKind::kDequantize:
    case OpKind::kCustom: return false;
    case OpKind::kMatMul: return is_f32(graph, node.outputs[0]);
    case OpKind::kReduce:
      return is_f32(graph, node.inputs[0]) &&
             node.attrs.i("op") <= static_cast<int>(Reduce::kArgMax);
    case OpKind::kLinear:
    case OpKind::kConv:
      for (std::size_t i = 1; i < std::min<std::size_t>(4, node.inputs.size()); ++i)
        if (node.inputs[i] != ir::kNoValue && !ir::is_constant(graph, node.inputs[i])) return false;
      return true;
    default: return static_cast<int>(node.op) < ir::kNumOpKinds;
  }
}

}  // namespace

bool Recurrence::read() {
  operands_.resize(u(repeat_.period));
  steps_.resize(u(repeat_.period));
  for (int p = 0; p < repeat_.period; ++p) {
    const Node& first = node(0, p);
    if (!runs_in_loops(graph_, uses_, first) || !has_fixed_extents(first)) return false;
    for (std::size_t i = 0; i < first.inputs.size(); ++i) {
      const std::optional<Operand> operand = operand_of(p, i);
      if (!operand) return false;
      operands_[u(p)].push_back(*operand);
    }
    if (!read_step(p)) return false;
  }
  for (const Scanned& sequence : scanned_) {
    const Dim& extent = info_of(graph_, sequence.x).shape[u(sequence.axis)];
    if (!extent.is_static() || sequence.begin + trips() > extent.extent) return false;
  }
  return depends_on_itself();
}

// Some carried value is made, over one period or several, of itself. Else nothing must wait for
// the period before, and a loop would only take the chance to compute periods side by side.
bool Recurrence::depends_on_itself() const {
  const std::size_t count = carried_.size();
  std::vector<std::set<std::size_t>> read_by(u(repeat_.period));  // carried values, by position
  for (int p = 0; p < repeat_.period; ++p)
    for (const Operand& operand : operands(p)) {
      if (operand.kind == Operand::Kind::kCarried) read_by[u(p)].insert(operand.index);
      if (operand.kind == Operand::Kind::kMade)
        read_by[u(p)].insert(read_by[u(operand.made.position)].begin(),
                             read_by[u(operand.made.position)].end());
    }
  std::vector<std::set<std::size_t>> reach(count);
  for (std::size_t c = 0; c < count; ++c) reach[c] = read_by[u(carried_[c].made.position)];
  for (std::size_t via = 0; via < count; ++via)
    for (std::size_t c = 0; c < count; ++c)
      if (reach[c].contains(via)) reach[c].insert(reach[via].begin(), reach[via].end());
  for (std::size_t c = 0; c < count; ++c)
    if (reach[c].contains(c)) return true;
  return false;
}

bool Recurrence::used_outside(int t, Made made) const {
  if (!exists(t, made.position)) return false;
  const ValueId id = node(t, made.position).outputs[u(made.output)];
  if (id == ir::kNoValue) return false;
  if (uses_.num_results(id) > 0) return true;
  const std::vector<int>& readers = uses_.readers(id);
  return std::any_of(readers.begin(), readers.end(), [&](int reader) { return !inside(reader); });
}

bool Recurrence::has_fixed_extents(const Node& node) const {
  for (const ValueId id : node.outputs) {
    if (id == ir::kNoValue) continue;
    for (const Dim& dim : info_of(graph_, id).shape)
      if (!dim.is_static()) return false;
  }
  return true;
}

// Of a node in period t; -1: it lies elsewhere.
int Recurrence::position_of(int node, int t) const {
  if (t < 0 || node < 0) return -1;
  if (t == repeat_.count) {
    const auto found = std::find(repeat_.tail.begin(), repeat_.tail.end(), node);
    return found == repeat_.tail.end() ? -1 : static_cast<int>(found - repeat_.tail.begin());
  }
  const int at = node - repeat_.begin - t * repeat_.period;
  return at >= 0 && at < repeat_.period ? at : -1;
}

// Where period t makes the value.
std::optional<Made> Recurrence::made_in(ValueId id, int t) const {
  const int maker = uses_.maker(id);
  const int position = position_of(maker, t);
  if (position < 0) return std::nullopt;
  const auto& outputs = graph_.nodes[u(maker)].outputs;
  const auto output = std::find(outputs.begin(), outputs.end(), id) - outputs.begin();
  return Made{position, static_cast<int>(output)};
}

std::optional<Operand> Recurrence::operand_of(int position, std::size_t input) {
  using Kind = Operand::Kind;
  const ValueId first = node(0, position).inputs[input];
  if (first == ir::kNoValue) return Operand{};
  bool same = true;
  for (int t = 1; exists(t, position); ++t) same = same && node(t, position).inputs[input] == first;
  if (same && ir::is_constant(graph_, first)) return Operand{Kind::kConstant, first, {}, 0};
  const bool first_inside = uses_.maker(first) >= 0 && inside(uses_.maker(first));
  if (same) {
    if (first_inside) return std::nullopt;
    return Operand{Kind::kInvariant, first, {}, 0};
  }
  if (const std::optional<Scanned> sequence = sequence_of(position, input))
    return Operand{Kind::kScanned, ir::kNoValue, {}, index_in(scanned_, *sequence)};
  return made_or_carried(position, input);
}

std::optional<Operand> Recurrence::made_or_carried(int position, std::size_t input) {
  using Kind = Operand::Kind;
  const auto at = [&](int t) { return node(t, position).inputs[input]; };
  const std::optional<Made> made = made_in(at(0), 0);
  if (made) {
    for (int t = 1; exists(t, position); ++t)
      if (made_in(at(t), t) != made) return std::nullopt;
    return Operand{Kind::kMade, ir::kNoValue, *made, 0};
  }
  const std::optional<Made> before = made_in(at(1), 0);
  if (!before || (uses_.maker(at(0)) >= 0 && inside(uses_.maker(at(0))))) return std::nullopt;
  for (int t = 2; exists(t, position); ++t)
    if (made_in(at(t), t - 1) != before) return std::nullopt;
  return Operand{Kind::kCarried, ir::kNoValue, {}, index_in(carried_, Carried{*before, at(0)})};
}

// Slices before the repeat take one step after the other.
std::optional<Scanned> Recurrence::sequence_of(int position, std::size_t input) const {
  std::optional<Scanned> sequence;
  for (int t = 0; exists(t, position); ++t) {
    const int maker = uses_.maker(node(t, position).inputs[input]);
    if (maker < 0 || inside(maker) || !is_step(graph_, graph_.nodes[u(maker)])) return std::nullopt;
    const Node& slice = graph_.nodes[u(maker)];
    const Scanned here{slice.inputs[0], slice.attrs.i("axis"), slice.attrs.i("begin") - t};
    if (!sequence) sequence = here;
    if (here != *sequence) return std::nullopt;
  }
  return sequence;
}

// A slice of the period that takes another step each time.
bool Recurrence::read_step(int position) {
  const Node& first = node(0, position);
  if (!is_step(graph_, first)) return true;
  bool moves = false;
  for (int t = 1; exists(t, position); ++t) moves = moves || node(t, position).attrs != first.attrs;
  if (!moves) return true;
  if (operands(position)[0].kind != Operand::Kind::kInvariant) return false;
  const std::int64_t begin = first.attrs.i("begin");
  for (int t = 1; exists(t, position); ++t)
    if (node(t, position).attrs.i("begin") != begin + t) return false;
  steps_[u(position)] = index_in(scanned_, Scanned{first.inputs[0], first.attrs.i("axis"), begin});
  return true;
}

}  // namespace antiphon::passes
