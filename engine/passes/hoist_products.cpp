// Products that a loop makes of a sequence's step and of nothing that it carries are made before
// it, for all steps at once: weights that were read every step are read once. Linear layers behind
// one another without anything between are one product; where such a chain reads a step beside what
// is carried, W2 (W1 [s, r] + b1) + b2 becomes a sequence W2 (W1s s + b1) + b2 and (W2 W1r) r in
// the loop.
#include <optional>
#include <utility>
#include <vector>

#include "engine/passes/passes.h"
#include "engine/passes/products.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

using ir::kNoValue;
using ir::Node;
using ir::OpKind;
using ir::ValueId;

// How many times wider than the sequence it is made of a new one may be: it stands in memory for
// all steps.
constexpr std::int64_t kMostWider = 4;

std::size_t u(std::int64_t i) { return static_cast<std::size_t>(i); }

// What a chain reads: a scanned step, alone or joined with one other value.
struct Source {
  std::size_t scanned = 0;          // input of the loop and of its body
  std::int64_t begin = 0, end = 0;  // its columns
  ValueId rest = kNoValue;          // of the body
  std::int64_t rest_begin = 0, rest_end = 0;
};

class Hoister {
 public:
  Hoister(ir::Graph& graph, int loop)
      : graph_(graph),
        at_(u(loop)),
        body_(*graph.nodes[u(loop)].body),
        uses_(body_),
        first_(u(graph.nodes[u(loop)].attrs.i("num_carried"))),
        count_(u(graph.nodes[u(loop)].attrs.i("num_scanned"))),
        axis_(graph.nodes[u(loop)].attrs.i("scan_axis")) {}

  bool run() {
    const Node& loop = graph_.nodes[at_];
    // A loop that may stop early need not reach all steps.
    if (loop.attrs.i("has_stop") != 0) return false;
    for (std::size_t n = 0; n < body_.nodes.size(); ++n) {
      const auto source = source_of(body_.nodes[n]);
      if (!source) continue;
      const std::vector<std::size_t> chain = chain_from(n, *source);
      if (chain.empty()) continue;
      replace(*source, chain);
      return true;
    }
    return false;
  }

 private:
  // Which sequence the step is of; none where the steps are the columns of products.
  std::optional<std::size_t> scanned_index(ValueId id) const {
    const auto rank = static_cast<std::int64_t>(info_of(body_, id).shape.size());
    if (axis_ >= rank || info_of(body_, id).dtype != DType::kF32) return std::nullopt;
    for (std::size_t i = first_; i < first_ + count_; ++i)
      if (body_.inputs[i] == id) return i;
    return std::nullopt;
  }

  std::optional<Source> source_of(const Node& node) const {
    if (!is_product(body_, node)) return std::nullopt;
    const ValueId x = node.inputs[0];
    Source out;
    if (const auto index = scanned_index(x)) {
      out.scanned = *index;
      out.end = width_of(body_, x);
      return out;
    }
    const Node* join = made_by(body_, uses_, x, OpKind::kConcat);
    const auto rank = static_cast<std::int64_t>(info_of(body_, x).shape.size());
    if (!join || join->inputs.size() != 2 || !uses_.single(x)) return std::nullopt;
    if (join->attrs.i("axis") != rank - 1 && join->attrs.i("axis") != -1) return std::nullopt;
    for (const std::size_t step : {0u, 1u}) {
      const auto index = scanned_index(join->inputs[step]);
      if (!index || scanned_index(join->inputs[1 - step])) continue;
      const std::int64_t first = width_of(body_, join->inputs[0]), all = width_of(body_, x);
      if (first == 0 || all == 0) return std::nullopt;
      out.scanned = *index;
      out.rest = join->inputs[1 - step];
      (step == 0 ? out.end : out.rest_end) = first;
      (step == 0 ? out.rest_begin : out.begin) = first;
      (step == 0 ? out.rest_end : out.end) = all;
      return out;
    }
    return std::nullopt;
  }

  // Layers from `first` on that are hoisted together: as long as no new sequence grows too wide and
  // the product of the rest does not either. Empty: none.
  std::vector<std::size_t> chain_from(std::size_t first, const Source& source) const {
    const std::int64_t most = kMostWider * (source.end - source.begin);
    const std::int64_t rest = source.rest_end - source.rest_begin;
    std::vector<std::size_t> chain;
    for (std::size_t n = first;;) {
      const ValueId y = body_.nodes[n].outputs[0];
      if (width_of(body_, y) == 0 || width_of(body_, y) > most) return chain;
      chain.push_back(n);
      if (!uses_.single(y) || rest > width_of(body_, y)) return chain;
      n = u(uses_.readers(y)[0]);
      if (!is_product(body_, body_.nodes[n]) || body_.nodes[n].inputs[0] != y) return chain;
    }
  }

  ValueId outer_constant(ValueId id) {
    return id == kNoValue ? kNoValue : graph_.add_value(info_of(body_, id));  // shares the memory
  }

