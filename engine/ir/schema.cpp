// The table of operator facts, in the order of OpKind, and the checks that hold for all of them.
#include "engine/ir/schema.h"

#include <algorithm>
#include <array>
#include <string>

#include "engine/ir/op_enums.h"
#include "engine/ir/schema_rules.h"

namespace antiphon::ir {
namespace {

constexpr int kAny = -1;

const std::array<Schema, kNumAllOpKinds>& table() {
  static const std::array<Schema, kNumAllOpKinds> kTable = {{
      {OpKind::kIdentity, "identity", 1, 1, 1, 1, {}, identity_rule},
      {OpKind::kUnary, "unary", 1, 1, 1, 1, {"op"}, unary_rule},
      {OpKind::kBinary, "binary", 2, 2, 1, 1, {"op"}, binary_rule},
      {OpKind::kClamp, "clamp", 1, 1, 1, 1, {"low", "high"}, clamp_rule},
      {OpKind::kWhere, "where", 3, 3, 1, 1, {}, where_rule},
      {OpKind::kPointwise, "pointwise", 1, kAny, 1, kAny, {"parts", "part_width"}, pointwise_rule},
      {OpKind::kLinear,
       "linear",
       2,
       5,
       1,
       1,
       {"act", "act2", "x_scale", "x_zero", "x_levels", "x_exact", "x_bytes"},
       linear_rule},
      {OpKind::kConv,
       "conv",
       2,
       5,
       1,
       1,
       {"stride", "dilation", "groups", "pad_left", "pad_right", "act", "act2", "x_scale", "x_zero",
        "x_levels", "x_exact"},
       conv_rule},
      {OpKind::kMatMul, "matmul", 2, 2, 1, 1, {"transpose_a", "transpose_b", "alpha"}, matmul_rule},
      {OpKind::kEmbedding, "embedding", 2, 3, 1, 1, {}, embedding_rule},
      {OpKind::kSoftmax, "softmax", 1, 1, 1, 1, {"axis"}, softmax_rule},
      {OpKind::kLogSoftmax, "log_softmax", 1, 1, 1, 1, {"axis"}, softmax_rule},
      {OpKind::kLayerNorm, "layer_norm", 2, 4, 1, 1, {"epsilon", "rms"}, layer_norm_rule},
      {OpKind::kReduce, "reduce", 1, 1, 1, 1, {"op", "axis", "keep_dim"}, reduce_rule},
      {OpKind::kCast, "cast", 1, 1, 1, 1, {"dtype"}, cast_rule},
      {OpKind::kTranspose, "transpose", 1, 1, 1, 1, {"order"}, transpose_rule},
      {OpKind::kReshape, "reshape", 1, 1, 1, 1, {"dims"}, reshape_rule},
      {OpKind::kSlice, "slice", 1, 1, 1, 1, {"axis", "begin", "end", "view"}, slice_rule},
      {OpKind::kConcat, "concat", 1, kAny, 1, 1, {"axis"}, concat_rule},
      {OpKind::kRepeat, "repeat", 1, 1, 1, 1, {"times", "axis"}, repeat_rule},
      {OpKind::kReverse, "reverse", 1, 1, 1, 1, {"axis"}, reverse_rule},
      {OpKind::kPad, "pad", 1, 1, 1, 1, {"axis", "before", "after", "value"}, pad_rule},
      {OpKind::kZeros, "zeros", 0, kAny, 1, 1, {"shape_text"}, zeros_rule},
      {OpKind::kAttention,
       "attention",
       1,
       4,
       1,
       1,
       {"heads", "kv_heads", "packed", "masked_rows", "scale"},
       attention_rule},
      {OpKind::kDequantize, "dequantize", 2, 2, 1, 1, {"axis", "zero"}, dequantize_rule},
      {OpKind::kQuantize, "quantize", 2, 2, 1, 1, {"axis", "zero", "low"}, quantize_rule},
      {OpKind::kLoop,
       "loop",
       0,
       kAny,
       1,
       kAny,
       {"num_carried", "num_scanned", "scan_axis", "trip_limit", "has_stop", "num_emitted",
        "reverse", "unread"},
       loop_rule},
      {OpKind::kCustom, "custom", 0, kAny, 1, kAny, {}, custom_rule},
      {kOpReshapeTo, "reshape_to", 1, kAny, 1, 1, {"extents"}, reshape_to_rule},
      {kOpExpand, "expand", 1, kAny, 1, 1, {"extents"}, expand_rule},
      {kOpExtents, "extents", 0, kAny, 1, 1, {"extents", "dtype", "scalar"}, extents_rule},
      {kOpStridedSlice, "strided_slice", 1, kAny, 1, 1, {"axis", "extents"}, strided_slice_rule},
      {kOpRange, "range", 0, kAny, 1, 1, {"extents", "dtype"}, range_rule},
      {kOpConvNd,
       "conv_nd",
       2,
       5,
       1,
       1,
       {"strides", "dilations", "pads", "groups", "act", "act2", "x_scale", "x_zero", "x_levels",
        "x_exact", "x_dynamic", "w_shift"},
       conv_nd_rule},
      {kOpConvTranspose,
       "conv_transpose",
       2,
       3,
       1,
       1,
       {"strides", "dilations", "pads", "output_padding", "groups", "x_scale", "x_zero",
        "x_levels"},
       conv_transpose_rule},
      {kOpPool,
       "pool",
       1,
       1,
       1,
       2,
       {"op", "kernel", "strides", "dilations", "pads", "ceil", "count_pad", "p", "column_major"},
       pool_rule},
      {kOpResample,
       "resample",
       1,
       kAny,
       1,
       1,
       {"axis", "mode", "grid", "round", "scale", "extents", "cubic", "exclude_outside",
        "antialias", "roi_begin", "roi_end", "outside"},
       resample_rule},
      {kOpGridSample,
       "grid_sample",
       2,
       2,
       1,
       1,
       {"mode", "padding", "align_corners"},
       grid_sample_rule},
      {kOpGather, "gather", 2, 2, 1, 1, {"axis"}, gather_rule},
      {kOpGatherNd, "gather_nd", 2, 2, 1, 1, {"batch_dims"}, gather_nd_rule},
      {kOpGatherElements, "gather_elements", 2, 2, 1, 1, {"axis"}, gather_elements_rule},
      {kOpScatterElements, "scatter_elements", 3, 3, 1, 1, {"axis", "op"}, scatter_elements_rule},
      {kOpScatterNd, "scatter_nd", 3, 3, 1, 1, {"op"}, scatter_nd_rule},
      {kOpTopK, "top_k", 1, kAny, 2, 2, {"axis", "extents", "largest"}, top_k_rule},
      {kOpCumSum, "cum_sum", 1, 1, 1, 1, {"axis", "exclusive", "reverse", "op"}, cum_sum_rule},
      {kOpTrilu, "trilu", 1, 1, 1, 1, {"upper", "k"}, trilu_rule},
      {kOpReverseSequence,
       "reverse_sequence",
       2,
       2,
       1,
       1,
       {"batch_axis", "time_axis"},
       reverse_sequence_rule},
      {kOpMath, "math", 1, 1, 1, 1, {"op", "format", "saturate"}, math_rule},
      {kOpMathBinary, "math_binary", 2, 2, 1, 1, {"op"}, math_binary_rule},
      {kOpConvLast,
       "conv_last",
       2,
       6,
       1,
       1,
       {"strides", "dilations", "pads", "groups", "act", "act2", "x_first", "y_begin", "y_width",
        "x_scale", "x_zero", "x_levels", "x_exact", "x_dynamic", "w_shift", "y_scale", "y_zero",
        "y_levels"},
       conv_last_rule},
      {kOpPoolLast,
       "pool_last",
       1,
       2,
       1,
       1,
       {"op", "kernel", "strides", "dilations", "pads", "ceil", "count_pad", "y_begin", "y_width"},
       pool_last_rule},
      {kOpConvTransposeLast,
       "conv_transpose_last",
       2,
       4,
       1,
       1,
       {"strides", "y_begin", "y_width", "x_scale", "x_zero", "x_levels", "y_scale", "y_zero",
        "y_levels"},
       conv_transpose_last_rule},
      {kOpPlace, "place", 1, 2, 1, 1, {"y_begin", "y_width"}, place_rule},
      {kOpRotary,
       "rotary",
       3,
       3,
       1,
       1,
       {"heads", "width", "interleaved", "steps_first", "by_head"},
       rotary_rule},
  }};
  return kTable;
}

Status check_arity(const char* what, std::size_t count, int low, int high) {
  if (count >= static_cast<std::size_t>(low) &&
      (high < 0 || count <= static_cast<std::size_t>(high)))
    return {};
  std::string wanted = std::to_string(low);
  if (high < 0)
    wanted += " or more";
  else if (high != low)
    wanted += " to " + std::to_string(high);
  return invalid_argument(std::string(what) + ": wanted " + wanted + ", got " +
                          std::to_string(count));
}

}  // namespace

const Schema& schema(OpKind op) { return table()[static_cast<std::size_t>(op)]; }

Result<std::vector<ValueType>> infer_outputs(const Node& node, In inputs) {
  const Schema& facts = schema(node.op);
  ANTIPHON_RETURN_IF_ERROR(
      check_arity("inputs", inputs.size(), facts.min_inputs, facts.max_inputs));
  ANTIPHON_RETURN_IF_ERROR(
      check_arity("outputs", node.outputs.size(), facts.min_outputs, facts.max_outputs));
  for (const auto& [name, value] : node.attrs.all()) {
    if (node.op == OpKind::kCustom) break;  // the plug-in's own
    const bool known = std::any_of(facts.attrs.begin(), facts.attrs.end(),
                                   [&said = name](const char* allowed) { return said == allowed; });
    if (!known) return invalid_argument("attribute " + name + " is not one of " + facts.name);
  }
  ANTIPHON_ASSIGN_OR_RETURN(auto types, facts.infer(node, inputs));
  if (types.size() != node.outputs.size())
    return invalid_argument("outputs: wanted " + std::to_string(types.size()) + ", got " +
                            std::to_string(node.outputs.size()));
  return types;
}

Status want_dtype(const ValueType& type, const char* field, DType wanted) {
  if (type.dtype == wanted) return {};
  return invalid_argument(std::string(field) + ": wanted " + std::string(dtype_name(wanted)) +
                          ", got " + std::string(dtype_name(type.dtype)));
}

Status want_rank(const ValueType& type, const char* field, std::size_t rank) {
  if (type.shape.size() == rank) return {};
  return invalid_argument(std::string(field) + ": wanted " + std::to_string(rank) + " axes, got " +
                          shape_text(type.shape));
}

Status want_min_rank(const ValueType& type, const char* field, std::size_t rank) {
  if (type.shape.size() >= rank) return {};
  return invalid_argument(std::string(field) + ": wanted " + std::to_string(rank) +
                          " axes or more, got " + shape_text(type.shape));
}

Status want_shape(const ValueType& type, const char* field, const Shape& wanted) {
  if (std::equal(type.shape.begin(), type.shape.end(), wanted.begin(), wanted.end(), compatible))
    return {};
  return invalid_argument(std::string(field) + ": wanted " + shape_text(wanted) + ", got " +
                          shape_text(type.shape));
}

Status want_extent(const Dim& dim, const char* field, const Dim& wanted) {
  if (compatible(dim, wanted)) return {};
  return invalid_argument(std::string(field) + ": wanted " + dim_text(wanted) + ", got " +
                          dim_text(dim));
}

Status want_range(const Node& node, const char* attr, std::int64_t value, std::int64_t low,
                  std::int64_t high) {
  if (value >= low && value <= high) return {};
  return invalid_argument("attribute " + std::string(attr) + " of " + schema(node.op).name +
                          ": wanted " + std::to_string(low) + " to " + std::to_string(high) +
                          ", got " + std::to_string(value));
}

Result<std::size_t> axis_of(const Node& node, std::size_t rank, std::int64_t fallback) {
  const std::int64_t axis = node.attrs.i("axis", fallback);
  const auto axes = static_cast<std::int64_t>(rank);
  if (axis < -axes || axis >= axes)
    return invalid_argument("axis: wanted one of " + std::to_string(rank) + " axes, got " +
                            std::to_string(axis));
  return static_cast<std::size_t>(axis < 0 ? axis + axes : axis);
}

Status want_present(In in, std::size_t index, const char* field) {
  return at(in, index) ? Status() : invalid_argument(std::string(field) + " is absent");
}

}  // namespace antiphon::ir
