// Shape rules of look-ups by index, sorting, running sums and the operators of schema tail.
#include <algorithm>

#include "engine/ir/enum_names.h"
#include "engine/ir/op_enums.h"
#include "engine/ir/schema_rules.h"
#include "engine/ir/small_float.h"

namespace antiphon::ir {
namespace {

std::vector<ValueType> one(DType dtype, Shape shape) {
  std::vector<ValueType> out;
  out.push_back({dtype, std::move(shape)});
  return out;
}

Status want_ids(In in, std::size_t index) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "x"));
  ANTIPHON_RETURN_IF_ERROR(want_present(in, index, "ids"));
  const DType dtype = in[index]->dtype;
  if (dtype == DType::kI32 || dtype == DType::kI64) return {};
  return invalid_argument("ids: wanted i32 or i64, got " + std::string(dtype_name(dtype)));
}

Status want_updates(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_ids(in, 1));
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 2, "updates"));
  ANTIPHON_RETURN_IF_ERROR(want_dtype(*in[2], "updates", in[0]->dtype));
  const std::int64_t op = node.attrs.i("op");
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "op", op, 0, static_cast<int>(Scatter::kMin)));
  if (op != 0 && (in[0]->dtype == DType::kF16 || in[0]->dtype == DType::kBool))
    return invalid_argument("x: wanted numbers to reduce, got " +
                            std::string(dtype_name(in[0]->dtype)));
  return {};
}

// The number of leading axes that the last axis of ids names.
Result<std::size_t> tuple_width(const ValueType& ids, std::size_t axes) {
  ANTIPHON_RETURN_IF_ERROR(want_min_rank(ids, "ids", 1));
  const Dim& width = ids.shape.back();
  if (!width.is_static() || width.extent < 1 || width.extent > static_cast<std::int64_t>(axes))
    return invalid_argument("ids: wanted a last axis of 1 to " + std::to_string(axes) + ", got " +
                            shape_text(ids.shape));
  return static_cast<std::size_t>(width.extent);
}

}  // namespace

Types gather_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_ids(in, 1));
  const Shape& x = in[0]->shape;
  ANTIPHON_ASSIGN_OR_RETURN(const std::size_t axis, axis_of(node, x.size(), 0));
  const auto split = static_cast<std::ptrdiff_t>(axis);
  Shape out(x.begin(), x.begin() + split);
  out.insert(out.end(), in[1]->shape.begin(), in[1]->shape.end());
  out.insert(out.end(), x.begin() + split + 1, x.end());
  return one(in[0]->dtype, std::move(out));
}

Types gather_nd_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_ids(in, 1));
  const Shape &x = in[0]->shape, &ids = in[1]->shape;
  const std::int64_t batch = node.attrs.i("batch_dims");
  ANTIPHON_RETURN_IF_ERROR(want_range(
      node, "batch_dims", batch, 0, static_cast<std::int64_t>(std::min(x.size(), ids.size())) - 1));
  const auto skip = static_cast<std::size_t>(batch);
  ANTIPHON_ASSIGN_OR_RETURN(const std::size_t width, tuple_width(*in[1], x.size() - skip));
  for (std::size_t i = 0; i < skip; ++i)
    ANTIPHON_RETURN_IF_ERROR(want_extent(ids[i], "batch axis of ids", x[i]));
  Shape out(ids.begin(), ids.end() - 1);
  out.insert(out.end(), x.begin() + static_cast<std::ptrdiff_t>(skip + width), x.end());
  return one(in[0]->dtype, std::move(out));
}

namespace {

// ids as many axes as x, none longer but the one looked along.
Status want_element_ids(const ValueType& x, const ValueType& ids, std::size_t axis) {
  ANTIPHON_RETURN_IF_ERROR(want_rank(ids, "ids", x.shape.size()));
  for (std::size_t i = 0; i < x.shape.size(); ++i)
    if (i != axis && x.shape[i].is_static() && ids.shape[i].is_static() &&
        ids.shape[i].extent > x.shape[i].extent)
      return invalid_argument("ids: " + shape_text(ids.shape) + " is larger than " +
                              shape_text(x.shape));
  return {};
}

}  // namespace

Types gather_elements_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_ids(in, 1));
  ANTIPHON_ASSIGN_OR_RETURN(const std::size_t axis, axis_of(node, in[0]->shape.size(), 0));
  ANTIPHON_RETURN_IF_ERROR(want_element_ids(*in[0], *in[1], axis));
  return one(in[0]->dtype, in[1]->shape);
}

Types scatter_elements_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_updates(node, in));
  ANTIPHON_ASSIGN_OR_RETURN(const std::size_t axis, axis_of(node, in[0]->shape.size(), 0));
  ANTIPHON_RETURN_IF_ERROR(want_element_ids(*in[0], *in[1], axis));
  ANTIPHON_RETURN_IF_ERROR(want_shape(*in[2], "updates", in[1]->shape));
  return one(in[0]->dtype, in[0]->shape);
}

