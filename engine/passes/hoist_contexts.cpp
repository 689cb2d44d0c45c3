// What a loop multiplies with a sum of a memory's rows, as an attention decoder does with its
// context: as W (a M) = a (M W'), the products of all rows with the weights are made once, before
// the loop, and a step sums those. Of the weights the columns that met the context are read no
// more. Where the context comes joined with other values, their columns stay. Where the next step
// joins it, the sum is carried beside it; where the join itself is carried, its product is.
#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "engine/ir/op_enums.h"
#include "engine/passes/passes.h"
#include "engine/passes/products.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

using ir::kNoValue;
using ir::Node;
using ir::OpKind;
using ir::ValueId;

// Weights that lie in a core's cache are read too fast to gain: columns of the context, in bytes.
constexpr std::int64_t kLeastBytes = 1 << 20;
// Multiply-adds of many rows in the time that one weight takes to come from memory: about seven.
constexpr std::int64_t kProductsPerWeight = 5;

std::size_t u(std::int64_t i) { return static_cast<std::size_t>(i); }

bool is_static(const Shape& shape) {
  for (const Dim& dim : shape)
    if (!dim.is_static()) return false;
  return true;
}

std::vector<std::int64_t> extents_of(const Shape& shape) {
  std::vector<std::int64_t> extents;
  for (const Dim& dim : shape) extents.push_back(dim.extent);
  return extents;
}

// A product with an invariant memory [..., N, C], and the reshapes behind it that keep C.
struct Context {
  std::vector<std::size_t> nodes;  // of the body: the product first
  std::size_t memory = 0;          // input of the loop and of its body
};

// A context among the columns [begin, end) of what a layer reads.
struct Split {
  Context context;
  std::vector<ValueId> rest;  // what else is joined, in order
  std::int64_t begin = 0, end = 0;
  std::optional<std::size_t> carried;  // the context of the step before, this carried value
};

class ContextHoister {
 public:
  ContextHoister(ir::Graph& graph, std::size_t loop)
      : graph_(graph),
        at_(loop),
        body_(*graph.nodes[loop].body),
        uses_(body_),
        num_carried_(u(graph.nodes[loop].attrs.i("num_carried"))),
        first_invariant_(num_carried_ + u(graph.nodes[loop].attrs.i("num_scanned"))) {}

  // True: one layer was rewritten, or one carried join.
  bool run() {
    if (num_steps() == 0) return false;
    for (std::size_t n = 0; n < body_.nodes.size(); ++n) {
      const auto split = split_of(
          body_.nodes[n], body_.nodes[n].inputs.empty() ? kNoValue : body_.nodes[n].inputs[0]);
      if (!split) continue;
      replace(*split, n);
      return true;
    }
    for (std::size_t i = 0; i < num_carried_; ++i)
      if (carry_product(i)) return true;
    return false;
  }

 private:
  // 0: not known, or not sure to be run.
  std::int64_t num_steps() const {
    const Node& loop = graph_.nodes[at_];
    if (loop.attrs.i("has_stop") != 0) return 0;
    if (first_invariant_ == num_carried_) return loop.attrs.i("trip_limit");
    const Shape& sequence = info_of(graph_, loop.inputs[num_carried_]).shape;
    const Dim& steps = sequence[u(loop.attrs.i("scan_axis"))];
    return steps.is_static() ? steps.extent : 0;
  }

  std::optional<Context> context_of(ValueId id) const {
    const std::int64_t width = width_of(body_, id);
    Context out;
    for (int maker = uses_.maker(id); maker >= 0; maker = uses_.maker(id)) {
      const Node& node = body_.nodes[u(maker)];
      if (!is_static(info_of(body_, id).shape) || width_of(body_, id) != width) return std::nullopt;
      out.nodes.insert(out.nodes.begin(), u(maker));
      if (node.op == OpKind::kMatMul) {
        if (node.attrs.i("transpose_b") != 0) return std::nullopt;
        for (out.memory = first_invariant_; out.memory < body_.inputs.size(); ++out.memory)
          if (body_.inputs[out.memory] == node.inputs[1]) return out;
        return std::nullopt;
      }
      if (node.op != OpKind::kReshape) return std::nullopt;
      id = node.inputs[0];
    }
    return std::nullopt;
  }

  // The same, or of the step before.
  std::optional<Context> context_of(ValueId id, std::optional<std::size_t>& carried) const {
    carried.reset();
    if (auto context = context_of(id)) return context;
    for (std::size_t i = 0; i < num_carried_; ++i)
      if (body_.inputs[i] == id) {
        carried = i;
        return context_of(body_.outputs[i].value);
      }
    return std::nullopt;
  }

  // Whether a layer of these weights gains where it meets the context.
  bool gains(const Context& context, ValueId w) const {
    const Shape& memory = info_of(body_, body_.inputs[context.memory]).shape;
    if (!is_static(memory) || info_of(body_, body_.inputs[context.memory]).dtype != DType::kF32)
      return false;
    const std::int64_t width = memory.back().extent;
    std::int64_t rows = 1;
    for (std::size_t i = 0; i + 1 < memory.size(); ++i) rows *= memory[i].extent;
    const std::int64_t outputs = info_of(body_, w).shape[0].extent;
    if (width * outputs * static_cast<std::int64_t>(sizeof(float)) < kLeastBytes) return false;
    return rows * width <= kProductsPerWeight * num_steps() * (width - rows);
  }

