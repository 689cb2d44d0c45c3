// Bytes stay bytes between convolutions on bytes: a layer whose result only such layers read, at
// once or through maxima, joins of channels and nothing else, makes the bytes itself.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <vector>

#include "engine/ir/input_quantizer.h"
#include "engine/ir/op_enums.h"
#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

using ir::InputQuantizer;
using ir::Node;
using ir::ValueId;

// How much coarser the bytes that layers share may be than those that one of them had.
constexpr float kMostCoarser = 2.0f;

bool is_relu_or_none(const Node& node, const char* name) {
  return node.attrs.i(name, static_cast<std::int64_t>(Unary::kRelu)) ==
         static_cast<std::int64_t>(Unary::kRelu);
}

bool reads_bytes(const Node& node) {
  return (node.op == ir::kOpConvLast || node.op == ir::kOpConvTransposeLast) &&
         ir::input_quantizer(node.attrs) && node.attrs.i("x_first") == 0;
}

bool makes_bytes(const Node& node) {
  if (node.attrs.has("y_scale")) return false;
  if (node.op == ir::kOpConvTransposeLast) return true;
  return reads_bytes(node) && is_relu_or_none(node, "act") && is_relu_or_none(node, "act2");
}

// What gives the same bytes before and behind it.
bool passes_bytes(const ir::Graph& graph, const Node& node) {
  if (node.op == ir::kOpPoolLast)
    return static_cast<ir::Pool>(node.attrs.i("op")) == ir::Pool::kMax && node.inputs.size() == 1;
  if (node.op != ir::OpKind::kConcat) return false;
  const auto axes = static_cast<std::int64_t>(info_of(graph, node.outputs[0]).shape.size());
  return (axes == 4 || axes == 5) &&
         (node.attrs.i("axis") == axes - 1 || node.attrs.i("axis") == -1);
}

// Numbers that hold the range of all; none where that would cost too much.
std::optional<InputQuantizer> shared_numbers(const std::vector<InputQuantizer>& all) {
  const InputQuantizer& one = all.front();
  bool same = true, loose = true;
  float low = 0, high = 0, finest = one.scale;
  for (const InputQuantizer& q : all) {
    same = same && q.scale == one.scale && q.zero == one.zero && q.levels == one.levels;
    loose = loose && !q.exact && q.levels == one.levels;
    low = std::min(low, static_cast<float>(-q.zero) * q.scale);
    high = std::max(high, static_cast<float>(q.levels - q.zero) * q.scale);
    finest = std::min(finest, q.scale);
  }
  if (same) return one;
  InputQuantizer out = one;
  out.scale = (high - low) / static_cast<float>(one.levels);
  if (!loose || !std::isnormal(out.scale) || out.scale > kMostCoarser * finest) return std::nullopt;
  out.zero = std::clamp(static_cast<std::int32_t>(std::nearbyint(-low / out.scale)), 0, out.levels);
  return out;
}

class Keeper {
 public:
  explicit Keeper(ir::Graph& graph) : graph_(graph), uses_(graph), leader_(graph.values.size()) {
    std::iota(leader_.begin(), leader_.end(), 0);
  }

  bool run() {
    for (const Node& node : graph_.nodes) join(node);
    std::map<ValueId, std::vector<ValueId>> classes;
    for (std::size_t i = 0; i < graph_.values.size(); ++i)
      if (may_be_bytes(static_cast<ValueId>(i)))
        classes[find(static_cast<ValueId>(i))].push_back(static_cast<ValueId>(i));
    bool changed = false;
    for (const auto& [leader, values] : classes) changed = keep(values) || changed;
    return changed;
  }

 private:
  ValueId find(ValueId id) {
    while (leader_[static_cast<std::size_t>(id)] != id) id = leader_[static_cast<std::size_t>(id)];
    return id;
  }

  // Nobody but convolutions on bytes, and what passes bytes on, reads it.
  bool may_be_bytes(ValueId id) const {
    const ir::ValueInfo& info = info_of(graph_, id);
    if (info.kind != ir::ValueKind::kTemp || info.dtype != DType::kF32 ||
        (info.shape.size() != 4 && info.shape.size() != 5))
      return false;
    if (uses_.maker(id) < 0 || uses_.num_results(id) != 0 || uses_.readers(id).empty())
      return false;
    return std::all_of(uses_.readers(id).begin(), uses_.readers(id).end(), [&](int reader) {
      const Node& node = graph_.nodes[static_cast<std::size_t>(reader)];
      if (passes_bytes(graph_, node)) return true;
      return reads_bytes(node) && std::count(node.inputs.begin(), node.inputs.end(), id) == 1 &&
             node.inputs[0] == id;
    });
  }

  void join(const Node& node) {
    if (!passes_bytes(graph_, node) || !may_be_bytes(node.outputs[0])) return;
    for (const ValueId id : node.inputs)
      if (may_be_bytes(id)) leader_[static_cast<std::size_t>(find(id))] = find(node.outputs[0]);
  }

  bool keep(const std::vector<ValueId>& values) {
    std::vector<int> makers, readers;
    for (const ValueId id : values) {
      const Node& maker = node_at(graph_, uses_.maker(id));
      if (makes_bytes(maker))
        makers.push_back(uses_.maker(id));
      else if (!passes_bytes(graph_, maker) || !all_in(maker, values))
        return false;
      for (const int reader : uses_.readers(id)) {
        if (reads_bytes(node_at(graph_, reader)))
          readers.push_back(reader);
        else if (!all_in(node_at(graph_, reader), values))
          return false;
      }
    }
    if (makers.empty() || readers.empty()) return false;
    std::vector<InputQuantizer> wanted;
    for (const int reader : readers)
      wanted.push_back(*ir::input_quantizer(node_at(graph_, reader).attrs));
    const auto numbers = shared_numbers(wanted);
    if (!numbers) return false;
    for (const int maker : makers) ir::set_output_quantizer(node_at(graph_, maker).attrs, *numbers);
    for (std::size_t i = 0; i < readers.size(); ++i) {
      InputQuantizer own = *numbers;
      own.exact = wanted[i].exact;
      ir::set_input_quantizer(node_at(graph_, readers[i]).attrs, own);
    }
    for (const ValueId id : values) graph_.values[static_cast<std::size_t>(id)].dtype = DType::kU8;
    return true;
  }

  static bool all_in(const Node& node, const std::vector<ValueId>& values) {
    const auto in = [&](ValueId id) { return std::count(values.begin(), values.end(), id) > 0; };
    return in(node.outputs[0]) && std::all_of(node.inputs.begin(), node.inputs.end(), in);
  }

  ir::Graph& graph_;
  const Uses uses_;
  std::vector<ValueId> leader_;  // values that have one set of numbers or none
};

}  // namespace

Result<bool> keep_bytes(ir::Graph& graph) { return Keeper(graph).run(); }

}  // namespace antiphon::passes
