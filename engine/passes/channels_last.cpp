// Convolutions over two and three axes get their channels last, and so does what lies between them.
// Values that anything else reads are transposed back, once.
#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <utility>

#include "engine/ir/dims.h"
#include "engine/ir/input_quantizer.h"
#include "engine/ir/op_enums.h"
#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

using ir::kNoValue;
using ir::Node;
using ir::OpKind;
using ir::ValueId;
using Ints = std::vector<std::int64_t>;

constexpr std::int64_t kFewChannels = 8;  // an image is read as it comes
const Ints kImageToLast = {0, 2, 3, 1};

// Where an axis of so many goes.
std::int64_t axis_of(std::int64_t axis, std::size_t rank) {
  if (axis == 1) return static_cast<std::int64_t>(rank) - 1;
  return axis < 2 ? axis : axis - 1;
}
Ints to_first(std::size_t rank) {
  Ints order;
  for (std::size_t i = 0; i < rank; ++i)
    order.push_back(axis_of(static_cast<std::int64_t>(i), rank));
  return order;
}
Ints to_last(std::size_t rank) { return rank == 4 ? kImageToLast : Ints{0, 2, 3, 4, 1}; }

Shape last_shape(Shape s) {
  std::rotate(s.begin() + 1, s.begin() + 2, s.end());
  return s;
}

bool all_are(const Ints& list, std::int64_t value) {
  return std::all_of(list.begin(), list.end(), [&](std::int64_t v) { return v == value; });
}

std::int64_t last_axis(const Node& node, std::int64_t fallback, std::size_t rank) {
  const std::int64_t axis = node.attrs.i("axis", fallback);
  return axis_of(axis < 0 ? axis + static_cast<std::int64_t>(rank) : axis, rank);
}

// Extent expressions with the axes of input 0 where they are now.
std::string moved_axes(const std::string& text, std::size_t rank) {
  std::string out = text;
  for (std::size_t i = 0; i + 2 < out.size(); ++i) {
    const bool begins = i == 0 || out[i - 1] == ' ' || out[i - 1] == ',';
    const auto axis = static_cast<std::size_t>(out[i + 2] - '0');
    if (begins && out[i] == '0' && out[i + 1] == ':' && axis < rank)
      out[i + 2] = static_cast<char>('0' + axis_of(static_cast<std::int64_t>(axis), rank));
  }
  return out;
}

class Mover {
 public:
  explicit Mover(ir::Graph& graph) : graph_(graph), uses_(graph) {}

  bool run() {
    std::vector<Node> nodes = std::move(graph_.nodes);
    graph_.nodes.clear();
    for (Node& node : nodes) {
      if (move(node)) {
        changed_ = true;
        continue;
      }
      for (const ValueId id : node.inputs) give_back(id);
      graph_.nodes.push_back(std::move(node));
    }
    for (const ir::NamedOutput& output : graph_.outputs) give_back(output.value);
    for (const ValueId state : graph_.states)
      give_back(graph_.values[static_cast<std::size_t>(state)].next);
    return changed_;
  }

 private:
  const ir::ValueInfo& info(ValueId id) const { return info_of(graph_, id); }
  bool is_image(ValueId id) const {
    return id != kNoValue && info(id).dtype == DType::kF32 &&
           (info(id).shape.size() == 4 || info(id).shape.size() == 5);
  }
  bool has_last(ValueId id) const { return last_.contains(id); }

  // The value with the channels last: a twin of the old one.
  ValueId twin(ValueId id) {
    ir::ValueInfo value;
    value.name = info(id).name + "/last";
    value.dtype = info(id).dtype;
    value.shape = last_shape(info(id).shape);
    return last_[id] = graph_.add_value(std::move(value));
  }

  void transpose(ValueId from, ValueId to, const Ints& order) {
    Node node;
    node.op = OpKind::kTranspose;
    node.name = unique_name(info(to).name + "/transposed");
    node.inputs = {from};
    node.outputs = {to};
    node.attrs.set("order", order);
    graph_.nodes.push_back(std::move(node));
  }

  std::string unique_name(const std::string& base) {
    std::string name = base;
    name += '.';
    name += std::to_string(names_++);
    return name;
  }

