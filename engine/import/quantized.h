// Quantised tensors among a node's inputs: how they become real numbers, and results bytes again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "engine/import/op.h"

namespace antiphon::onnx {

// The inputs of a node that hold a quantised tensor: values, scale, zero point (may be absent).
struct QuantizedInput {
  std::size_t values = 0, scale = 1, zero = 2;
};

// The same as values of the graph, which may be parts of inputs; zero may be invalid: none.
struct QuantizedValues {
  ValueRef values, scale, zero;
};
QuantizedValues quantized_values(Op& op, const QuantizedInput& x);

// Fails the node where the values are not bytes, the scale is missing or no real number, or the
// zero point is of another type.
void check_quantized(Op& op, const QuantizedInput& x);
// The same of an output's scale and zero point; its type.
void check_quantized_output(Op& op, std::size_t scale, std::size_t zero);
Element quantized_type(const Op& op, std::size_t zero);

// False where it is not known.
bool all_zero(const Known* known);

// (values - zero) * scale in f32; a list of scales lies along `axis`, each for a block of it where
// `block` is not 0. Constant bytes stay bytes behind a Dequantize where they fit without a zero
// point, other constants become f32.
ValueRef dequantized(Op& op, const QuantizedInput& x, std::int64_t axis, std::int64_t block = 0);
// The same of values that are weights: no pass looks for a Quantize before them.
ValueRef dequantized(Op& op, const QuantizedValues& x, std::int64_t axis);

// round(x / scale) + zero within the limits of `type`, in its storage type. `y.values` is not read.
ValueRef quantized(Op& op, ValueRef x, const QuantizedInput& y, Element type, std::int64_t axis,
                   std::int64_t block = 0);

// The same with a scale and a zero point (invalid: none) that stand beside x, still in f32.
ValueRef quantized_real(Op& op, ValueRef x, ValueRef scale, ValueRef zero, Element type);

// A scale or zero point beside x: as it is, along `axis`, or each for a block of it.
ValueRef beside(Op& op, ValueRef v, ValueRef x, std::int64_t axis, std::int64_t block = 0);

// True: passes may make the pairs of this tensor part of the layers around them. One scale and one
// constant zero point of `type`, which is a byte, outside of loops.
bool has_pair_form(Op& op, Element type, std::size_t scale, std::size_t zero);

// Constant weights as signed bytes: w = (bytes + shift) * scale, with a shift for each step of an
// axis, 0 wherever the bytes fit without.
struct ByteWeights {
  ValueRef scaled;  // bytes * scale: a Dequantize of constants
  ValueRef shifts;  // shift * scale, f32 [extent of the axis]; invalid: all are 0
};
// Nothing: something of them is not constant, or there is neither one scale nor a list along
// `axis`, 0 or 1.
std::optional<ByteWeights> byte_weights(Op& op, const QuantizedValues& w, std::int64_t axis);

// Weights of a convolution, w [O, C, ...]: constant ones of one zero point as a Dequantize of
// signed bytes, which may have a zero point of its own, others as dequantized() gives them.
ValueRef filters(Op& op, const QuantizedValues& w);

// a w in f32 of constant weights [K, N], or [N, K] where they are `turned`: a layer on their bytes.
// Invalid: they are no such weights. `a_bytes`: a kernel may round a to bytes, as the model does.
ValueRef byte_product(Op& op, ValueRef a, const QuantizedValues& w, bool turned,
                      bool a_bytes = false);

// The type in which sums of so many products of bytes less their zero points are exact: f32, whose
// products are faster, or i32.
DType exact_type(const Whole& terms);

}  // namespace antiphon::onnx
