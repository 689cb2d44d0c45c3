// An unrolled recurrence becomes a loop: what a period takes from the one before is carried, steps
// of a sequence are scanned, what later nodes read of every period is emitted.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "engine/ir/op_enums.h"
#include "engine/passes/passes.h"
#include "engine/passes/recurrence.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

using ir::Node;
using ir::OpKind;
using ir::ValueId;

constexpr int kLeastPeriods = 3;
constexpr int kShorter = 2;  // periods that may be left out at an end

std::size_t u(std::int64_t i) { return static_cast<std::size_t>(i); }

std::vector<std::int64_t> extents_of(const Shape& shape) {
  std::vector<std::int64_t> extents;
  for (const Dim& dim : shape) extents.push_back(dim.extent);
  return extents;
}

// Writes the loop of one recurrence, and what goes before and behind it.
class LoopWriter {
 public:
  LoopWriter(ir::Graph& graph, const Recurrence& recurrence)
      : graph_(graph), r_(recurrence), loop_(), body_(std::make_unique<ir::Graph>()) {
    loop_.op = OpKind::kLoop;
    loop_.name = unique_node_name(graph, "recurrence");
    body_->name = loop_.name;
  }

  void write() {
    for (std::size_t i = 0; i < r_.carried().size(); ++i) {
      const ValueId first = r_.carried()[i].first;
      loop_.inputs.push_back(first);
      carried_.push_back(add_input("carried_", info_of(graph_, first).shape, first));
    }
    for (const Scanned& sequence : r_.scanned()) scanned_.push_back(add_scanned(sequence));
    for (int p = 0; p < r_.repeat().period; ++p) add_node(p);
    for (const Carried& c : r_.carried()) add_output("next_", made(c.made));
    add_results();
    finish();
  }

 private:
  ValueId add_input(const char* kind, const Shape& shape, ValueId like) {
    ir::ValueInfo info;
    info.name = kind + std::to_string(body_->inputs.size());
    info.kind = ir::ValueKind::kInput;
    info.dtype = info_of(graph_, like).dtype;
    info.shape = shape;
    const ValueId id = body_->add_value(std::move(info));
    body_->inputs.push_back(id);
    return id;
  }

  void add_output(const char* kind, ValueId id) {
    body_->outputs.push_back({kind + std::to_string(body_->outputs.size()), id});
  }

  // A node of the graph with one result, placed before or behind the loop.
  ValueId add_outer(std::vector<Node>& nodes, Node node, Shape shape, ValueId like) {
    node.name = unique_name(node.name);
    const ValueId id = add_like(graph_, like, node.name);
    graph_.values[u(id)].shape = std::move(shape);
    node.outputs = {id};
    nodes.push_back(std::move(node));
    return id;
  }
  std::string unique_name(const std::string& what) {
    return loop_.name + "." + what + std::to_string(num_named_++);
  }

  // The sequence with its steps first, as many as the loop has periods; in the body a step with the
  // axis that the slices kept.
  ValueId add_scanned(const Scanned& sequence) {
    const Shape whole = info_of(graph_, sequence.x).shape;
    const auto axis = u(sequence.axis);
    Node move;
    move.op = OpKind::kTranspose;
    move.name = "scan_transpose_";
    move.inputs = {sequence.x};
    std::vector<std::int64_t> order = {sequence.axis};
    Shape moved = {whole[axis]};
    for (std::size_t i = 0; i < whole.size(); ++i) {
      if (i == axis) continue;
      order.push_back(static_cast<std::int64_t>(i));
      moved.push_back(whole[i]);
    }
    move.attrs.set("order", order);
    ValueId x = sequence.x;
    if (axis != 0) x = add_outer(before_, std::move(move), moved, sequence.x);
    const std::int64_t count = r_.trips();
    if (sequence.begin != 0 || !(moved[0] == Dim(count))) {
      Node slice = slice_of(x, sequence.begin, sequence.begin + count);
      moved[0] = Dim(count);
      x = add_outer(before_, std::move(slice), moved, x);
    }
    loop_.inputs.push_back(x);
    const Shape step(moved.begin() + 1, moved.end());
    const ValueId inside = add_input("scanned_", step, x);
    Shape kept = whole;
    kept[axis] = Dim(1);
    return add_reshape(inside, kept);
  }