  // The context in x, as the layer would read it, where it gains.
  std::optional<Split> split_of(const Node& layer, ValueId x) const {
    if (!is_product(body_, layer)) return std::nullopt;
    Split out;
    const Node* join = made_by(body_, uses_, x, OpKind::kConcat);
    if (!join) {
      const auto context = context_of(x);
      if (!context || !gains(*context, layer.inputs[1])) return std::nullopt;
      out.context = *context;
      out.end = width_of(body_, x);
      return out;
    }
    const auto rank = static_cast<std::int64_t>(info_of(body_, x).shape.size());
    if (join->attrs.i("axis") != rank - 1 && join->attrs.i("axis") != -1) return std::nullopt;
    std::int64_t at = 0;
    for (const ValueId part : join->inputs) {
      const std::int64_t width = width_of(body_, part);
      std::optional<std::size_t> carried;
      const auto context = out.end == 0 ? context_of(part, carried) : std::nullopt;
      if (width == 0) return std::nullopt;
      if (context && gains(*context, layer.inputs[1])) {
        out.context = *context;
        out.carried = carried;
        out.begin = at;
        out.end = at + width;
      } else {
        out.rest.push_back(part);
      }
      at += width;
    }
    return out.end == 0 ? std::nullopt : std::optional(out);
  }

  // x times weights, before the loop.
  ValueId add_outer(const Node& layer, ValueId x, ValueId w) {
    Node outer;
    outer.op = OpKind::kLinear;
    outer.name = unique_node_name(graph_, graph_.nodes[at_].name + "." + layer.name);
    outer.inputs = {x, w};
    const ValueId y = add_like(graph_, x, outer.name);
    graph_.values[u(y)].shape.back() = info_of(graph_, w).shape[0];
    outer.outputs = {y};
    graph_.nodes.insert(graph_.nodes.begin() + static_cast<std::ptrdiff_t>(at_), std::move(outer));
    ++at_;
    return y;
  }

  // The weights' columns that meet the context, outside.
  ValueId context_weights(const Split& split, const Node& layer) {
    const ir::ValueInfo w = info_of(body_, layer.inputs[1]);
    const auto data = columns_of(body_, layer.inputs[1], split.begin, split.end);
    return ir::add_constant(graph_, w.name + ".context", DType::kF32,
                            {w.shape[0].extent, split.end - split.begin}, data.data());
  }

  ValueId add_input(ValueId outer, std::size_t place) {
    ir::ValueInfo inside = info_of(graph_, outer);
    inside.kind = ir::ValueKind::kInput;
    const ValueId id = body_.add_value(std::move(inside));
    body_.inputs.insert(body_.inputs.begin() + static_cast<std::ptrdiff_t>(place), id);
    Node& loop = graph_.nodes[at_];
    loop.inputs.insert(loop.inputs.begin() + static_cast<std::ptrdiff_t>(place), outer);
    return id;
  }

  // Another carried value: `first`, then what the step before made. Gives what a step reads.
  ValueId carry(ValueId first, ValueId next) {
    const ValueId inside = add_input(first, num_carried_);
    const ValueId last = add_like(graph_, first, info_of(graph_, first).name + ".final");
    const auto place = static_cast<std::ptrdiff_t>(num_carried_);
    Node& loop = graph_.nodes[at_];
    loop.outputs.insert(loop.outputs.begin() + place, last);
    body_.outputs.insert(body_.outputs.begin() + place, {info_of(body_, next).name, next});
    loop.attrs.set("num_carried", static_cast<std::int64_t>(num_carried_ + 1));
    return inside;
  }

  // The context's nodes once more, of the products. Gives what they make.
  ValueId add_sums(const Context& context, ValueId products, std::vector<Node>& nodes) {
    ValueId x = kNoValue;
    for (const std::size_t n : context.nodes) {
      Node node = ir::clone(body_.nodes[n]);
      node.name = unique_node_name(body_, node.name + ".products");
      if (node.op == OpKind::kMatMul)
        node.inputs[1] = products;
      else
        node.inputs[0] = x;
      x = add_like(body_, node.outputs[0], node.name);
      Shape& shape = body_.values[u(x)].shape;
      shape.back() = info_of(body_, products).shape.back();
      if (node.op == OpKind::kReshape) node.attrs.set("dims", extents_of(shape));
      node.outputs = {x};
      nodes.push_back(std::move(node));
    }
    return x;
  }

  // The weights' columns that do not meet the context.
  ValueId rest_weights(const Split& split, ValueId w) {
    const std::int64_t outputs = info_of(body_, w).shape[0].extent, all = width_of(body_, w);
    std::vector<float> data;
    for (std::int64_t n = 0; n < outputs; ++n)
      for (std::int64_t k = 0; k < all; ++k)
        if (k < split.begin || k >= split.end)
          data.push_back(ir::constant_view(body_, w).f32()[u(n * all + k)]);
    return ir::add_constant(body_, info_of(body_, w).name + ".rest", DType::kF32,
                            {outputs, all - (split.end - split.begin)}, data.data());
  }

