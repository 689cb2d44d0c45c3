// The operators of the reference interpreter. Private to it.
#pragma once

#include <vector>

#include "tests/support/reference_interpreter.h"

namespace antiphon::test {

using Ins = std::vector<const RefTensor*>;
using Outs = Result<std::vector<RefTensor>>;

inline const RefTensor* at(const Ins& in, std::size_t i) { return i < in.size() ? in[i] : nullptr; }
std::vector<RefTensor> only(RefTensor tensor);
std::vector<std::int64_t> broadcast_dims(const std::vector<std::int64_t>& a,
                                         const std::vector<std::int64_t>& b);
// The element of `t` at the position `index` (row-major number in `dims`), `t` broadcast to `dims`.
double broadcast_at(const RefTensor& t, const std::vector<std::int64_t>& dims, std::int64_t index);
// dims as [before, extent of axis, after].
struct AxisSplit {
  std::int64_t before = 1, extent = 1, after = 1;
};
AxisSplit split_at(const std::vector<std::int64_t>& dims, std::int64_t axis);
// What a node with an input quantiser takes its input for; else the input.
RefTensor quantized_input(const ir::Node& node, const RefTensor& x, bool dynamic = false);
// f32 weights, or i8 times the scale of the row.
double weight_at(const RefTensor& w, const RefTensor* scale, std::int64_t row, std::int64_t offset);
double apply_unary(Unary op, double x);
double apply_binary(Binary op, double a, double b, DType dtype);

Outs ref_unary(const ir::Node&, const Ins&);
Outs ref_binary(const ir::Node&, const Ins&);
Outs ref_clamp(const ir::Node&, const Ins&);
Outs ref_where(const ir::Node&, const Ins&);
Outs ref_pointwise(const ir::Node&, const Ins&);
Outs ref_cast(const ir::Node&, const Ins&);
Outs ref_softmax(const ir::Node&, const Ins&);
Outs ref_layer_norm(const ir::Node&, const Ins&);
Outs ref_reduce(const ir::Node&, const Ins&);
Outs ref_linear(const ir::Node&, const Ins&);
Outs ref_conv(const ir::Node&, const Ins&);
Outs ref_matmul(const ir::Node&, const Ins&);
Outs ref_embedding(const ir::Node&, const Ins&);
Outs ref_attention(const ir::Node&, const Ins&);
Outs ref_dequantize(const ir::Node&, const Ins&);
Outs ref_quantize(const ir::Node&, const Ins&);
Outs ref_transpose(const ir::Node&, const Ins&);
Outs ref_reshape(const ir::Node&, const Ins&);
Outs ref_slice(const ir::Node&, const Ins&);
Outs ref_concat(const ir::Node&, const Ins&);
Outs ref_repeat(const ir::Node&, const Ins&);
Outs ref_reverse(const ir::Node&, const Ins&);
Outs ref_pad(const ir::Node&, const Ins&);
Outs ref_zeros(const ir::Node&, const Ins&);
Outs ref_loop(const ir::Node&, const Ins&);
Outs ref_reshape_to(const ir::Node&, const Ins&);
Outs ref_expand(const ir::Node&, const Ins&);
Outs ref_extents(const ir::Node&, const Ins&);
Outs ref_strided_slice(const ir::Node&, const Ins&);
Outs ref_range(const ir::Node&, const Ins&);
Outs ref_conv_nd(const ir::Node&, const Ins&);
Outs ref_conv_last(const ir::Node&, const Ins&);
Outs ref_pool_last(const ir::Node&, const Ins&);
Outs ref_conv_transpose_last(const ir::Node&, const Ins&);
Outs ref_place(const ir::Node&, const Ins&);
Outs ref_rotary(const ir::Node&, const Ins&);
Outs ref_conv_transpose(const ir::Node&, const Ins&);
Outs ref_pool(const ir::Node&, const Ins&);
Outs ref_resample(const ir::Node&, const Ins&);
Outs ref_grid_sample(const ir::Node&, const Ins&);
Outs ref_gather(const ir::Node&, const Ins&);
Outs ref_gather_nd(const ir::Node&, const Ins&);
Outs ref_gather_elements(const ir::Node&, const Ins&);
Outs ref_scatter_elements(const ir::Node&, const Ins&);
Outs ref_scatter_nd(const ir::Node&, const Ins&);
Outs ref_top_k(const ir::Node&, const Ins&);
Outs ref_cum_sum(const ir::Node&, const Ins&);
Outs ref_trilu(const ir::Node&, const Ins&);
Outs ref_reverse_sequence(const ir::Node&, const Ins&);
Outs ref_math(const ir::Node&, const Ins&);
Outs ref_math_binary(const ir::Node&, const Ins&);

}  // namespace antiphon::test