  // x with the channels last, transposed here where it is not there.
  ValueId as_last(ValueId id) {
    if (const auto found = last_.find(id); found != last_.end()) return found->second;
    const ValueId to = twin(id);
    given_.insert({id, true});
    if (is_constant(graph_, id))
      permute_constant(id, to);
    else
      transpose(id, to, to_last(info(id).shape.size()));
    return to;
  }

  void permute_constant(ValueId id, ValueId to) {
    const TensorView x = constant_view(graph_, id);
    Ints d = x.dims;
    std::int64_t pixels = 1;
    for (std::size_t i = 2; i < d.size(); ++i) pixels *= d[i];
    std::vector<float> values;
    for (std::int64_t n = 0; n < d[0]; ++n)
      for (std::int64_t i = 0; i < pixels; ++i)
        for (std::int64_t c = 0; c < d[1]; ++c)
          values.push_back(x.f32()[(n * d[1] + c) * pixels + i]);
    std::rotate(d.begin() + 1, d.begin() + 2, d.end());
    const ValueId made = add_constant(graph_, info(to).name, DType::kF32, d, values.data());
    last_[id] = made;
    std::swap(graph_.values[static_cast<std::size_t>(to)],
              graph_.values[static_cast<std::size_t>(made)]);
    last_[id] = to;
  }

  // Makes the old value for those who still read it.
  void give_back(ValueId id) {
    const auto found = last_.find(id);
    if (found == last_.end() || !given_.insert({id, true}).second) return;
    const Shape& shape = info(id).shape;
    const bool one = std::all_of(shape.begin() + 2, shape.end(),
                                 [](const Dim& extent) { return extent == Dim(1); });
    if (!one || !shape[1].is_static()) return transpose(found->second, id, to_first(shape.size()));
    Node view;  // the same elements in the same order
    view.op = OpKind::kReshape;
    view.name = unique_name(info(id).name + "/flat");
    view.inputs = {found->second};
    view.outputs = {id};
    Ints dims(shape.size(), 1);
    dims[0] = 0;
    dims[1] = shape[1].extent;
    view.attrs.set("dims", std::move(dims));
    graph_.nodes.push_back(std::move(view));
  }

  bool move(Node& node) {
    if (node.op == ir::kOpConvNd) return move_conv(node);
    if (node.op == ir::kOpConvTranspose) return move_conv_transpose(node);
    if (node.op == OpKind::kReshape || node.op == ir::kOpReshapeTo) return defer_reshape(node);
    if (node.op == OpKind::kTranspose) return move_transpose(node);
    if (node.op == OpKind::kQuantize) return move_bytes(node);
    if (node.inputs.empty() || node.outputs.size() != 1 || !is_image(node.outputs[0])) return false;
    if (node.op == ir::kOpPool) return move_pool(node);
    if (node.op == ir::kOpResample || node.op == ir::kOpStridedSlice) return move_along(node, 0, 1);
    switch (node.op) {
      case OpKind::kUnary:
      case OpKind::kClamp:
      case OpKind::kBinary:
      case OpKind::kPointwise: return move_pointwise(node);
      case OpKind::kConcat: return move_along(node, 0, node.inputs.size());
      case OpKind::kDequantize: return move_bytes(node);
      case OpKind::kSoftmax:
      case OpKind::kLogSoftmax: return move_along(node, -1, 1);
      case OpKind::kReduce: return node.attrs.i("keep_dim") != 0 && move_along(node, -1, 1);
      case OpKind::kRepeat:
      case OpKind::kSlice:
      case OpKind::kPad: return move_along(node, 0, 1);
      default: return false;
    }
  }

  void finish(Node& node) {
    node.outputs = {twin(node.outputs[0])};
    graph_.nodes.push_back(std::move(node));
  }