  ValueId add_join(const std::vector<ValueId>& parts, ValueId x, std::int64_t width,
                   std::vector<Node>& nodes) {
    if (parts.size() == 1) return parts[0];
    Node join;
    join.op = OpKind::kConcat;
    join.name = unique_node_name(body_, "join_rest");
    join.inputs = parts;
    join.attrs.set("axis", static_cast<std::int64_t>(info_of(body_, x).shape.size()) - 1);
    const ValueId y = add_like(body_, x, join.name);
    body_.values[u(y)].shape.back() = Dim(width);
    join.outputs = {y};
    nodes.push_back(std::move(join));
    return y;
  }

  // The sums that the layer reads, and what makes them: before it, or at the end of the body.
  ValueId sums_of(const Split& split, const Node& layer, std::vector<Node>& nodes) {
    const ValueId w = context_weights(split, layer);
    const ValueId memory = graph_.nodes[at_].inputs[split.context.memory];
    const ValueId products = add_outer(layer, memory, w);
    const ValueId inside = add_input(products, body_.inputs.size());
    if (!split.carried) return add_sums(split.context, inside, nodes);
    const ValueId first = add_outer(layer, graph_.nodes[at_].inputs[*split.carried], w);
    std::vector<Node> last;
    const ValueId sums = add_sums(split.context, inside, last);
    std::ranges::move(last, std::back_inserter(body_.nodes));
    return carry(first, sums);
  }

  void replace(const Split& split, std::size_t layer) {
    std::vector<Node> nodes;
    const Node old = ir::clone(body_.nodes[layer]);
    const ValueId sums = sums_of(split, old, nodes), bias = input_at(old, kBias);
    Node& node = body_.nodes[layer];
    if (!split.rest.empty()) {
      const ValueId rest = rest_weights(split, old.inputs[1]);
      const ValueId joined = add_join(split.rest, old.inputs[0], width_of(body_, rest), nodes);
      node.inputs = {joined, rest, kNoValue, bias, sums};
    } else if (bias != kNoValue) {
      node.op = OpKind::kBinary;
      node.attrs = {};
      node.attrs.set("op", static_cast<std::int64_t>(Binary::kAdd));
      node.inputs = {sums, bias};
    } else {
      replace_uses(body_, old.outputs[0], sums);
    }
    body_.nodes.insert(body_.nodes.begin() + static_cast<std::ptrdiff_t>(layer),
                       std::make_move_iterator(nodes.begin()),
                       std::make_move_iterator(nodes.end()));
    (void)eliminate_dead(body_);
  }

  // Carried value i is a join with a context that one layer alone reads: the layer goes to the end
  // of the step before, its result is carried.
  bool carry_product(std::size_t i) {
    const ValueId carried = body_.inputs[i], next = body_.outputs[i].value;
    const Uses outside(graph_);
    if (!uses_.single(carried) || !outside.unused(graph_.nodes[at_].outputs[i])) return false;
    const auto reader = u(uses_.readers(carried)[0]);
    if (body_.nodes[reader].inputs[0] != carried || !split_of(body_.nodes[reader], next) ||
        uses_.num_results(body_.nodes[reader].outputs[0]) != 0)
      return false;
    Node layer = std::move(body_.nodes[reader]);
    body_.nodes.erase(body_.nodes.begin() + static_cast<std::ptrdiff_t>(reader));
    const ValueId w = graph_.add_value(info_of(body_, layer.inputs[1]));  // shares the memory
    graph_.nodes[at_].inputs[i] = add_outer(layer, graph_.nodes[at_].inputs[i], w);
    if (const ValueId bias = input_at(layer, kBias); bias != kNoValue)
      set_input(graph_.nodes[at_ - 1], kBias, graph_.add_value(info_of(body_, bias)));
    const ValueId y = add_like(body_, layer.outputs[0], layer.name);
    replace_uses(body_, layer.outputs[0], carried);
    body_.values[u(carried)].shape = info_of(body_, y).shape;
    graph_.values[u(graph_.nodes[at_].outputs[i])].shape = info_of(body_, y).shape;
    layer.inputs[0] = next;
    layer.outputs = {y};
    body_.nodes.push_back(std::move(layer));
    body_.outputs[i].value = y;
    return true;
  }

  ir::Graph& graph_;
  std::size_t at_;
  ir::Graph& body_;
  const Uses uses_;  // of the body
  const std::size_t num_carried_, first_invariant_;
};

}  // namespace

Result<bool> hoist_contexts(ir::Graph& graph) {
  bool changed = false;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n)
    while (graph.nodes[n].op == OpKind::kLoop && ContextHoister(graph, n).run()) {
      changed = true;
      while (graph.nodes[n].op != OpKind::kLoop) ++n;  // behind what was put before it
    }
  if (changed) (void)eliminate_dead(graph);
  return changed;
}

}  // namespace antiphon::passes