Types scatter_nd_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_updates(node, in));
  const Shape &x = in[0]->shape, &ids = in[1]->shape;
  ANTIPHON_ASSIGN_OR_RETURN(const std::size_t width, tuple_width(*in[1], x.size()));
  Shape wanted(ids.begin(), ids.end() - 1);
  wanted.insert(wanted.end(), x.begin() + static_cast<std::ptrdiff_t>(width), x.end());
  ANTIPHON_RETURN_IF_ERROR(want_shape(*in[2], "updates", wanted));
  return one(in[0]->dtype, x);
}

Types top_k_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "x"));
  const DType dtype = in[0]->dtype;
  if (dtype == DType::kF16 || dtype == DType::kBool)
    return invalid_argument("x: wanted numbers, got " + std::string(dtype_name(dtype)));
  ANTIPHON_ASSIGN_OR_RETURN(const std::size_t axis, axis_of(node, in[0]->shape.size()));
  ANTIPHON_ASSIGN_OR_RETURN(const Shape k, extents_shape(node, in));
  if (k.size() != 1) return invalid_argument("extents: wanted one, k");
  const Dim& extent = in[0]->shape[axis];
  if (k[0].is_static() && extent.is_static() && k[0].extent > extent.extent)
    return invalid_argument("k: " + dim_text(k[0]) + " of an axis of " + dim_text(extent));
  Shape out = in[0]->shape;
  out[axis] = k[0];
  std::vector<ValueType> types = one(dtype, out);
  types.push_back({DType::kI64, std::move(out)});
  return types;
}

Types cum_sum_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "x"));
  const DType dtype = in[0]->dtype;
  if (dtype != DType::kF32 && dtype != DType::kI32 && dtype != DType::kI64)
    return invalid_argument("x: wanted f32, i32 or i64, got " + std::string(dtype_name(dtype)));
  ANTIPHON_RETURN_IF_ERROR(axis_of(node, in[0]->shape.size(), 0).status());
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "op", node.attrs.i("op"), 0, 1));
  return one(dtype, in[0]->shape);
}

Types trilu_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "x"));
  ANTIPHON_RETURN_IF_ERROR(want_min_rank(*in[0], "x", 2));
  ANTIPHON_RETURN_IF_ERROR(
      want_range(node, "k", node.attrs.i("k"), -(std::int64_t{1} << 40), std::int64_t{1} << 40));
  return one(in[0]->dtype, in[0]->shape);
}

Types reverse_sequence_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_ids(in, 1));
  ANTIPHON_RETURN_IF_ERROR(want_min_rank(*in[0], "x", 2));
  const std::int64_t batch = node.attrs.i("batch_axis", 1), time = node.attrs.i("time_axis");
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "batch_axis", batch, 0, 1));
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "time_axis", time, 0, 1));
  if (batch == time) return invalid_argument("time_axis: the same as batch_axis");
  ANTIPHON_RETURN_IF_ERROR(
      want_shape(*in[1], "lengths", {in[0]->shape[static_cast<std::size_t>(batch)]}));
  return one(in[0]->dtype, in[0]->shape);
}

Types math_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "x"));
  const std::int64_t op = node.attrs.i("op", -1);
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "op", op, 0, static_cast<int>(Math::kBitNot)));
  const DType dtype = in[0]->dtype;
  const bool whole = dtype != DType::kF32 && dtype != DType::kF16 && dtype != DType::kBool;
  switch (static_cast<Math>(op)) {
    case Math::kBitNot:
    case Math::kSign:
      if (whole) return one(dtype, in[0]->shape);
      if (static_cast<Math>(op) == Math::kBitNot)
        return invalid_argument("x: wanted whole numbers, got " + std::string(dtype_name(dtype)));
      break;
    case Math::kRoundFloat:
      ANTIPHON_RETURN_IF_ERROR(
          want_range(node, "format", node.attrs.i("format"), 0, kNumSmallFloats - 1));
      break;
    default: break;
  }
  ANTIPHON_RETURN_IF_ERROR(want_dtype(*in[0], "x", DType::kF32));
  return one(static_cast<Math>(op) == Math::kIsNan ? DType::kBool : DType::kF32, in[0]->shape);
}

Types math_binary_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "a"));
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 1, "b"));
  const std::int64_t op = node.attrs.i("op", -1);
  ANTIPHON_RETURN_IF_ERROR(
      want_range(node, "op", op, 0, static_cast<int>(MathBinary::kShiftRight)));
  const DType dtype = in[0]->dtype;
  ANTIPHON_RETURN_IF_ERROR(want_dtype(*in[1], "b", dtype));
  const bool real_too = op <= static_cast<int>(MathBinary::kFmod);
  if (dtype == DType::kF16 || dtype == DType::kBool || (dtype == DType::kF32 && !real_too))
    return invalid_argument("a: wanted whole numbers, got " + std::string(dtype_name(dtype)));
  ANTIPHON_ASSIGN_OR_RETURN(Shape shape, broadcast(in[0]->shape, in[1]->shape));
  return one(dtype, std::move(shape));
}

}  // namespace antiphon::ir