  bool move_conv(Node& node) {
    if (!is_image(node.inputs[0]) || !is_image(node.outputs[0])) return false;
    if (!is_constant(graph_, node.inputs[1])) return false;
    // Where its input becomes bytes so must its weights be.
    const bool bytes = info(node.inputs[1]).dtype == DType::kI8;
    if (bytes && !node.attrs.has("x_scale") && !ir::has_dynamic_range(node.attrs)) return false;
    if (!bytes && (info(node.inputs[1]).dtype != DType::kF32 || node.attrs.has("x_scale")))
      return false;
    if (bytes && !is_constant(graph_, input_at(node, kScale))) return false;
    const Dim& channels = info(node.inputs[0]).shape[1];
    node.op = ir::kOpConvLast;
    if (!bytes && !has_last(node.inputs[0]) && channels.is_static() &&
        channels.extent <= kFewChannels && node.attrs.i("groups", 1) == 1 &&
        all_are(node.attrs.ints("dilations"), 1))
      node.attrs.set("x_first", std::int64_t{1});
    else
      node.inputs[0] = as_last(node.inputs[0]);
    if (input_at(node, kResidual) != kNoValue)
      node.inputs[kResidual] = as_last(node.inputs[kResidual]);
    finish(node);
    return true;
  }

  bool move_conv_transpose(Node& node) {
    if (!is_image(node.inputs[0]) || !is_image(node.outputs[0])) return false;
    if (!is_constant(graph_, node.inputs[1])) return false;
    const Shape& w = info(node.inputs[1]).shape;
    Ints strides = node.attrs.ints("strides");
    if (strides.empty()) strides.assign(w.size() - 2, 1);
    for (std::size_t i = 0; i < strides.size(); ++i)
      if (w[2 + i] != Dim(strides[i])) return false;
    if (node.attrs.i("groups", 1) != 1 || !all_are(node.attrs.ints("dilations"), 1) ||
        !all_are(node.attrs.ints("pads"), 0) || !all_are(node.attrs.ints("output_padding"), 0))
      return false;
    node.op = ir::kOpConvTransposeLast;
    for (const char* name : {"dilations", "pads", "output_padding", "groups"})
      node.attrs.erase(name);
    node.inputs[0] = as_last(node.inputs[0]);
    finish(node);
    return true;
  }

  bool move_pool(Node& node) {
    // Alone, too, where there are channels enough: with these first a pool is plain.
    const Dim& channels = info(node.inputs[0]).shape[1];
    const bool wide = channels.is_static() && channels.extent >= kFewChannels;
    if (!has_last(node.inputs[0]) && !(wide && !is_constant(graph_, node.inputs[0]))) return false;
    if (static_cast<ir::Pool>(node.attrs.i("op")) == ir::Pool::kLp) return false;
    node.op = ir::kOpPoolLast;
    for (const char* name : {"p", "column_major"}) node.attrs.erase(name);
    node.inputs[0] = as_last(node.inputs[0]);
    finish(node);
    return true;
  }

  // An operator with an axis attribute, whose first `count` inputs are images.
  bool move_along(Node& node, std::int64_t fallback, std::size_t count) {
    const auto begin = node.inputs.begin(), end = begin + static_cast<std::ptrdiff_t>(count);
    if (!std::all_of(begin, end, [&](ValueId id) { return is_image(id); })) return false;
    if (!std::any_of(begin, end, [&](ValueId id) { return has_last(id); })) return false;
    const std::size_t rank = info(*begin).shape.size();
    if (info(node.outputs[0]).shape.size() != rank) return false;
    for (auto input = begin; input != end; ++input) *input = as_last(*input);
    for (auto input = end; input != node.inputs.end(); ++input) give_back(*input);
    node.attrs.set("axis", last_axis(node, fallback, rank));
    if (node.attrs.has("extents"))
      node.attrs.set("extents", moved_axes(node.attrs.s("extents"), rank));
    finish(node);
    return true;
  }

  // An input of a point-wise node as it stands beside values with the channels last.
  bool can_stand_beside(ValueId id, std::size_t rank) const {
    if (info(id).dtype != DType::kF32) return false;
    const Shape& shape = info(id).shape;
    const bool one =
        std::all_of(shape.begin(), shape.end(), [](const Dim& d) { return d == Dim(1); });
    return shape.size() == rank || (one && shape.size() < rank) ||
           (is_constant(graph_, id) && shape.size() < rank);
  }

