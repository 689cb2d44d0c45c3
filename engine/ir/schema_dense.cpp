// Shape rules of the operators that multiply by weights, look up, attend and quantise.
#include <cmath>

#include "engine/ir/enum_names.h"
#include "engine/ir/input_quantizer.h"
#include "engine/ir/schema_rules.h"

namespace antiphon::ir {
namespace {

constexpr std::int64_t kMaxStep = 1 << 20;  // strides, pads and the like: far above any real one

std::vector<ValueType> one(DType dtype, Shape shape) {
  std::vector<ValueType> out;
  out.push_back({dtype, std::move(shape)});
  return out;
}

// Weights: f32, or i8 with one scale for each row.
Status want_weight(const ValueType& w, const ValueType* scale, const char* field,
                   const char* scale_field) {
  if (w.dtype != DType::kI8) {
    ANTIPHON_RETURN_IF_ERROR(want_dtype(w, field, DType::kF32));
    return scale ? invalid_argument(std::string(scale_field) + ": given for f32 weights")
                 : Status();
  }
  if (!scale) return invalid_argument(std::string(scale_field) + ": absent for i8 weights");
  ANTIPHON_RETURN_IF_ERROR(want_dtype(*scale, scale_field, DType::kF32));
  return want_shape(*scale, scale_field, {w.shape[0]});
}

Status want_epilogue(const Node& node, In in, const Dim& rows, const Shape& out) {
  if (const ValueType* bias = at(in, 3)) {
    ANTIPHON_RETURN_IF_ERROR(want_dtype(*bias, "bias", DType::kF32));
    ANTIPHON_RETURN_IF_ERROR(want_shape(*bias, "bias", {rows}));
  }
  if (const ValueType* residual = at(in, 4)) {
    ANTIPHON_RETURN_IF_ERROR(want_dtype(*residual, "residual", DType::kF32));
    ANTIPHON_RETURN_IF_ERROR(want_shape(*residual, "residual", out));
  }
  for (const char* act : {"act", "act2"})
    if (node.attrs.has(act))
      ANTIPHON_RETURN_IF_ERROR(want_range(node, act, node.attrs.i(act, -1), 0, kNumUnary - 1));
  return {};
}

}  // namespace

Status want_input_quantizer(const Node& node, const ValueType& w, DType weights) {
  const auto quantizer = input_quantizer(node.attrs);
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "w_shift", node.attrs.i("w_shift"), -255, 255));
  if (has_dynamic_range(node.attrs) && quantizer)
    return invalid_argument("x_dynamic: beside x_scale");
  if (node.attrs.i("w_shift") != 0 &&
      !((has_dynamic_range(node.attrs) || quantizer) && w.dtype == DType::kI8))
    return invalid_argument("w_shift: only of i8 weights, and x_dynamic or x_scale");
  if (!quantizer) {
    for (const char* name : {"x_zero", "x_levels", "x_exact"})
      if (node.attrs.has(name)) return invalid_argument(std::string(name) + ": without x_scale");
    return {};
  }
  ANTIPHON_RETURN_IF_ERROR(want_dtype(w, "w of a quantised input", weights));
  if (!(std::isnormal(quantizer->scale) && quantizer->scale > 0))
    return invalid_argument("x_scale: wanted more than 0");
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "x_levels", node.attrs.i("x_levels", 255), 1, 255));
  return want_range(node, "x_zero", node.attrs.i("x_zero"), 0, quantizer->levels);
}

Types linear_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "x"));
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 1, "w"));
  const ValueType& x = *in[0];
  const ValueType& w = *in[1];
  ANTIPHON_RETURN_IF_ERROR(want_dtype(x, "x", DType::kF32));
  ANTIPHON_RETURN_IF_ERROR(want_min_rank(x, "x", 1));
  ANTIPHON_RETURN_IF_ERROR(want_rank(w, "w", 2));
  ANTIPHON_RETURN_IF_ERROR(want_weight(w, at(in, 2), "w", "w_scale"));
  ANTIPHON_RETURN_IF_ERROR(want_input_quantizer(node, w));
  ANTIPHON_RETURN_IF_ERROR(want_extent(x.shape.back(), "last axis of x", w.shape[1]));
  Shape out = x.shape;
  out.back() = w.shape[0];
  ANTIPHON_RETURN_IF_ERROR(want_epilogue(node, in, w.shape[0], out));
  return one(DType::kF32, std::move(out));
}

