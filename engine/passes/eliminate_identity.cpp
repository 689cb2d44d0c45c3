// Removes nodes that hand on what they get.
#include <limits>

#include "engine/ir/dims.h"
#include "engine/ir/op_enums.h"
#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

using ir::OpKind;

// The only element of a constant of bools.
bool is_truth(const ir::Graph& graph, ir::ValueId id, bool wanted) {
  if (!is_constant(graph, id)) return false;
  const TensorView view = constant_view(graph, id);
  return view.dtype == DType::kBool && view.num_elements() == 1 &&
         (*static_cast<const char*>(view.data) != 0) == wanted;
}

// The input that the binary node returns unchanged; -1: none.
int neutral_side(const ir::Graph& graph, const ir::Node& node) {
  float value = 0;
  const auto is = [&](std::size_t side, float wanted) {
    return scalar_constant(graph, node.inputs[side], value) && value == wanted;
  };
  switch (static_cast<Binary>(node.attrs.i("op"))) {
    case Binary::kAdd: return is(1, 0) ? 0 : is(0, 0) ? 1 : -1;
    case Binary::kMul: return is(1, 1) ? 0 : is(0, 1) ? 1 : -1;
    case Binary::kSub: return is(1, 0) ? 0 : -1;
    case Binary::kDiv: return is(1, 1) ? 0 : -1;
    case Binary::kAnd:
    case Binary::kOr: {
      const bool neutral = static_cast<Binary>(node.attrs.i("op")) == Binary::kAnd;
      return is_truth(graph, node.inputs[1], neutral)   ? 0
             : is_truth(graph, node.inputs[0], neutral) ? 1
                                                        : -1;
    }
    default: return -1;
  }
}

bool in_order(const std::vector<std::int64_t>& order) {
  for (std::size_t i = 0; i < order.size(); ++i)
    if (order[i] != static_cast<std::int64_t>(i)) return false;
  return true;
}

// The index of the input that the node hands on; -1: it does something.
int handed_on(const ir::Graph& graph, const ir::Node& node) {
  if (node.inputs.empty() || node.outputs.size() != 1 || node.inputs[0] == ir::kNoValue) return -1;
  const ir::ValueInfo& x = info_of(graph, node.inputs[0]);
  const ir::ValueInfo& y = info_of(graph, node.outputs[0]);
  const bool same = ir::same_shape(x.shape, y.shape);
  if (node.op == ir::kOpReshapeTo) return same ? 0 : -1;
  switch (node.op) {
    case OpKind::kIdentity: return 0;
    case OpKind::kCast: return x.dtype == y.dtype ? 0 : -1;
    case OpKind::kReshape: return same ? 0 : -1;
    case OpKind::kTranspose: return in_order(node.attrs.ints("order")) ? 0 : -1;
    case OpKind::kSlice:
      return node.attrs.i("begin") == 0 &&
                     (same || node.attrs.i("end") == std::numeric_limits<std::int64_t>::max())
                 ? 0
                 : -1;
    case OpKind::kConcat: return node.inputs.size() == 1 ? 0 : -1;
    case OpKind::kRepeat: return node.attrs.i("times", 1) == 1 ? 0 : -1;
    case OpKind::kPad: return node.attrs.i("before") == 0 && node.attrs.i("after") == 0 ? 0 : -1;
    case OpKind::kBinary: {
      const int side = neutral_side(graph, node);
      if (side < 0) return -1;
      // One element of no more axes makes nothing larger.
      const ir::ValueInfo& kept = info_of(graph, node.inputs[static_cast<std::size_t>(side)]);
      return kept.dtype == y.dtype && kept.shape.size() == y.shape.size() ? side : -1;
    }
    default: return -1;
  }
}

bool try_node(ir::Graph& graph, const Uses&, int index) {
  const ir::Node& node = node_at(graph, index);
  const int side = handed_on(graph, node);
  if (side < 0) return false;
  const ir::ValueId from = node.outputs[0], to = node.inputs[static_cast<std::size_t>(side)];
  remove_node(graph, index);
  replace_uses(graph, from, to);
  return true;
}

}  // namespace

Result<bool> eliminate_identity(ir::Graph& graph) { return rewrite_all(graph, try_node); }

}  // namespace antiphon::passes
