// Look-ups, scatters, sorting, running sums, extents and the rarer functions against the reference.
#include <gtest/gtest.h>

#include "engine/ir/op_enums.h"
#include "engine/ir/small_float.h"
#include "tests/unit/engine/kernels/kernel_harness.h"

namespace antiphon::test {
namespace {

using ir::OpKind;
using Dims = std::vector<std::int64_t>;

KernelCase exact(ir::Node node, std::vector<std::optional<RefTensor>> inputs) {
  return {.node = std::move(node), .inputs = std::move(inputs), .constant = {}, .bounds = {}};
}

const DType kTypes[] = {DType::kF32, DType::kI64, DType::kU8};

TEST(GatherKernels, AlongEveryAxis) {
  for (const DType dtype : kTypes)
    for (const DType ids : {DType::kI32, DType::kI64})
      for (std::int64_t axis = -3; axis < 3; ++axis)
        for (const Dims& shape : {Dims{}, Dims{4}, Dims{2, 3}, Dims{0}})
          check_kernels(exact(
              node_of(ir::kOpGather, {{"axis", axis}}, 2),
              {random_whole({3, 4, 5}, 1, dtype, 0, 100), random_whole(shape, 2, ids, -3, 2)}));
}

TEST(GatherKernels, TuplesAndElements) {
  for (const std::int64_t batch : {0, 1})
    check_kernels(
        exact(node_of(ir::kOpGatherNd, {{"batch_dims", batch}}, 2),
              {random_ref({3, 4, 5, 2}, 1), random_whole({3, 2, 2}, 2, DType::kI64, -3, 2)}));
  for (std::int64_t axis = -2; axis < 2; ++axis)
    check_kernels(exact(node_of(ir::kOpGatherElements, {{"axis", axis}}, 2),
                        {random_ref({4, 5}, 1), random_whole({3, 4}, 2, DType::kI32, -4, 3)}));
}

TEST(ScatterKernels, EveryReduction) {
  for (const DType dtype : {DType::kF32, DType::kI32})
    for (std::int64_t op = 0; op <= 4; ++op) {
      check_kernels(
          exact(node_of(ir::kOpScatterElements, {{"axis", std::int64_t{1}}, {"op", op}}, 3),
                {random_whole({4, 5}, 1, dtype, -9, 9), random_whole({4, 3}, 2, DType::kI64, -5, 4),
                 random_whole({4, 3}, 3, dtype, -9, 9)}));
      check_kernels(exact(
          node_of(ir::kOpScatterNd, {{"op", op}}, 3),
          {random_whole({4, 5, 2}, 1, dtype, -9, 9), random_whole({3, 2}, 2, DType::kI64, -4, 3),
           random_whole({3, 2}, 3, dtype, -9, 9)}));
    }
}

TEST(TopKKernels, LargestAndSmallest) {
  for (const DType dtype : kTypes)
    for (const std::int64_t largest : {0, 1})
      for (std::int64_t axis = -1; axis < 2; ++axis)
        check_kernels(exact(
            node_of(ir::kOpTopK, {{"axis", axis}, {"largest", largest}, {"extents", "3"}}, 1, 2),
            {random_whole({4, 6}, 1, dtype, 0, 5)}));  // with equal ones
}

TEST(CumSumKernels, BothEndsSumsAndProducts) {
  for (const DType dtype : {DType::kF32, DType::kI32, DType::kI64})
    for (std::int64_t bits = 0; bits < 8; ++bits)
      for (std::int64_t axis = 0; axis < 3; ++axis)
        check_kernels(exact(node_of(ir::kOpCumSum, {{"axis", axis},
                                                    {"exclusive", bits & 1},
                                                    {"reverse", bits >> 1 & 1},
                                                    {"op", bits >> 2}}),
                            {random_whole({2, 5, 3}, 1, dtype, -3, 3)}));
}

TEST(TriluKernels, DiagonalsInsideAndOutside) {
  for (const DType dtype : kTypes)
    for (const std::int64_t upper : {0, 1})
      for (const std::int64_t k : {-9, -2, 0, 1, 3, 9})
        for (const Dims& dims : {Dims{4, 5}, Dims{2, 5, 3}, Dims{0, 3}})
          check_kernels(exact(node_of(ir::kOpTrilu, {{"upper", upper}, {"k", k}}),
                              {random_whole(dims, 1, dtype, 1, 9)}));
}

TEST(ReverseSequenceKernels, BothLayouts) {
  for (const std::int64_t batch : {0, 1})
    check_kernels(
        exact(node_of(ir::kOpReverseSequence, {{"batch_axis", batch}, {"time_axis", 1 - batch}}, 2),
              {random_ref({5, 5, 2}, 1), random_whole({5}, 2, DType::kI64, 0, 5)}));
}

TEST(ExtentKernels, NumbersRangesAndShapes) {
  const RefTensor x = random_ref({2, 3, 4}, 1);
  for (const DType dtype : {DType::kI64, DType::kI32, DType::kF32}) {
    const auto code = static_cast<std::int64_t>(dtype);
    check_kernels(exact(
        node_of(ir::kOpExtents, {{"extents", "0:0,0:1 2 * 1 -,7 0:2 %"}, {"dtype", code}}), {x}));
    check_kernels(
        exact(node_of(ir::kOpRange, {{"extents", "3,0:1 0:2 <,0:0"}, {"dtype", code}}), {x}));
  }
  check_kernels(exact(node_of(ir::kOpExpand, {{"extents", "0:1,0:0,0:1,0:2"}}), {x}));
  for (const DType dtype : kTypes)
    check_kernels(exact(node_of(ir::kOpExpand, {{"extents", "5,1,7"}}),
                        {random_whole({5, 3, 1}, 1, dtype, 0, 9)}));
}

TEST(StridedSliceKernels, ClampsAsNumPyDoes) {
  for (const DType dtype : kTypes)
    for (const char* range : {"0,9,2", "-2,100,1", "9,-100,-1", "4,0,-2", "3,3,1", "5,2,1",
                              "-100,0:1,3", "-1,-6,-1", "0:1 1 -,0,-1"})
      for (const std::int64_t axis : {0, 1})
        check_kernels(exact(node_of(ir::kOpStridedSlice, {{"axis", axis}, {"extents", range}}),
                            {random_whole({5, 6}, 1, dtype, 0, 99)}));
}

TEST(ReduceKernels, EveryReductionOfEveryType) {
  for (const DType dtype : {DType::kF32, DType::kI32, DType::kI64})
    for (std::int64_t op = 0; op <= static_cast<int>(ir::kReduceArgMin); ++op)
      for (std::int64_t axis = -1; axis < 3; ++axis) {
        KernelCase c = exact(node_of(OpKind::kReduce, {{"op", op}, {"axis", axis}}),
                             {random_whole({3, 5, 4}, 1, dtype, -4, 4)});
        c.relative = dtype == DType::kF32 ? 1e-6 : 0;
        check_kernels(c);
      }
}

TEST(MatMulKernels, WholeNumbersAreExact) {
  for (const std::int64_t ta : {0, 1})
    for (const std::int64_t tb : {0, 1})
      check_kernels(
          exact(node_of(OpKind::kMatMul, {{"transpose_a", ta}, {"transpose_b", tb}}, 2),
                {random_whole(ta ? Dims{2, 1, 7, 5} : Dims{2, 1, 5, 7}, 1, DType::kI32, -255, 255),
                 random_whole(tb ? Dims{3, 4, 7} : Dims{3, 7, 4}, 2, DType::kI32, -255, 255)}));
}

TEST(MathKernels, FunctionsOfOneNumber) {
  for (std::int64_t op = 0; op < static_cast<int>(ir::Math::kBitNot); ++op) {
    const auto math = static_cast<ir::Math>(op);
    if (math == ir::Math::kRoundFloat) continue;
    const bool acosh = math == ir::Math::kAcosh;
    KernelCase c = exact(node_of(ir::kOpMath, {{"op", op}}),
                         {random_ref({3, 700}, 1, acosh ? 1 : -0.99, acosh ? 9 : 0.99)});
    c.absolute = c.relative = 1e-6;
    check_kernels(c);
  }
  for (const DType dtype : {DType::kI8, DType::kU8, DType::kI32, DType::kI64})
    for (const ir::Math op : {ir::Math::kSign, ir::Math::kBitNot})
      check_kernels(exact(node_of(ir::kOpMath, {{"op", static_cast<std::int64_t>(op)}}),
                          {random_whole({9}, 1, dtype, dtype == DType::kU8 ? 0 : -9, 9)}));
}

TEST(MathKernels, RoundsToSmallFormats) {
  for (std::int64_t format = 0; format < ir::kNumSmallFloats; ++format)
    for (const double reach : {4.0, 1e-2})
      check_kernels(
          exact(node_of(ir::kOpMath, {{"op", static_cast<std::int64_t>(ir::Math::kRoundFloat)},
                                      {"format", format},
                                      {"saturate", std::int64_t{1}}}),
                {random_ref({60}, 1, -reach, reach)}));
}

TEST(MathKernels, FunctionsOfTwoNumbers) {
  for (std::int64_t op = 0; op <= static_cast<int>(ir::MathBinary::kShiftRight); ++op) {
    const bool remainder = op <= static_cast<int>(ir::MathBinary::kFmod);
    const DType dtype = remainder ? DType::kI32 : DType::kU8;
    check_kernels(exact(node_of(ir::kOpMathBinary, {{"op", op}}, 2),
                        {random_whole({3, 8}, 1, dtype, remainder ? -20 : 0, 100),
                         random_whole({8}, 2, dtype, 1, 7)}));
    if (!remainder) continue;
    KernelCase real = exact(node_of(ir::kOpMathBinary, {{"op", op}}, 2),
                            {random_ref({3, 8}, 1, -20, 20), random_ref({8}, 2, 0.5, 3)});
    real.absolute = 4e-6;  // the sign correction adds b once, rounded
    check_kernels(real);
  }
}

}  // namespace
}  // namespace antiphon::test
