// Shape rules of the operators whose channels come last: those of the usual order, on permuted
// axes.
#include <algorithm>
#include <cmath>
#include <string>

#include "engine/ir/input_quantizer.h"
#include "engine/ir/op_enums.h"
#include "engine/ir/schema_rules.h"

namespace antiphon::ir {
namespace {

constexpr std::int64_t kMaxWidth = 1 << 24;

Status want_image(const ValueType& x) {
  if (x.shape.size() == 4 || x.shape.size() == 5) return {};
  return invalid_argument("x: wanted [B, C] and 2 or 3 spatial axes, got " + shape_text(x.shape));
}

// x f32, or bytes where the operator takes them.
Result<ValueType> channels_first(const ValueType* x, bool takes_bytes) {
  if (!x) return invalid_argument("x is absent");
  ANTIPHON_RETURN_IF_ERROR(want_image(*x));
  if (!(takes_bytes && x->dtype == DType::kU8))
    ANTIPHON_RETURN_IF_ERROR(want_dtype(*x, "x", DType::kF32));
  Shape shape = x->shape;
  std::rotate(shape.begin() + 1, shape.end() - 1, shape.end());
  return ValueType{x->dtype, std::move(shape)};
}

Shape channels_last(Shape y) {
  std::rotate(y.begin() + 1, y.begin() + 2, y.end());
  return y;
}

// `own` as a part of a wider result; checks the base.
Types placed(const Node& node, const ValueType* base, Shape own, DType dtype = DType::kF32) {
  Shape out = own;
  if (node.attrs.has("y_width")) {
    const std::int64_t width = node.attrs.i("y_width"), begin = node.attrs.i("y_begin");
    const Dim& channels = own.back();
    if (!channels.is_static()) return invalid_argument("y_width: the channels have no number");
    ANTIPHON_RETURN_IF_ERROR(want_range(node, "y_width", width, channels.extent, kMaxWidth));
    ANTIPHON_RETURN_IF_ERROR(want_range(node, "y_begin", begin, 0, width - channels.extent));
    out.back() = Dim(width);
  } else if (base || node.attrs.has("y_begin")) {
    return invalid_argument("y_width is absent");
  }
  if (base) {
    ANTIPHON_RETURN_IF_ERROR(want_dtype(*base, "base", dtype));
    ANTIPHON_RETURN_IF_ERROR(want_shape(*base, "base", out));
  }
  std::vector<ValueType> types;
  types.push_back({dtype, std::move(out)});
  return types;
}

// The type of a result that may be made bytes, of numbers that make sense.
Result<DType> made_type(const Node& node) {
  const auto quantizer = output_quantizer(node.attrs);
  if (!quantizer) {
    for (const char* name : {"y_zero", "y_levels"})
      if (node.attrs.has(name)) return invalid_argument(std::string(name) + ": without y_scale");
    return DType::kF32;
  }
  if (!(std::isnormal(quantizer->scale) && quantizer->scale > 0))
    return invalid_argument("y_scale: wanted more than 0");
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "y_levels", node.attrs.i("y_levels", 255), 1, 255));
  ANTIPHON_RETURN_IF_ERROR(
      want_range(node, "y_zero", node.attrs.i("y_zero"), 0, quantizer->levels));
  return DType::kU8;
}

// The node as its operator with channels first takes it.
Node plain(const Node& node) {
  Node copy;
  copy.name = node.name;
  copy.attrs = node.attrs;
  for (const char* name : {"x_first", "y_begin", "y_width", "y_scale", "y_zero", "y_levels"})
    copy.attrs.erase(name);
  copy.outputs = node.outputs;
  return copy;
}

}  // namespace

Types conv_last_rule(const Node& node, In in) {
  ValueType x;
  if (node.attrs.i("x_first") != 0) {
    ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "x"));
    x = *in[0];
    ANTIPHON_RETURN_IF_ERROR(want_image(x));
    ANTIPHON_RETURN_IF_ERROR(want_dtype(x, "x", DType::kF32));
  } else {
    const bool knows_bytes = input_quantizer(node.attrs).has_value();
    ANTIPHON_ASSIGN_OR_RETURN(x, channels_first(in[0], knows_bytes));
    x.dtype = DType::kF32;  // what the bytes stand for
  }
  const ValueType* inputs[] = {&x, at(in, 1), at(in, 2), at(in, 3)};
  Node as = plain(node);
  as.op = kOpConvNd;
  ANTIPHON_ASSIGN_OR_RETURN(const std::vector<ValueType> y, conv_nd_rule(as, inputs));
  const Shape own = channels_last(y[0].shape);
  if (const ValueType* residual = at(in, 4)) {
    ANTIPHON_RETURN_IF_ERROR(want_dtype(*residual, "residual", DType::kF32));
    ANTIPHON_RETURN_IF_ERROR(want_shape(*residual, "residual", own));
  }
  ANTIPHON_ASSIGN_OR_RETURN(const DType made, made_type(node));
  return placed(node, at(in, 5), own, made);
}

Types pool_last_rule(const Node& node, In in) {
  const bool largest = node.attrs.i("op", -1) == static_cast<std::int64_t>(Pool::kMax);
  ANTIPHON_ASSIGN_OR_RETURN(const ValueType x, channels_first(in[0], largest));
  const ValueType* inputs[] = {&x};
  Node as = plain(node);
  as.op = kOpPool;
  ANTIPHON_RETURN_IF_ERROR(
      want_range(node, "op", node.attrs.i("op", -1), 0, static_cast<int>(Pool::kAverage)));
  ANTIPHON_ASSIGN_OR_RETURN(const std::vector<ValueType> y, pool_rule(as, inputs));
  return placed(node, at(in, 1), channels_last(y[0].shape), x.dtype);
}

Types conv_transpose_last_rule(const Node& node, In in) {
  const bool knows_bytes = input_quantizer(node.attrs).has_value();
  ANTIPHON_ASSIGN_OR_RETURN(ValueType x, channels_first(in[0], knows_bytes));
  x.dtype = DType::kF32;  // what the bytes stand for
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 1, "w"));
  const ValueType* inputs[] = {&x, in[1], at(in, 2)};
  Node as = plain(node);
  as.op = kOpConvTranspose;
  ANTIPHON_ASSIGN_OR_RETURN(const std::vector<ValueType> y, conv_transpose_rule(as, inputs));
  const std::vector<std::int64_t> strides = node.attrs.ints("strides");
  for (std::size_t i = 0; i + 2 < x.shape.size(); ++i)
    if (in[1]->shape[2 + i] != Dim(strides.empty() ? 1 : strides[i]))
      return invalid_argument("strides: wanted those of windows that do not overlap");
  ANTIPHON_ASSIGN_OR_RETURN(const DType made, made_type(node));
  return placed(node, at(in, 3), channels_last(y[0].shape), made);
}

Types place_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "x"));
  ANTIPHON_RETURN_IF_ERROR(want_min_rank(*in[0], "x", 1));
  if (!node.attrs.has("y_width")) return invalid_argument("y_width is absent");
  if (in[0]->dtype != DType::kU8) ANTIPHON_RETURN_IF_ERROR(want_dtype(*in[0], "x", DType::kF32));
  return placed(node, at(in, 1), in[0]->shape, in[0]->dtype);
}

}  // namespace antiphon::ir
