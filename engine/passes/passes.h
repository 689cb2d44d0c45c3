// Every pass: one function, one file. True: it changed the graph. A pass looks at one graph; the
// pipeline runs it on loop bodies too. Graphs are valid before and after.
#pragma once

#include "engine/base/status.h"
#include "engine/ir/graph.h"

namespace antiphon::passes {

// Nodes that nothing reads.
Result<bool> eliminate_dead(ir::Graph& graph);
// Names for unknown extents, by which passes see which of them are the same; and no names again.
Result<bool> name_extents(ir::Graph& graph);
Result<bool> unname_extents(ir::Graph& graph);
// Nodes that hand on what they get: identity, whole slices, x * 1, x + 0, transposes in order.
Result<bool> eliminate_identity(ir::Graph& graph);
// Two nodes, or two constants, that are the same.
Result<bool> eliminate_common(ir::Graph& graph);
// Cheap nodes of constants alone, evaluated. Dequantize stays: see fold_dequantize.
Result<bool> fold_constants(ir::Graph& graph);
// The same, layers and their activations too: what a rolled recurrence leaves before its loop.
Result<bool> fold_layers(ir::Graph& graph);
// transpose(transpose(x)), reshape(reshape(x)).
Result<bool> cancel_transposes(ir::Graph& graph);
// A slice of a concat that lies within one part.
Result<bool> cancel_slices(ir::Graph& graph);
// Periods of an unrolled recurrence: a loop.
Result<bool> roll_recurrence(ir::Graph& graph);
// A concat of slices that follow each other: one slice.
Result<bool> join_slices(ir::Graph& graph);
// Dequantize goes before what only moves bytes, or takes maxima of them.
Result<bool> lift_dequantize(ir::Graph& graph);
// Precision int8: linear and conv between Dequantize nodes run on the bytes.
Result<bool> fold_quantize(ir::Graph& graph);
// int8 weights with scales go into linear, conv and embedding.
Result<bool> fold_dequantize(ir::Graph& graph);
// Dequantize of constants that is left: an f32 constant.
Result<bool> expand_dequantize(ir::Graph& graph);
// Precision f32: int8 weights of linear, conv and embedding become f32 constants.
Result<bool> expand_int8(ir::Graph& graph);
// x cos + turned(x) sin, of halves or neighbours of each head: one rotation.
Result<bool> fuse_rotary(ir::Graph& graph);
// Network::attention's operations: one attention node.
Result<bool> fuse_attention(ir::Graph& graph);
// q, k and v from one x: one product and packed attention.
Result<bool> fuse_qkv(ir::Graph& graph);
// Linears of one small x ([B, K]): one wide linear and slices of it. Goes into loops itself.
Result<bool> fuse_silu(ir::Graph& graph);
Result<bool> fuse_siblings(ir::Graph& graph);
// activation(x w) * (x v): one wide linear and its halves.
Result<bool> fuse_gates(ir::Graph& graph);
// layer_norm(a + b): the residual input.
Result<bool> fuse_layer_norm(ir::Graph& graph);
// A bias after a linear.
Result<bool> fuse_bias(ir::Graph& graph);
// reshape(linear(reshape(x))) where the leading axes of x were merged: a linear of x.
Result<bool> unmerge_rows(ir::Graph& graph);
// x / sqrt(mean(x * x) + epsilon) * gamma, in any order: one norm; a layer norm likewise.
Result<bool> fuse_norm(ir::Graph& graph);
// x * 0.5 * (1 + erf(x / sqrt(2))), in any order: one gelu.
Result<bool> fuse_gelu(ir::Graph& graph);
// Additions to all parts of a layer's result: one to the whole.
Result<bool> stack_adds(ir::Graph& graph);
// Products of a loop's sequences alone go before it.
Result<bool> hoist_products(ir::Graph& graph);
// Products with a sum of a loop's memory: made of the memory's rows, before the loop.
Result<bool> hoist_contexts(ir::Graph& graph);
// Loops say which of their final carried values nobody reads.
Result<bool> mark_unread(ir::Graph& graph);
// Bias, activation, residual and second activation after linear and conv.
Result<bool> fuse_epilogue(ir::Graph& graph);
// Convolutions over two axes, and what lies between them, with the channels last.
Result<bool> channels_last(ir::Graph& graph);
// Between convolutions on bytes values stay bytes.
Result<bool> keep_bytes(ir::Graph& graph);
// The same where Quantize nodes make the bytes, for residuals.
Result<bool> share_bytes(ir::Graph& graph);
// Point-wise nodes between Dequantize and Quantize: programs on bytes.
Result<bool> fuse_bytes(ir::Graph& graph);
// Convolutions and pools that write straight into the concat of their results.
Result<bool> place_concats(ir::Graph& graph);
// Slices that need no copy, as nothing but ones stand before their axis.
Result<bool> view_slices(ir::Graph& graph);
// Point-wise nodes of one shape that read each other: one program.
Result<bool> fuse_pointwise(ir::Graph& graph);
// Programs read columns of a value where they lie, without the slices between.
Result<bool> read_parts(ir::Graph& graph);

}  // namespace antiphon::passes
