// Softmax, layer norm, reduction, quantisation and casts from the table.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/engine/kernels/kernel_harness.h"

namespace antiphon::test {
namespace {

using ir::OpKind;
using Dims = std::vector<std::int64_t>;
constexpr double kEpsilon = 0x1p-23;

const Dims kShapes[] = {{1, 1},  {3, 7},  {2, 8},  {2, 9},     {5, 15},      {1, 16},
                        {4, 17}, {2, 31}, {3, 33}, {2, 3, 65}, {3, 40, 1001}};

TEST(SoftmaxKernels, EveryAxis) {
  for (const OpKind op : {OpKind::kSoftmax, OpKind::kLogSoftmax})
    for (const Dims& dims : kShapes)
      for (std::int64_t axis = -1; axis < static_cast<std::int64_t>(dims.size()) - 1; ++axis) {
        const auto cols =
            static_cast<double>(axis < 0 ? dims.back() : dims[static_cast<std::size_t>(axis)]);
        // 16: rounding of x - peak for |x| <= 8; cols: the sum. log_softmax: of values up to 24.
        KernelCase c{.node = node_of(op, {{"axis", axis}}),
                     .inputs = {random_ref(dims, 7, -8, 8)},
                     .constant = {},
                     .absolute = op == OpKind::kSoftmax ? 0 : 40 * kEpsilon + cols * kEpsilon,
                     .relative = (24 + cols) * kEpsilon,
                     .bounds = {}};
        check_kernels(c);
      }
}

TEST(LayerNormKernels, WithAndWithoutResidual) {
  for (const Dims& dims : kShapes)
    for (const bool residual : {false, true}) {
      const auto cols = static_cast<double>(dims.back());
      KernelCase c{.node = node_of(OpKind::kLayerNorm, {{"epsilon", 1e-3}}, 4),
                   .inputs = {},
                   .constant = {},
                   .bounds = {}};
      c.inputs = {random_ref(dims, 1, -2, 2), random_ref({dims.back()}, 2),
                  random_ref({dims.back()}, 3), std::nullopt};
      if (residual) c.inputs[3] = random_ref(dims, 4);
      // The mean is off by cols eps |x|; divided by the deviation, at least sqrt(epsilon) = 0.03.
      c.absolute = (8 + cols) * kEpsilon * 3 / 0.03;
      check_kernels(c);
    }
}

// By the root of the mean of squares, which has no beta.
TEST(LayerNormKernels, RootOfSquares) {
  for (const Dims& dims : kShapes)
    for (const bool residual : {false, true}) {
      const auto cols = static_cast<double>(dims.back());
      KernelCase c{
          .node = node_of(OpKind::kLayerNorm, {{"epsilon", 1e-3}, {"rms", std::int64_t{1}}}, 4),
          .inputs = {},
          .constant = {},
          .bounds = {}};
      c.inputs = {random_ref(dims, 1, -2, 2), random_ref({dims.back()}, 2), std::nullopt,
                  std::nullopt};
      if (residual) c.inputs[3] = random_ref(dims, 4);
      // A sum of squares is off by cols eps of itself, so its root by half of that; a sum x +
      // residual of numbers up to 3 by eps, and what it is divided by is at least 0.03.
      c.absolute = (8 + cols) * kEpsilon * 3 + (residual ? 3 * kEpsilon / 0.03 : 0);
      check_kernels(c);
    }
}

TEST(ReduceKernels, EveryOperationAndAxis) {
  for (std::int64_t op = 0; op <= static_cast<int>(Reduce::kArgMax); ++op)
    for (const Dims& dims : kShapes)
      for (std::int64_t axis = -1; axis < static_cast<std::int64_t>(dims.size()) - 1; ++axis)
        for (const std::int64_t keep : {0, 1}) {
          const auto cols =
              static_cast<double>(axis < 0 ? dims.back() : dims[static_cast<std::size_t>(axis)]);
          const bool adds = op <= static_cast<int>(Reduce::kMean);
          KernelCase c{
              .node = node_of(OpKind::kReduce, {{"op", op}, {"axis", axis}, {"keep_dim", keep}}),
              .inputs = {random_ref(dims, 9, -2, 2)},
              .constant = {},
              .absolute = adds ? kEpsilon * cols * cols * 2 : 0,
              .bounds = {}};
          check_kernels(c);
        }
}

TEST(QuantizeKernels, OneScaleAndOneAStep) {
  for (const Dims& dims : kShapes) {
    KernelCase c{.node = node_of(OpKind::kDequantize, {{"axis", std::int64_t{0}}}, 2),
                 .inputs = {},
                 .constant = {},
                 .relative = kEpsilon,
                 .bounds = {}};
    c.inputs = {random_whole(dims, 1, DType::kI8, -128, 127), random_ref({dims[0]}, 2, 0.01, 1)};
    check_kernels(c);
    c.node = node_of(OpKind::kQuantize, {{"axis", std::int64_t{1}}}, 2);
    // Powers of two: x / scale is exact, so that both sides see the same ties.
    c.inputs = {random_whole(dims, 1, DType::kF32, -300, 300), RefTensor{DType::kF32, {1}, {2.0}}};
    check_kernels(c);
    c.inputs[1] = RefTensor{
        DType::kF32, {dims[1]}, std::vector<double>(static_cast<std::size_t>(dims[1]), 4.0)};
    check_kernels(c);
  }
}

TEST(QuantizeKernels, ZeroPointsAndUnsignedBytes) {
  for (const Dims& dims : kShapes)
    for (const auto& [low, zero] : {std::pair(0, 0), {0, 255}, {0, 117}, {-128, -128}, {-128, 5}}) {
      const DType dtype = low == 0 ? DType::kU8 : DType::kI8;
      KernelCase c{.node = node_of(OpKind::kDequantize, {{"zero", std::int64_t{zero}}}, 2),
                   .inputs = {random_whole(dims, 1, dtype, low, low + 255),
                              random_ref({dims[0]}, 2, 0.01, 1)},
                   .constant = {},
                   .relative = kEpsilon,
                   .bounds = {}};
      check_kernels(c);
      c.node =
          node_of(OpKind::kQuantize, {{"low", std::int64_t{low}}, {"zero", std::int64_t{zero}}}, 2);
      c.inputs = {random_whole(dims, 1, DType::kF32, -700, 700),
                  RefTensor{DType::kF32, {1}, {2.0}}};
      check_kernels(c);
    }
}

TEST(CastKernels, BetweenAllTypes) {
  const DType types[] = {DType::kF32,  DType::kI32, DType::kI64,
                         DType::kBool, DType::kI8,  DType::kU8};
  for (const DType from : types)
    for (const DType to : types) {
      KernelCase c{.node = node_of(OpKind::kCast, {{"dtype", static_cast<std::int64_t>(to)}}),
                   .inputs = {random_whole({3, 11}, 1, from, 0, from == DType::kBool ? 1 : 100)},
                   .constant = {},
                   .bounds = {}};
      check_kernels(c);
    }
}

}  // namespace
}  // namespace antiphon::test