Types conv_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "x"));
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 1, "w"));
  const ValueType& x = *in[0];
  const ValueType& w = *in[1];
  ANTIPHON_RETURN_IF_ERROR(want_dtype(x, "x", DType::kF32));
  ANTIPHON_RETURN_IF_ERROR(want_rank(x, "x", 3));
  ANTIPHON_RETURN_IF_ERROR(want_rank(w, "w", 3));
  ANTIPHON_RETURN_IF_ERROR(want_weight(w, at(in, 2), "w", "w_scale"));
  ANTIPHON_RETURN_IF_ERROR(want_input_quantizer(node, w));
  const std::int64_t stride = node.attrs.i("stride", 1), dilation = node.attrs.i("dilation", 1);
  const std::int64_t groups = node.attrs.i("groups", 1);
  const std::int64_t left = node.attrs.i("pad_left"), right = node.attrs.i("pad_right");
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "stride", stride, 1, kMaxStep));
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "dilation", dilation, 1, kMaxStep));
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "groups", groups, 1, kMaxStep));
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "pad_left", left, 0, kMaxStep));
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "pad_right", right, 0, kMaxStep));
  ANTIPHON_RETURN_IF_ERROR(want_extent(x.shape[1], "channels of x", dim_times(w.shape[1], groups)));
  if (w.shape[0].is_static() && w.shape[0].extent % groups != 0)
    return invalid_argument("groups: " + std::to_string(groups) + " does not divide the " +
                            dim_text(w.shape[0]) + " channels of w");
  if (!w.shape[2].is_static()) return invalid_argument("w: its width must be static");
  if (w.shape[2].extent < 1 || w.shape[2].extent > kMaxStep)
    return invalid_argument("w: width " + dim_text(w.shape[2]));
  const std::int64_t span = (w.shape[2].extent - 1) * dilation + 1;
  const Dim padded = dim_plus(x.shape[2], left + right);
  if (padded.is_static() && padded.extent < span)
    return invalid_argument("x: " + dim_text(padded) + " steps with padding, the window needs " +
                            std::to_string(span));
  Shape out = {x.shape[0], w.shape[0], dim_windows(padded, span, stride)};
  ANTIPHON_RETURN_IF_ERROR(want_epilogue(node, in, w.shape[0], out));
  return one(DType::kF32, std::move(out));
}

Types matmul_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "a"));
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 1, "b"));
  const char* names[] = {"a", "b"};
  Shape batch[2];
  Dim rows[2], columns[2];
  const DType dtype = in[0]->dtype == DType::kI32 ? DType::kI32 : DType::kF32;
  for (std::size_t i = 0; i < 2; ++i) {
    ANTIPHON_RETURN_IF_ERROR(want_dtype(*in[i], names[i], dtype));
    ANTIPHON_RETURN_IF_ERROR(want_min_rank(*in[i], names[i], 2));
    const Shape& shape = in[i]->shape;
    batch[i] = Shape(shape.begin(), shape.end() - 2);
    const bool transposed = node.attrs.i(i == 0 ? "transpose_a" : "transpose_b") != 0;
    rows[i] = shape[shape.size() - (transposed ? 1 : 2)];
    columns[i] = shape[shape.size() - (transposed ? 2 : 1)];
  }
  ANTIPHON_RETURN_IF_ERROR(want_extent(rows[1], "inner extent of b", columns[0]));
  ANTIPHON_ASSIGN_OR_RETURN(Shape out, broadcast(batch[0], batch[1]));
  out.push_back(rows[0]);
  out.push_back(columns[1]);
  return one(dtype, std::move(out));
}

Types embedding_rule(const Node&, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "ids"));
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 1, "table"));
  ANTIPHON_RETURN_IF_ERROR(want_dtype(*in[0], "ids", DType::kI32));
  ANTIPHON_RETURN_IF_ERROR(want_rank(*in[1], "table", 2));
  ANTIPHON_RETURN_IF_ERROR(want_weight(*in[1], at(in, 2), "table", "table_scale"));
  Shape out = in[0]->shape;
  out.push_back(in[1]->shape[1]);
  return one(DType::kF32, std::move(out));
}

