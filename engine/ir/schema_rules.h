// What the shape rules share: checks of single fields, and the rules' names. Private to engine/ir.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/ir/dims.h"
#include "engine/ir/extents.h"
#include "engine/ir/schema.h"

namespace antiphon::ir {

using Types = Result<std::vector<ValueType>>;
using In = std::span<const ValueType* const>;

// The input at `index`, or null when it is absent or left off.
inline const ValueType* at(In in, std::size_t index) {
  return index < in.size() ? in[index] : nullptr;
}

// Each error names `field`, what was wanted and what was there.
Status want_dtype(const ValueType& type, const char* field, DType wanted);
Status want_rank(const ValueType& type, const char* field, std::size_t rank);
Status want_min_rank(const ValueType& type, const char* field, std::size_t rank);
Status want_shape(const ValueType& type, const char* field, const Shape& wanted);
Status want_extent(const Dim& dim, const char* field, const Dim& wanted);
Status want_range(const Node& node, const char* attr, std::int64_t value, std::int64_t low,
                  std::int64_t high);
// The axis counted from the front. The attribute's default is `fallback`.
Result<std::size_t> axis_of(const Node& node, std::size_t rank, std::int64_t fallback = -1);
// The input that must be there.
Status want_present(In in, std::size_t index, const char* field);

// The attribute `extents` of the node.
Result<std::vector<WholeNumber>> numbers_of(const Node& node, In in);
Result<Shape> extents_shape(const Node& node, In in);

// Attributes of the input's quantiser (input_quantizer.h), where there are any; they want weights
// of that type.
Status want_input_quantizer(const Node& node, const ValueType& w, DType weights = DType::kI8);

Types identity_rule(const Node& node, In in);
Types unary_rule(const Node& node, In in);
Types binary_rule(const Node& node, In in);
Types clamp_rule(const Node& node, In in);
Types where_rule(const Node& node, In in);
Types pointwise_rule(const Node& node, In in);
Types cast_rule(const Node& node, In in);
Types linear_rule(const Node& node, In in);
Types conv_rule(const Node& node, In in);
Types matmul_rule(const Node& node, In in);
Types embedding_rule(const Node& node, In in);
Types softmax_rule(const Node& node, In in);
Types layer_norm_rule(const Node& node, In in);
Types reduce_rule(const Node& node, In in);
Types attention_rule(const Node& node, In in);
Types rotary_rule(const Node& node, In in);
Types dequantize_rule(const Node& node, In in);
Types quantize_rule(const Node& node, In in);
Types transpose_rule(const Node& node, In in);
Types reshape_rule(const Node& node, In in);
Types slice_rule(const Node& node, In in);
Types concat_rule(const Node& node, In in);
Types repeat_rule(const Node& node, In in);
Types reverse_rule(const Node& node, In in);
Types pad_rule(const Node& node, In in);
Types zeros_rule(const Node& node, In in);
Types loop_rule(const Node& node, In in);
Types custom_rule(const Node& node, In in);
Types reshape_to_rule(const Node& node, In in);
Types expand_rule(const Node& node, In in);
Types extents_rule(const Node& node, In in);
Types strided_slice_rule(const Node& node, In in);
Types range_rule(const Node& node, In in);
Types conv_nd_rule(const Node& node, In in);
Types conv_transpose_rule(const Node& node, In in);
Types pool_rule(const Node& node, In in);
Types conv_last_rule(const Node& node, In in);
Types pool_last_rule(const Node& node, In in);
Types conv_transpose_last_rule(const Node& node, In in);
Types place_rule(const Node& node, In in);
Types resample_rule(const Node& node, In in);
Types grid_sample_rule(const Node& node, In in);
Types gather_rule(const Node& node, In in);
Types gather_nd_rule(const Node& node, In in);
Types gather_elements_rule(const Node& node, In in);
Types scatter_elements_rule(const Node& node, In in);
Types scatter_nd_rule(const Node& node, In in);
Types top_k_rule(const Node& node, In in);
Types cum_sum_rule(const Node& node, In in);
Types trilu_rule(const Node& node, In in);
Types reverse_sequence_rule(const Node& node, In in);
Types math_rule(const Node& node, In in);
Types math_binary_rule(const Node& node, In in);

}  // namespace antiphon::ir
