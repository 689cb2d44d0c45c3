// The operators of imported networks, and the operations that they choose between.
#pragma once

#include <cstdint>

#include "engine/ir/graph.h"

namespace antiphon::ir {

// Operators that only imported networks use count on behind those of OpKind, in the order of the
// schema table.
constexpr OpKind imported_op(int index) { return static_cast<OpKind>(kNumOpKinds + index); }

// Extents at run time. `extents` is a list of expressions over the axes of the inputs (extents.h).
// x, [like...]; attr extents
constexpr OpKind kOpReshapeTo = imported_op(0);
// x, [like...]; attr extents: broadcast both ways
constexpr OpKind kOpExpand = imported_op(1);
// [like...]; attrs extents, dtype, scalar (0/1): the numbers as a tensor [n] or []
constexpr OpKind kOpExtents = imported_op(2);
// x, [like...]; attrs axis, extents: begin, end, step; NumPy's clamping
constexpr OpKind kOpStridedSlice = imported_op(3);
// [like...]; attrs extents: start, count, step; dtype
constexpr OpKind kOpRange = imported_op(4);

// Convolution and its kin over 1 to 3 spatial axes; lists have one number an axis.
// x [B, C, ...], w [O, C/g, ...], [w_scale [O]], [bias [O]], [residual]; f32 (w f32 or i8), or
//    i32 -> i32; attrs strides, dilations, pads (begins, then ends), groups; epilogue attrs, input
//    quantiser or x_dynamic and w_shift (input_quantizer.h)
constexpr OpKind kOpConvNd = imported_op(5);
// x [B, C, ...], w [C, O/g, ...], [bias [O]]; the same and output_padding
constexpr OpKind kOpConvTranspose = imported_op(6);
// x [B, C, ...]; attrs op (Pool), kernel, strides, dilations, pads, ceil, count_pad, p,
//    column_major; second output: i64 indices of the maxima
constexpr OpKind kOpPool = imported_op(7);
// x, [like...]; attrs axis, mode (Resample), grid (Grid), round, scale, extents, cubic,
//    exclude_outside, antialias, roi_begin, roi_end, outside
constexpr OpKind kOpResample = imported_op(8);
// x [B, C, ...], grid [B, ..., d]; attrs mode, padding (0 zeros, 1 border, 2 reflection),
//    align_corners
constexpr OpKind kOpGridSample = imported_op(9);

// Look-up by index; ids are i32 or i64, negative ones count from the end.
// x, ids; attr axis
constexpr OpKind kOpGather = imported_op(10);
// x, ids [..., k]; attr batch_dims
constexpr OpKind kOpGatherNd = imported_op(11);
// x, ids; attr axis
constexpr OpKind kOpGatherElements = imported_op(12);
// x, ids, updates; attrs axis, op (Scatter)
constexpr OpKind kOpScatterElements = imported_op(13);
// x, ids [..., k], updates; attr op (Scatter)
constexpr OpKind kOpScatterNd = imported_op(14);
// x; attrs axis, extents: k; largest -> values, i64 positions, sorted
constexpr OpKind kOpTopK = imported_op(15);
// x; attrs axis, exclusive, reverse, op (0 sum, 1 product)
constexpr OpKind kOpCumSum = imported_op(16);
// x [..., M, N]; attrs upper, k
constexpr OpKind kOpTrilu = imported_op(17);
// x, lengths [batch] i64 or i32; attrs batch_axis, time_axis
constexpr OpKind kOpReverseSequence = imported_op(18);
// x; attrs op (Math), format, saturate
constexpr OpKind kOpMath = imported_op(19);
// a, b; attr op (MathBinary); NumPy broadcasting
constexpr OpKind kOpMathBinary = imported_op(20);

// Two or three spatial axes with the channels last, made by channels_last. A result may be a part
// of a wider one: attrs y_begin, y_width say which channels, the others are `base`'s, or anything.
// Attrs y_scale, y_zero, y_levels: a result that is u8 (input_quantizer.h); x may be u8, of maxima
// too.
// x [B, (D,) H, W, C] (x_first = 1: [B, C, (D,) H, W]), w [O, C/g, (kd,) kh, kw],
//    [w_scale [O]], [bias [O]], [residual [B, (D',) H', W', O]], [base [B, (D',) H', W', y_width]];
//    attrs of kOpConvNd
constexpr OpKind kOpConvLast = imported_op(21);
// x [B, (D,) H, W, C], [base]; attrs op (kMax or kAverage), kernel, strides, dilations, pads, ceil,
//    count_pad
constexpr OpKind kOpPoolLast = imported_op(22);
// x [B, (D,) H, W, C], w [C, O, (kd,) kh, kw], [bias [O]], [base]; attr strides: windows that do
// not overlap
constexpr OpKind kOpConvTransposeLast = imported_op(23);
// x [..., C] f32 or u8, [base [..., y_width]]
constexpr OpKind kOpPlace = imported_op(24);

// Rotary position embeddings: of each head's first `width` elements (absent: of all) pairs are
// turned, (a, b) to (a cos - b sin, b cos + a sin). A pair is elements i and i + width / 2, or with
// interleaved = 1 neighbours.
// x [B, T, heads * d] or [B, heads, T, d], with steps_first = 1 [B, T, heads, d]; cos, sin
//    [T, w], [B or 1, T, w], or the same with an axis of 1 for the heads before or behind T; w is
//    width / 2, a number for each pair, or width, one for each element; attrs heads, width,
//    interleaved, steps_first, by_head (the result is [B, heads, T, d] of steps that come first)
constexpr OpKind kOpRotary = imported_op(25);
constexpr int kNumAllOpKinds = static_cast<int>(kOpRotary) + 1;

// Reductions that only they use, behind those of Reduce.
constexpr Reduce kReduceMin = static_cast<Reduce>(4), kReduceProd = static_cast<Reduce>(5);
constexpr Reduce kReduceArgMin = static_cast<Reduce>(6);
constexpr int kNumAllReduce = 7;

// The operations of kMath, kMathBinary, kPool, kResample and the scatters, as attribute "op".
enum class Math : std::uint8_t {
  kCeil,
  kRound /* half to even */,
  kSign,
  kTan,
  kAsin,
  kAcos,
  kAtan,
  kSinh,
  kCosh,
  kAsinh,
  kAcosh,
  kAtanh,
  kIsNan /* -> bool */,
  kRoundFloat /* to attr format (SmallFloat); attr saturate */,
  kBitNot
};
enum class MathBinary : std::uint8_t {
  kMod /* sign of b */,
  kFmod /* sign of a */,
  kBitAnd,
  kBitOr,
  kBitXor,
  kShiftLeft,
  kShiftRight
};
enum class Pool : std::uint8_t { kMax, kAverage, kLp };
enum class Scatter : std::uint8_t { kReplace, kAdd, kMul, kMax, kMin };
enum class Resample : std::uint8_t { kNearest, kLinear, kCubic };
// How a position of the output maps to one of the input.
enum class Grid : std::uint8_t {
  kHalfPixel,
  kPytorchHalfPixel,
  kAlignCorners,
  kAsymmetric,
  kCropAndResize,
  kHalfPixelSymmetric
};
// How kNearest rounds.
enum class NearestRound : std::uint8_t { kPreferFloor, kPreferCeil, kFloor, kCeil };

}  // namespace antiphon::ir
