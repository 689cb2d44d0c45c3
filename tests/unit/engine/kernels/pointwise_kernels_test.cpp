// Unary, binary, clamp, where and point-wise programs from the table.
#include <gtest/gtest.h>

#include "tests/unit/engine/kernels/kernel_harness.h"

namespace antiphon::test {
namespace {

using ir::OpKind;
using Dims = std::vector<std::int64_t>;

const Dims kShapes[] = {{0}, {1}, {7}, {8}, {9}, {15}, {16}, {17}, {3, 33}, {2, 0, 5}, {1, 20011}};

TEST(UnaryKernels, AllOperations) {
  for (std::int64_t op = 0; op <= static_cast<int>(Unary::kCos) + 1; ++op)
    for (const Dims& dims : kShapes) {
      KernelCase c{.node = node_of(OpKind::kUnary, {{"op", op}}),
                   .inputs = {},
                   .constant = {},
                   .absolute = 1e-6,
                   .relative = 1e-6,
                   .bounds = {}};
      const auto unary = static_cast<Unary>(op);
      const bool positive = unary == Unary::kLog || unary == Unary::kSqrt ||
                            unary == Unary::kRsqrt || unary == Unary::kReciprocal;
      c.inputs = {random_ref(dims, 3, positive ? 0.1 : -6, 6)};
      check_kernels(c);
    }
}

TEST(UnaryKernels, WholeNumbersAndTruth) {
  for (const Dims& dims : kShapes) {
    for (const Unary op : {Unary::kNeg, Unary::kAbs}) {
      KernelCase c{.node = node_of(OpKind::kUnary, {{"op", static_cast<std::int64_t>(op)}}),
                   .inputs = {random_whole(dims, 5, DType::kI32, -1000, 1000)},
                   .constant = {},
                   .bounds = {}};
      check_kernels(c);
    }
    KernelCase c{.node = node_of(OpKind::kUnary, {{"op", static_cast<std::int64_t>(Unary::kNot)}}),
                 .inputs = {random_whole(dims, 5, DType::kBool, 0, 1)},
                 .constant = {},
                 .bounds = {}};
    check_kernels(c);
  }
}

const std::pair<Dims, Dims> kPairs[] = {
    {{0}, {0}},       {{1}, {1}},          {{17}, {17}},          {{17}, {1}},
    {{}, {9}},        {{3, 8}, {8}},       {{3, 1}, {1, 9}},      {{2, 3, 33}, {3, 1}},
    {{2, 1, 5}, {1}}, {{4, 1, 6}, {3, 1}}, {{1, 1}, {2, 20, 31}}, {{5, 4096, 1}, {5, 1, 7}},
};

TEST(BinaryKernels, AllOperationsBroadcast) {
  for (std::int64_t op = 0; op <= static_cast<int>(Binary::kOr); ++op)
    for (const auto& [a, b] : kPairs) {
      if (op == static_cast<int>(Binary::kPow) && num_elements(a) > 10000) continue;
      const bool logic = op >= static_cast<int>(Binary::kAnd);
      KernelCase c{.node = node_of(OpKind::kBinary, {{"op", op}}, 2),
                   .inputs = {},
                   .constant = {},
                   .absolute = 1e-6,
                   .relative = 1e-6,
                   .bounds = {}};
      // Below 0 a power is NaN for any fraction; divisors stay away from 0.
      if (logic) {
        c.inputs = {random_whole(a, 1, DType::kBool, 0, 1), random_whole(b, 2, DType::kBool, 0, 1)};
      } else {
        c.inputs = {random_ref(a, 1, 0.25, 3), random_ref(b, 2, -3, -0.25)};
      }
      check_kernels(c);
      if (logic || op == static_cast<int>(Binary::kPow)) continue;
      c.inputs = {random_whole(a, 1, DType::kI32, -9, 9), random_whole(b, 2, DType::kI32, 1, 9)};
      check_kernels(c);
    }
}

TEST(ClampKernels, BothSidesAndNone) {
  for (const Dims& dims : kShapes) {
    KernelCase c{.node = node_of(OpKind::kClamp, {{"low", -0.5}, {"high", 0.25}}),
                 .inputs = {random_ref(dims, 1)},
                 .constant = {},
                 .bounds = {}};
    check_kernels(c);
  }
}

TEST(WhereKernels, ConditionsBroadcast) {
  for (const auto& [a, b] : kPairs) {
    KernelCase c{
        .node = node_of(OpKind::kWhere, {}, 3), .inputs = {}, .constant = {}, .bounds = {}};
    c.inputs = {random_whole(a, 1, DType::kBool, 0, 1), random_ref(b, 2), random_ref(a, 3)};
    check_kernels(c);
    c.inputs = {random_whole(a, 1, DType::kF32, 0, 1), random_whole(b, 2, DType::kI32, 0, 9),
                random_whole({1}, 2, DType::kI32, 0, 9)};
    check_kernels(c);
  }
}

ir::PointwiseStep unary(Unary op, std::int16_t a) {
  return {.kind = ir::PointwiseStep::Kind::kUnary, .op = static_cast<std::uint8_t>(op), .a = a};
}
ir::PointwiseStep binary(Binary op, std::int16_t a, std::int16_t b) {
  return {.kind = ir::PointwiseStep::Kind::kBinary,
          .op = static_cast<std::uint8_t>(op),
          .a = a,
          .b = b};
}
ir::PointwiseStep scalar(float value) {
  return {.kind = ir::PointwiseStep::Kind::kScalar, .low = value};
}

// sigmoid(a * 0.5 + b) where a > 0, else clamp(tanh(b), -0.1, 0.9); also exp(0.5), and a itself.
ir::Node program(std::vector<std::int16_t> results) {
  ir::Node node = node_of(OpKind::kPointwise, {}, 2, results.size());
  using Kind = ir::PointwiseStep::Kind;
  node.pointwise.steps = {
      scalar(0.5f),                                                // 2
      binary(Binary::kMul, 0, 2),                                  // 3
      binary(Binary::kAdd, 3, 1),                                  // 4
      unary(Unary::kSigmoid, 4),                                   // 5
      unary(Unary::kTanh, 1),                                      // 6
      {.kind = Kind::kClamp, .a = 6, .low = -0.1f, .high = 0.9f},  // 7
      scalar(0.0f),                                                // 8
      binary(Binary::kLess, 8, 0),                                 // 9
      unary(Unary::kExp, 2),                                       // 10
      {.kind = Kind::kWhere, .a = 9, .b = 5, .c = 7},              // 11
  };
  node.pointwise.results = std::move(results);
  return node;
}

TEST(PointwiseKernels, ProgramsOnBroadcastInputs) {
  for (const std::vector<std::int16_t>& results :
       {std::vector<std::int16_t>{11}, {11, 10}, {10, 11, 0}, {4, 11, 11}})
    for (const auto& [a, b] : kPairs) {
      KernelCase c{.node = program(results),
                   .inputs = {random_ref(a, 1), random_ref(b, 2)},
                   .constant = {},
                   .absolute = 1e-6,
                   .relative = 1e-6,
                   .bounds = {}};
      check_kernels(c);
    }
}

// The sum of bytes as bytes, and as numbers. No sum lies in the middle of two steps: thirds.
// Columns of wider inputs, read where they lie, beside whole inputs that are broadcast.
TEST(PointwiseKernels, PartsOfInputs) {
  for (const std::int64_t width : {2, 7, 16, 300})
    for (const std::int64_t rows : {1, 5}) {
      KernelCase c{
          .node = node_of(
              OpKind::kPointwise,
              {{"parts", std::vector<std::int64_t>{width + 3, -1, 0, 1}}, {"part_width", width}}, 4,
              1),
          .inputs = {random_ref({2, rows, 2 * width + 4}, 1), random_ref({rows, 1}, 2),
                     random_ref({2, rows, 2 * width + 4}, 3), random_ref({2, 1, width + 1}, 4)},
          .constant = {},
          .absolute = 1e-6,
          .relative = 1e-6,
          .bounds = {}};
      c.node.pointwise.steps = {binary(Binary::kMul, 0, 1), binary(Binary::kAdd, 2, 4),
                                binary(Binary::kMul, 3, 5)};
      c.node.pointwise.results = {6};
      check_kernels(c);
    }
}

TEST(PointwiseKernels, ProgramsOnBytes) {
  using Kind = ir::PointwiseStep::Kind;
  for (const auto& [a, b] : kPairs) {
    KernelCase c{
        .node = node_of(OpKind::kPointwise, {}, 2, 2),
        .inputs = {random_whole(a, 1, DType::kU8, 0, 255), random_whole(b, 2, DType::kU8, 0, 255)},
        .constant = {},
        .absolute = 1e-6,
        .relative = 1e-6,
        .bounds = {}};
    c.node.pointwise.steps = {
        {.kind = Kind::kFromBytes, .a = 1, .low = 0.25f, .high = 128},   // 2
        {.kind = Kind::kFromBytes, .a = 0, .low = 0.125f, .high = 255},  // 3
        binary(Binary::kAdd, 2, 3),                                      // 4
        {.kind = Kind::kToBytes, .a = 4, .low = 0.375f, .high = 77},     // 5
    };
    c.node.pointwise.results = {5, 4};
    check_kernels(c);
  }
}

// The same of two tensors of one shape alone, which one pass makes: any order, with and without
// relu. No sum lies in the middle of two steps.
TEST(PointwiseKernels, SumsOfBytes) {
  using Kind = ir::PointwiseStep::Kind;
  for (const std::int64_t n : {0, 1, 7, 8, 15, 16, 17, 1000, 40003})
    for (const bool relu : {false, true})
      for (const std::int16_t first : {0, 1})
        for (const float zero : {0.0f, 77.0f, 255.0f}) {
          KernelCase c{.node = node_of(OpKind::kPointwise, {}, 2, 1),
                       .inputs = {random_whole({n}, 1, DType::kU8, 0, 255),
                                  random_whole({n}, 2, DType::kU8, 0, 255)},
                       .constant = {},
                       .absolute = 0,
                       .relative = 0,
                       .bounds = {}};
          const auto second = static_cast<std::int16_t>(1 - first);
          auto& steps = c.node.pointwise.steps;
          steps = {{.kind = Kind::kFromBytes, .a = first, .low = 0.25f, .high = 128},
                   {.kind = Kind::kFromBytes, .a = second, .low = 0.125f, .high = 100},
                   binary(Binary::kAdd, 2, 3)};
          if (relu)
            steps.push_back(
                {.kind = Kind::kUnary, .op = static_cast<std::uint8_t>(Unary::kRelu), .a = 4});
          const auto made = static_cast<std::int16_t>(1 + steps.size());
          steps.push_back({.kind = Kind::kToBytes, .a = made, .low = 0.375f, .high = zero});
          c.node.pointwise.results = {static_cast<std::int16_t>(made + 1)};
          check_kernels(c);
        }
}

}  // namespace
}  // namespace antiphon::test
