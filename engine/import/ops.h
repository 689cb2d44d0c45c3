// The operators' functions, by the file that holds them. op_table.cpp gives each its name.
#pragma once

#include <cstdint>

#include "engine/import/whole.h"

namespace antiphon::onnx {

class Op;

// A convolution by the node's attributes; bias may be invalid.
// dynamic: a kernel of windows over two axes or three may round x to bytes of its own range.
ValueRef convolution(Op& op, ValueRef x, ValueRef weights, ValueRef bias, bool dynamic = false);
// The average over windows, and over all of each channel, or its maximum, by the node's attributes.
ValueRef average_pool(Op& op, ValueRef x);
ValueRef global_pool(Op& op, ValueRef x);
// x [B, S, heads * d] or [B, heads, S, d] turned by position ids [S] or [B, S], or invalid where
// cos and sin are [B, S, w / 2] themselves; `by_head`: the result is [B, heads, S, d].
struct Rotation {
  ValueRef cos, sin, positions;
  std::int64_t heads = 1, width = 0;  // width: 0, all of a head
  bool interleaved = false, by_head = false;
  const char* name = "input (input 0)";  // of x, in errors
};
ValueRef rotated(Op& op, ValueRef x, const Rotation& by);
// By the attribute alpha.
ValueRef leaky_relu(Op& op, ValueRef x);
// By the attribute axis, as `opset` has it; its logarithm for LogSoftmax.
ValueRef softmax(Op& op, ValueRef x, std::int64_t opset);
// GELU by a tanh.
ValueRef tanh_gelu(Op& op, ValueRef x);
// x / sqrt(mean(x^2) + epsilon) * gamma along the axes from `axis` on: a layer where gamma spans
// just them.
ValueRef rms_norm(Op& op, ValueRef x, ValueRef gamma, std::int64_t axis, double epsilon);
// alpha a b; b [..., K, N], or [..., N, K] where it is transposed. A layer where b is constant;
// `a_bytes`: whose kernel may round a to bytes, as the model does.
ValueRef product(Op& op, ValueRef a, ValueRef b, bool transpose_b = false, double alpha = 1,
                 bool a_bytes = false);
// NumPy's matmul: vectors are rows on the left, columns on the right. Whole numbers give i32.
ValueRef matmul(Op& op, ValueRef a, ValueRef b);

// ops_pointwise.cpp
void lower_unary(Op&), lower_math(Op&), lower_arithmetic(Op&), lower_variadic(Op&);
void lower_compare(Op&), lower_logic(Op&), lower_not(Op&), lower_pow(Op&), lower_mod(Op&);
void lower_bits(Op&), lower_where(Op&), lower_is_nan(Op&), lower_is_inf(Op&);
// ops_cast.cpp
void lower_cast(Op&), lower_cast_like(Op&), lower_identity(Op&), lower_dropout(Op&);
void lower_constant(Op&), lower_clip(Op&);
// ops_activation.cpp
void lower_relu(Op&), lower_leaky_relu(Op&), lower_prelu(Op&), lower_elu(Op&), lower_selu(Op&);
void lower_celu(Op&), lower_thresholded_relu(Op&), lower_hard_sigmoid(Op&), lower_hard_swish(Op&);
void lower_mish(Op&), lower_softplus(Op&), lower_softsign(Op&), lower_swish(Op&);
void lower_gelu(Op&), lower_shrink(Op&), lower_softmax(Op&), lower_hardmax(Op&);
// ops_reduce.cpp
void lower_reduce(Op&), lower_arg_max(Op&), lower_cum_sum(Op&), lower_top_k(Op&);
void lower_global_pool(Op&), lower_global_lp_pool(Op&);
// ops_dense.cpp
void lower_matmul(Op&), lower_gemm(Op&), lower_einsum(Op&), lower_fused_matmul(Op&);
// ops_conv.cpp
void lower_conv(Op&), lower_conv_transpose(Op&);
void lower_max_pool(Op&), lower_average_pool(Op&), lower_lp_pool(Op&), lower_max_unpool(Op&);
void lower_lrn(Op&);
// ops_norm.cpp
void lower_batch_norm(Op&), lower_layer_norm(Op&), lower_instance_norm(Op&);
void lower_group_norm(Op&), lower_rms_norm(Op&), lower_lp_norm(Op&), lower_mean_variance_norm(Op&);
// ops_shape.cpp
void lower_shape(Op&), lower_size(Op&), lower_reshape(Op&), lower_flatten(Op&);
void lower_squeeze(Op&), lower_unsqueeze(Op&), lower_transpose(Op&), lower_expand(Op&);
void lower_constant_of_shape(Op&), lower_range(Op&), lower_eye_like(Op&);
// ops_move.cpp
void lower_concat(Op&), lower_split(Op&), lower_slice(Op&), lower_tile(Op&), lower_pad(Op&);
void lower_depth_to_space(Op&), lower_space_to_depth(Op&), lower_trilu(Op&);
void lower_reverse_sequence(Op&), lower_center_crop_pad(Op&);
// ops_index.cpp
void lower_gather(Op&), lower_gather_nd(Op&), lower_gather_elements(Op&);
void lower_scatter_elements(Op&), lower_scatter_nd(Op&), lower_one_hot(Op&), lower_compress(Op&);
// ops_resize.cpp
void lower_resize(Op&), lower_upsample(Op&), lower_grid_sample(Op&);
// ops_quantize.cpp
void lower_quantize(Op&), lower_dequantize(Op&), lower_dynamic_quantize(Op&);
void lower_dynamic_quantize_matmul(Op&), lower_matmul_integer_to_float(Op&);
// ops_integer.cpp
void lower_matmul_integer(Op&), lower_conv_integer(Op&), lower_dynamic_conv(Op&);
// ops_qlinear.cpp
void lower_qlinear_matmul(Op&), lower_qlinear_conv(Op&), lower_qgemm(Op&);
void lower_qlinear_binary(Op&), lower_qlinear_unary(Op&), lower_qlinear_concat(Op&);
void lower_qlinear_where(Op&);
// ops_recurrent.cpp
void lower_lstm(Op&), lower_gru(Op&), lower_rnn(Op&), lower_dynamic_quantize_lstm(Op&);
// ops_transformer.cpp
void lower_skip_layer_norm(Op&), lower_skip_simplified_layer_norm(Op&);
void lower_embed_layer_norm(Op&), lower_qembed_layer_norm(Op&), lower_bias_gelu(Op&);
void lower_fast_gelu(Op&), lower_quick_gelu(Op&), lower_bias_split_gelu(Op&);
// ops_attention.cpp
void lower_attention(Op&), lower_qattention(Op&), lower_multi_head_attention(Op&);
// ops_rotary.cpp
void lower_rotary(Op&), lower_microsoft_rotary(Op&);
// ops_grouped.cpp
void lower_group_query_attention(Op&);
// ops_control.cpp
void lower_if(Op&), lower_loop(Op&), lower_scan(Op&);
// ops_sequence.cpp
void lower_sequence_construct(Op&), lower_sequence_empty(Op&), lower_sequence_at(Op&);
void lower_sequence_length(Op&), lower_sequence_insert(Op&), lower_sequence_erase(Op&);
void lower_split_to_sequence(Op&), lower_concat_from_sequence(Op&), lower_sequence_map(Op&);
void lower_optional(Op&), lower_optional_has_element(Op&), lower_optional_get_element(Op&);

}  // namespace antiphon::onnx