  // The chain over all steps, before the loop. Gives its last result.
  ValueId add_outer(const Source& source, const std::vector<std::size_t>& chain,
                    std::vector<Node>& nodes) {
    ValueId x = graph_.nodes[at_].inputs[source.scanned];
    for (const std::size_t n : chain) {
      const Node& inner = body_.nodes[n];
      Node outer;
      outer.op = OpKind::kLinear;
      outer.name = unique_node_name(graph_, graph_.nodes[at_].name + "." + inner.name);
      const std::int64_t width = width_of(body_, inner.outputs[0]);
      ValueId w = kNoValue;
      if (nodes.empty() && source.rest != kNoValue) {
        const auto data = columns_of(body_, inner.inputs[1], source.begin, source.end);
        w = ir::add_constant(graph_, info_of(body_, inner.inputs[1]).name + ".step", DType::kF32,
                             {width, source.end - source.begin}, data.data());
      } else {
        w = outer_constant(inner.inputs[1]);
      }
      outer.inputs = {x, w};
      if (input_at(inner, kBias) != kNoValue)
        set_input(outer, kBias, outer_constant(inner.inputs[kBias]));
      const ValueId y = add_like(graph_, x, outer.name);
      graph_.values[u(y)].shape.back() = Dim(width);
      outer.outputs = {y};
      nodes.push_back(std::move(outer));
      x = y;
    }
    return x;
  }

  // The new sequence as another scanned input of loop and body.
  ValueId scan(ValueId sequence) {
    Node& loop = graph_.nodes[at_];
    const auto place = static_cast<std::ptrdiff_t>(first_ + count_);
    loop.inputs.insert(loop.inputs.begin() + place, sequence);
    ir::ValueInfo info = info_of(graph_, sequence);
    info.kind = ir::ValueKind::kInput;
    info.shape.erase(info.shape.begin() + axis_);
    const ValueId inside = body_.add_value(std::move(info));
    body_.inputs.insert(body_.inputs.begin() + place, inside);
    loop.attrs.set("num_scanned", static_cast<std::int64_t>(++count_));
    return inside;
  }

  // The chain's weights for the rest, as one matrix [N, columns of the rest].
  ValueId rest_weights(const Source& source, const std::vector<std::size_t>& chain) {
    const std::int64_t columns = source.rest_end - source.rest_begin;
    const ValueId first = body_.nodes[chain[0]].inputs[1];
    std::vector<float> w = columns_of(body_, first, source.rest_begin, source.rest_end);
    for (std::size_t i = 1; i < chain.size(); ++i) {
      const TensorView next = ir::constant_view(body_, body_.nodes[chain[i]].inputs[1]);
      w = product_of(next.f32(), w, next.dims[0], next.dims[1], columns);
    }
    const std::int64_t rows = static_cast<std::int64_t>(w.size()) / columns;
    return ir::add_constant(body_, info_of(body_, first).name + ".carried", DType::kF32,
                            {rows, columns}, w.data());
  }

  void replace(const Source& source, const std::vector<std::size_t>& chain) {
    std::vector<Node> before;
    const ValueId inside = scan(add_outer(source, chain, before));
    Node& last = body_.nodes[chain.back()];
    if (source.rest == kNoValue) {
      replace_uses(body_, last.outputs[0], inside);
    } else {
      const ValueId w = rest_weights(source, chain);
      last.inputs = {source.rest, w, kNoValue, kNoValue, inside};
    }
    (void)eliminate_dead(body_);
    drop_unread(source.scanned);
    graph_.nodes.insert(graph_.nodes.begin() + static_cast<std::ptrdiff_t>(at_),
                        std::make_move_iterator(before.begin()),
                        std::make_move_iterator(before.end()));
  }

  // A sequence that no step reads any more; one always stays, which says how many steps there are.
  void drop_unread(std::size_t index) {
    if (!Uses(body_).unused(body_.inputs[index]) || count_ < 2) return;
    Node& loop = graph_.nodes[at_];
    body_.values[u(body_.inputs[index])].kind = ir::ValueKind::kTemp;  // an orphan
    loop.inputs.erase(loop.inputs.begin() + static_cast<std::ptrdiff_t>(index));
    body_.inputs.erase(body_.inputs.begin() + static_cast<std::ptrdiff_t>(index));
    loop.attrs.set("num_scanned", static_cast<std::int64_t>(--count_));
  }

  ir::Graph& graph_;
  const std::size_t at_;
  ir::Graph& body_;
  const Uses uses_;
  const std::size_t first_;
  std::size_t count_;
  const std::int64_t axis_;
};

}  // namespace

Result<bool> hoist_products(ir::Graph& graph) {
  bool changed = false;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n)
    while (graph.nodes[n].op == OpKind::kLoop && Hoister(graph, static_cast<int>(n)).run()) {
      changed = true;
      while (graph.nodes[n].op != OpKind::kLoop) ++n;  // behind what was put before it
    }
  return changed;
}

}  // namespace antiphon::passes