  static Node slice_of(ValueId x, std::int64_t begin, std::int64_t end) {
    Node slice;
    slice.op = OpKind::kSlice;
    slice.name = "slice_";
    slice.inputs = {x};
    slice.attrs.set("axis", std::int64_t{0});
    slice.attrs.set("begin", begin);
    slice.attrs.set("end", end);
    return slice;
  }

  static Node reshape_of(ValueId x, const Shape& shape) {
    Node reshape;
    reshape.op = OpKind::kReshape;
    reshape.name = "reshape_";
    reshape.inputs = {x};
    reshape.attrs.set("dims", extents_of(shape));
    return reshape;
  }

  ValueId add_reshape(ValueId inside, const Shape& shape) {
    Node reshape = reshape_of(inside, shape);
    reshape.name = unique_name("step_");
    ir::ValueInfo info = body_->values[u(inside)];
    info.name = reshape.name;
    info.kind = ir::ValueKind::kTemp;
    info.shape = shape;
    const ValueId id = body_->add_value(std::move(info));
    reshape.outputs = {id};
    body_->nodes.push_back(std::move(reshape));
    return id;
  }

  ValueId made(Made m) const {
    if (const auto step = r_.step(m.position)) return scanned_[*step];
    return made_.at(m);
  }

  ValueId inside(const Operand& operand) {
    using Kind = Operand::Kind;
    switch (operand.kind) {
      case Kind::kAbsent: return ir::kNoValue;
      case Kind::kMade: return made(operand.made);
      case Kind::kCarried: return carried_[operand.index];
      case Kind::kScanned: return scanned_[operand.index];
      default: break;
    }
    const auto found = outer_.find(operand.value);
    if (found != outer_.end()) return found->second;
    if (operand.kind == Kind::kConstant)
      return outer_[operand.value] = body_->add_value(info_of(graph_, operand.value));
    loop_.inputs.push_back(operand.value);
    return outer_[operand.value] =
               add_input("outer_", info_of(graph_, operand.value).shape, operand.value);
  }

  void add_node(int position) {
    if (r_.step(position)) return;
    const Node& first = r_.node(0, position);
    Node node = ir::clone(first);
    for (std::size_t i = 0; i < node.inputs.size(); ++i)
      node.inputs[i] = inside(r_.operands(position)[i]);
    for (std::size_t o = 0; o < node.outputs.size(); ++o) {
      if (first.outputs[o] == ir::kNoValue) continue;
      ir::ValueInfo info = info_of(graph_, first.outputs[o]);
      node.outputs[o] = body_->add_value(std::move(info));
      made_[{position, static_cast<int>(o)}] = node.outputs[o];
    }
    // In loops the weights alone are int8.
    for (const auto& [name, value] : first.attrs.all())
      if (name.starts_with("x_")) node.attrs.erase(name);
    if (node.op == ir::kOpGather) become_embedding(node);
    body_->nodes.push_back(std::move(node));
  }

  void become_embedding(Node& gather) {
    Node cast;
    cast.op = OpKind::kCast;
    cast.name = unique_name("ids_");
    cast.inputs = {gather.inputs[1]};
    cast.attrs.set("dtype", static_cast<std::int64_t>(DType::kI32));
    ir::ValueInfo ids = body_->values[u(gather.inputs[1])];
    ids.name = cast.name;
    ids.kind = ir::ValueKind::kTemp;
    ids.dtype = DType::kI32;
    cast.outputs = {body_->add_value(std::move(ids))};
    gather.op = OpKind::kEmbedding;
    gather.inputs = {cast.outputs[0], gather.inputs[0]};
    gather.attrs = {};
    body_->nodes.push_back(std::move(cast));
  }

  // Results keep their values: only what makes them is another node. The last period's is the
  // final carried value where no other is read.
  void add_results() {
    const int last = r_.trips() - 1;
    std::set<Made> taken;
    for (const Carried& c : r_.carried()) {
      bool alone = r_.used_outside(last, c.made) && !taken.contains(c.made);
      for (int t = 0; t < last; ++t) alone = alone && !r_.used_outside(t, c.made);
      if (alone) taken.insert(c.made);
      const ValueId id = r_.node(alone ? last : 0, c.made.position).outputs[u(c.made.output)];
      loop_.outputs.push_back(alone ? id : add_like(graph_, id, unique_name("final_")));
    }
    for (int p = 0; p < r_.repeat().period; ++p)
      for (int o = 0; o < static_cast<int>(r_.node(0, p).outputs.size()); ++o)
        if (!taken.contains({p, o})) add_emitted({p, o});
  }