namespace {

// The same for every query, [B, keys], one row a query, [B, queries, keys], or one a head too,
// [B, heads, queries, keys] of which any axis may be 1. With attr masked_rows = 1 a query all of
// whose keys are at -inf gives zeros.
Status want_mask(const ValueType* mask, const Dim& batch, std::int64_t heads, const Dim& queries,
                 const Dim& keys) {
  if (!mask) return {};
  ANTIPHON_RETURN_IF_ERROR(want_dtype(*mask, "mask_bias", DType::kF32));
  if (mask->shape.size() == 4) {
    Shape wanted = {batch, Dim(heads), queries, keys};
    for (std::size_t i = 0; i < 4; ++i)
      if (mask->shape[i] == Dim(1)) wanted[i] = Dim(1);
    return want_shape(*mask, "mask_bias", wanted);
  }
  if (mask->shape.size() == 3) return want_shape(*mask, "mask_bias", {batch, queries, keys});
  return want_shape(*mask, "mask_bias", {batch, keys});
}

Types packed_attention(In in, std::int64_t heads) {
  ANTIPHON_RETURN_IF_ERROR(want_dtype(*in[0], "qkv", DType::kF32));
  ANTIPHON_RETURN_IF_ERROR(want_rank(*in[0], "qkv", 3));
  if (at(in, 1) || at(in, 2)) return invalid_argument("k, v: given beside packed qkv");
  Shape out = in[0]->shape;
  if (!out[2].is_static() || out[2].extent % (3 * heads) != 0)
    return invalid_argument("qkv: wanted a last axis of 3 x heads x d with " +
                            std::to_string(heads) + " heads, got " + shape_text(out));
  out[2] = Dim(out[2].extent / 3);
  ANTIPHON_RETURN_IF_ERROR(want_mask(at(in, 3), out[0], heads, out[1], out[1]));
  return one(DType::kF32, std::move(out));
}

struct HeadShape {
  Dim batch, steps, width;  // width: of one head, a number
};

// [B, T, heads * d], or by head, [B, heads, T, d].
Result<HeadShape> head_shape(In in, std::size_t i, const char* name, std::int64_t heads) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, i, name));
  ANTIPHON_RETURN_IF_ERROR(want_dtype(*in[i], name, DType::kF32));
  const Shape& x = in[i]->shape;
  if (x.size() == 4 && x[1] == Dim(heads) && x[3].is_static()) return HeadShape{x[0], x[2], x[3]};
  if (x.size() == 3 && x[2].is_static() && x[2].extent % heads == 0)
    return HeadShape{x[0], x[1], Dim(x[2].extent / heads)};
  return invalid_argument(std::string(name) + ": wanted [B, T, " + std::to_string(heads) +
                          " x d] or [B, " + std::to_string(heads) + ", T, d], got " +
                          shape_text(x));
}

}  // namespace

Types attention_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "q"));
  const std::int64_t heads = node.attrs.i("heads", 0);
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "heads", heads, 1, kMaxStep));
  // As many neighbouring heads of q read one of k and v.
  const std::int64_t kv_heads = node.attrs.i("kv_heads", heads);
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "kv_heads", kv_heads, 1, heads));
  if (heads % kv_heads != 0) return invalid_argument("kv_heads: wanted a divisor of heads");
  if (node.attrs.i("packed") != 0) {
    if (kv_heads != heads) return invalid_argument("kv_heads: given beside packed qkv");
    return packed_attention(in, heads);
  }
  ANTIPHON_ASSIGN_OR_RETURN(const HeadShape q, head_shape(in, 0, "q", heads));
  ANTIPHON_ASSIGN_OR_RETURN(const HeadShape k, head_shape(in, 1, "k", kv_heads));
  ANTIPHON_ASSIGN_OR_RETURN(const HeadShape v, head_shape(in, 2, "v", kv_heads));
  ANTIPHON_RETURN_IF_ERROR(want_extent(k.batch, "batch of k", q.batch));
  ANTIPHON_RETURN_IF_ERROR(want_extent(v.batch, "batch of v", q.batch));
  ANTIPHON_RETURN_IF_ERROR(want_extent(k.width, "width of a head of k", q.width));
  ANTIPHON_RETURN_IF_ERROR(want_extent(v.steps, "steps of v", k.steps));
  ANTIPHON_RETURN_IF_ERROR(want_mask(at(in, 3), q.batch, heads, q.steps, k.steps));
  return one(DType::kF32, {q.batch, q.steps, Dim(heads * v.width.extent)});
}

namespace {

// One scale for each step of `axis`, or [1] for all.
Status want_scale(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "x"));
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 1, "scale"));
  ANTIPHON_RETURN_IF_ERROR(want_dtype(*in[1], "scale", DType::kF32));
  ANTIPHON_RETURN_IF_ERROR(want_rank(*in[1], "scale", 1));
  if (in[1]->shape[0] == Dim(1)) return {};
  ANTIPHON_ASSIGN_OR_RETURN(const std::size_t axis, axis_of(node, in[0]->shape.size(), 0));
  return want_extent(in[1]->shape[0], "scale", in[0]->shape[axis]);
}

}  // namespace

Types dequantize_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_scale(node, in));
  const bool is_signed = in[0]->dtype != DType::kU8;
  if (is_signed) ANTIPHON_RETURN_IF_ERROR(want_dtype(*in[0], "x", DType::kI8));
  ANTIPHON_RETURN_IF_ERROR(
      want_range(node, "zero", node.attrs.i("zero"), is_signed ? -128 : 0, is_signed ? 127 : 255));
  return one(DType::kF32, in[0]->shape);
}

Types quantize_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_scale(node, in));
  ANTIPHON_RETURN_IF_ERROR(want_dtype(*in[0], "x", DType::kF32));
  const std::int64_t low = node.attrs.i("low", -127);
  if (low != 0) ANTIPHON_RETURN_IF_ERROR(want_range(node, "low", low, -128, -127));
  ANTIPHON_RETURN_IF_ERROR(
      want_range(node, "zero", node.attrs.i("zero"), low, low == 0 ? 255 : 127));
  return one(low == 0 ? DType::kU8 : DType::kI8, in[0]->shape);
}

}  // namespace antiphon::ir