  ValueId beside(ValueId id, std::size_t rank) {
    const Shape shape = info(id).shape;
    if (shape.size() == rank) return as_last(id);
    if (!is_constant(graph_, id) ||
        std::all_of(shape.begin(), shape.end(), [](const Dim& d) { return d == Dim(1); }))
      return id;
    ir::ValueInfo wide = info(id);  // shares the memory
    wide.shape.insert(wide.shape.begin(), rank - shape.size(), Dim(1));
    return as_last(graph_.add_value(std::move(wide)));
  }

  bool move_pointwise(Node& node) {
    const std::size_t rank = info(node.outputs[0]).shape.size();
    bool any = false;
    for (const ValueId id : node.inputs) {
      if (!can_stand_beside(id, rank)) return false;
      any = any || has_last(id);
    }
    if (!any) return false;
    for (ValueId& id : node.inputs) id = beside(id, rank);
    finish(node);
    return true;
  }

  // Quantize and Dequantize by one scale.
  bool move_bytes(Node& node) {
    if (!has_last(node.inputs[0]) || info(node.inputs[1]).shape[0] != Dim(1)) return false;
    node.inputs[0] = as_last(node.inputs[0]);
    node.attrs.erase("axis");
    finish(node);
    return true;
  }

  // [B, A * K, H, W] seen as [B, A, K, H, W], all of whose readers put A and K last: not yet made.
  bool defer_reshape(const Node& node) {
    if (node.inputs.size() != 1 || !has_last(node.inputs[0])) return false;
    const Shape &from = info(node.inputs[0]).shape, &to = info(node.outputs[0]).shape;
    if (from.size() != 4 || to.size() != 5 || !to[1].is_static() || !to[2].is_static() ||
        !ir::same_extent(to[0], from[0]) || !ir::same_extent(to[3], from[2]) ||
        !ir::same_extent(to[4], from[3]) || uses_.num_results(node.outputs[0]) != 0)
      return false;
    for (const int reader : uses_.readers(node.outputs[0]))
      if (!reads_anchors_last_.contains(reader)) return false;
    deferred_[node.outputs[0]] = last_.at(node.inputs[0]);
    return true;
  }

  bool move_transpose(Node& node) {
    const Ints order = node.attrs.ints("order");
    if (has_last(node.inputs[0]) && order == to_last(order.size())) {
      Node same;
      same.op = OpKind::kIdentity;
      same.name = node.name;
      same.inputs = {last_.at(node.inputs[0])};
      same.outputs = node.outputs;
      graph_.nodes.push_back(std::move(same));
      return true;
    }
    const auto found = deferred_.find(node.inputs[0]);
    if (found == deferred_.end()) return false;
    const Shape& to = info(node.outputs[0]).shape;
    Node view;
    view.op = OpKind::kReshape;
    view.name = node.name;
    view.inputs = {found->second};
    view.outputs = node.outputs;
    view.attrs.set("dims", Ints{0, 0, 0, to[3].extent, to[4].extent});
    graph_.nodes.push_back(std::move(view));
    return true;
  }

  ir::Graph& graph_;
  const Uses uses_;
  std::map<ValueId, ValueId> last_;      // a value and its twin
  std::map<ValueId, bool> given_;        // values that exist with the channels first, too
  std::map<ValueId, ValueId> deferred_;  // reshapes to come, and the twin that they are of
  std::map<int, bool> reads_anchors_last_;
  int names_ = 0;
  bool changed_ = false;

 public:
  // Transposes that put two axes made of the channels last.
  void note_transposes() {
    for (int n = 0; n < static_cast<int>(graph_.nodes.size()); ++n) {
      const Node& node = node_at(graph_, n);
      if (node.op == OpKind::kTranspose && node.attrs.ints("order") == Ints{0, 3, 4, 1, 2})
        reads_anchors_last_[n] = true;
    }
  }
};

}  // namespace

Result<bool> channels_last(ir::Graph& graph) {
  const bool any = std::any_of(graph.nodes.begin(), graph.nodes.end(),
                               [](const Node& node) { return node.op == ir::kOpConvNd; });
  if (!any) return false;
  Mover mover(graph);
  mover.note_transposes();
  return mover.run();
}

}  // namespace antiphon::passes