  void add_emitted(Made m) {
    const int count = r_.trips();
    std::vector<int> wanted;
    for (int t = 0; t < count; ++t)
      if (r_.used_outside(t, m)) wanted.push_back(t);
    if (wanted.empty()) return;
    const ValueId like = r_.node(0, m.position).outputs[u(m.output)];
    const Shape step = info_of(graph_, like).shape;
    Shape all = step;
    all.insert(all.begin(), Dim(count));
    const ValueId emitted = add_like(graph_, like, unique_name("emitted_"));
    graph_.values[u(emitted)].shape = all;
    loop_.outputs.push_back(emitted);
    add_output("emitted_", made(m));
    ++num_emitted_;
    all[0] = Dim(1);
    for (const int t : wanted) {
      const ValueId one = add_outer(behind_, slice_of(emitted, t, t + 1), all, emitted);
      Node reshape = reshape_of(one, step);
      reshape.name = unique_name(reshape.name);
      reshape.outputs = {r_.node(t, m.position).outputs[u(m.output)]};
      behind_.push_back(std::move(reshape));
    }
  }

  void finish() {
    loop_.attrs.set("num_carried", static_cast<std::int64_t>(r_.carried().size()));
    loop_.attrs.set("num_scanned", static_cast<std::int64_t>(r_.scanned().size()));
    loop_.attrs.set("num_emitted", std::int64_t{num_emitted_});
    loop_.attrs.set("scan_axis", std::int64_t{0});
    loop_.attrs.set("trip_limit", std::int64_t{r_.trips()});
    loop_.attrs.set("has_stop", std::int64_t{0});
    loop_.body = std::move(body_);
    std::vector<Node> nodes;
    const int begin = r_.repeat().begin, end = begin + r_.repeat().num_nodes();
    const auto move_range = [&](std::vector<Node>& from, std::size_t first, std::size_t last) {
      for (std::size_t i = first; i < last; ++i) nodes.push_back(std::move(from[i]));
    };
    std::vector<Node> old = std::move(graph_.nodes);
    move_range(old, 0, u(begin));
    move_range(before_, 0, before_.size());
    nodes.push_back(std::move(loop_));
    move_range(behind_, 0, behind_.size());
    move_range(old, u(end), old.size());
    graph_.nodes = std::move(nodes);
  }

  ir::Graph& graph_;
  const Recurrence& r_;
  Node loop_;
  std::unique_ptr<ir::Graph> body_;
  std::vector<Node> before_, behind_;
  std::vector<ValueId> carried_, scanned_;  // in the body
  std::map<Made, ValueId> made_;
  std::map<ValueId, ValueId> outer_;  // constants and invariants, in the body
  int num_emitted_ = 0, num_named_ = 0;
};

// A tail that is half a period or more is computed as a whole one; a shorter one stays outside.
bool try_from(ir::Graph& graph, const Uses& uses, int begin, int period, int count) {
  Repeat repeat{begin, period, count, 0, {}, 0};
  find_tail(graph, repeat);
  for (const bool with_tail : {true, false}) {
    if (with_tail && repeat.num_tail < period / 2) continue;
    if (!with_tail) repeat = {begin, period, count, 0, {}, 0};
    Recurrence recurrence(graph, uses, repeat);
    if (!recurrence.read()) continue;
    LoopWriter(graph, recurrence).write();
    return true;
  }
  return false;
}

// From all periods on, wherever they may begin.
bool try_repeat(ir::Graph& graph, const Uses& uses, const Repeat& all) {
  const int least = std::max(kLeastPeriods, all.count - kShorter);
  for (int count = all.count; count >= least; --count) {
    const int latest = all.slack + (all.count - count) * all.period;
    for (int late = 0; late <= latest; ++late)
      if (try_from(graph, uses, all.begin + late, all.period, count)) return true;
  }
  return false;
}

}  // namespace

Result<bool> roll_recurrence(ir::Graph& graph) {
  bool changed = false;
  for (bool again = true; again; changed = changed || again) {
    again = false;
    const Uses uses(graph);
    for (const Repeat& repeat : find_repeats(graph, kLeastPeriods))
      if (!again && try_repeat(graph, uses, repeat)) again = true;
  }
  return changed;
}

}  // namespace antiphon::passes
