// The shape rule of rotary position embeddings.
#include "engine/ir/schema_rules.h"

namespace antiphon::ir {
namespace {

constexpr std::int64_t kMostHeads = 1 << 20;

struct Turned {
  Dim batch, steps;
  std::int64_t head_width = 0;
};

// x by its layout; the width of a head is a number.
Result<Turned> turned_shape(const Node& node, const Shape& x, std::int64_t heads) {
  const bool steps_first = node.attrs.i("steps_first") != 0;
  const std::size_t head_axis = steps_first ? 2 : 1;
  if (x.size() == 4 && x[head_axis] == Dim(heads) && x[3].is_static())
    return Turned{x[0], x[3 - head_axis], x[3].extent};
  if (x.size() == 3 && !steps_first && x[2].is_static() && x[2].extent % heads == 0)
    return Turned{x[0], x[1], x[2].extent / heads};
  const std::string count = std::to_string(heads);
  return invalid_argument("x: wanted " +
                          (steps_first ? "[B, T, " + count + ", d]"
                                       : "[B, T, " + count + " x d] or [B, " + count + ", T, d]") +
                          ", got " + shape_text(x));
}

// [T, w], [B or 1, T, w], or with an axis of 1 before or behind T; w is width or half of it.
Status want_angles(const ValueType& angles, const char* field, const Turned& x,
                   std::int64_t width) {
  ANTIPHON_RETURN_IF_ERROR(want_dtype(angles, field, DType::kF32));
  ANTIPHON_RETURN_IF_ERROR(want_min_rank(angles, field, 2));
  Shape shape = angles.shape;
  if (shape.size() == 4) shape.erase(shape.begin() + (shape[1] == Dim(1) ? 1 : 2));
  if (angles.shape.size() > 4 ||
      (angles.shape.size() == 4 && angles.shape[1] != Dim(1) && angles.shape[2] != Dim(1)))
    return invalid_argument(std::string(field) +
                            ": wanted [T, w], [B, T, w], [B, 1, T, w] or [B, T, 1, w], got " +
                            shape_text(angles.shape));
  if (shape.back() != Dim(width) && shape.back() != Dim(width / 2))
    return invalid_argument(std::string(field) + ": wanted a last axis of " +
                            std::to_string(width) + " or " + std::to_string(width / 2) + ", got " +
                            shape_text(angles.shape));
  ANTIPHON_RETURN_IF_ERROR(want_extent(shape[shape.size() - 2], field, x.steps));
  if (shape.size() == 2 || shape[0] == Dim(1)) return {};
  return want_extent(shape[0], field, x.batch);
}

}  // namespace

Types rotary_rule(const Node& node, In in) {
  const char* names[] = {"x", "cos", "sin"};
  for (std::size_t i = 0; i < 3; ++i) ANTIPHON_RETURN_IF_ERROR(want_present(in, i, names[i]));
  ANTIPHON_RETURN_IF_ERROR(want_dtype(*in[0], "x", DType::kF32));
  const std::int64_t heads = node.attrs.i("heads");
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "heads", heads, 1, kMostHeads));
  for (const char* flag : {"interleaved", "steps_first", "by_head"})
    ANTIPHON_RETURN_IF_ERROR(want_range(node, flag, node.attrs.i(flag), 0, 1));
  const Shape& x = in[0]->shape;
  ANTIPHON_ASSIGN_OR_RETURN(const Turned turned, turned_shape(node, x, heads));
  const std::int64_t width = node.attrs.i("width", turned.head_width);
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "width", width, 0, turned.head_width));
  if (width % 2 != 0)
    return invalid_argument("width: wanted an even number, got " + std::to_string(width));
  ANTIPHON_RETURN_IF_ERROR(want_angles(*in[1], "cos", turned, width));
  ANTIPHON_RETURN_IF_ERROR(want_angles(*in[2], "sin", turned, width));
  if (in[1]->shape.back() != in[2]->shape.back())
    return invalid_argument("sin: wanted as many numbers a step as cos, got " +
                            shape_text(in[2]->shape) + " and " + shape_text(in[1]->shape));
  const bool by_head = node.attrs.i("by_head") != 0;
  if (by_head && x.size() == 4 && node.attrs.i("steps_first") == 0)
    return invalid_argument("by_head: x is so already");
  std::vector<ValueType> out;
  out.push_back(
      {DType::kF32,
       by_head ? Shape{turned.batch, Dim(heads), turned.steps, Dim(turned.head_width)} : x});
  return out;
}

}  // namespace antiphon::ir
