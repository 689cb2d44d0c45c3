// Kernels that only move data: exact for every element type.
#include <gtest/gtest.h>

#include "tests/unit/engine/kernels/kernel_harness.h"

namespace antiphon::test {
namespace {

using ir::OpKind;
using Dims = std::vector<std::int64_t>;
using Ints = std::vector<std::int64_t>;

const Dims kShapes[] = {{1, 1, 1}, {2, 3, 5}, {3, 16, 17}, {1, 33, 8}, {2, 0, 4}, {5, 67, 129}};
const DType kTypes[] = {DType::kF32, DType::kI64, DType::kI8};

void check_move(ir::Node node, const Dims& dims) {
  for (const DType dtype : kTypes) {
    KernelCase c{.node = ir::Node{},
                 .inputs = {random_whole(dims, 1, dtype, -100, 100)},
                 .constant = {},
                 .bounds = {}};
    c.node.op = node.op;
    c.node.name = node.name;
    c.node.inputs = node.inputs;
    c.node.outputs = node.outputs;
    c.node.attrs = node.attrs;
    check_kernels(c);
  }
}

TEST(MoveKernels, IdentityAndReshape) {
  for (const Dims& dims : kShapes) {
    check_move(node_of(OpKind::kIdentity), dims);
    check_move(node_of(OpKind::kReshape, {{"dims", Ints{0, dims[1] * dims[2]}}}), dims);
  }
}

TEST(MoveKernels, TransposeAllOrders) {
  for (const Dims& dims : kShapes)
    for (const Ints& order : {Ints{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}})
      check_move(node_of(OpKind::kTranspose, {{"order", order}}), dims);
  check_move(node_of(OpKind::kTranspose, {{"order", Ints{0, 2, 1, 3}}}), {2, 5, 3, 7});
  check_move(node_of(OpKind::kTranspose, {{"order", Ints{3, 1, 0, 2}}}), {2, 5, 3, 7});
}

TEST(MoveKernels, AroundAnAxis) {
  for (const Dims& dims : kShapes)
    for (std::int64_t axis = -3; axis < 3; ++axis) {
      const std::int64_t extent = dims[static_cast<std::size_t>((axis + 3) % 3)];
      check_move(node_of(OpKind::kReverse, {{"axis", axis}}), dims);
      check_move(node_of(OpKind::kRepeat, {{"times", std::int64_t{3}}, {"axis", axis}}), dims);
      check_move(node_of(OpKind::kPad, {{"axis", axis},
                                        {"before", std::int64_t{2}},
                                        {"after", std::int64_t{1}},
                                        {"value", 7.0}}),
                 dims);
      check_move(node_of(OpKind::kSlice, {{"axis", axis}, {"begin", extent / 2}, {"end", extent}}),
                 dims);
      if (extent > 0)
        check_move(node_of(OpKind::kSlice, {{"axis", axis},
                                            {"begin", std::int64_t{-1}},
                                            {"end", std::int64_t{INT64_MAX}}}),
                   dims);
    }
}

TEST(MoveKernels, ConcatThreeParts) {
  for (const Dims& dims : kShapes)
    for (std::int64_t axis = -1; axis < 3; ++axis) {
      KernelCase c{.node = node_of(OpKind::kConcat, {{"axis", axis}}, 3),
                   .inputs = {},
                   .constant = {},
                   .bounds = {}};
      for (std::int64_t part = 0; part < 3; ++part) {
        Dims shape = dims;
        shape[static_cast<std::size_t>((axis + 3) % 3)] = part * 4;
        c.inputs.emplace_back(random_ref(shape, static_cast<std::uint64_t>(part)));
      }
      check_kernels(c);
    }
}

TEST(MoveKernels, Zeros) {
  KernelCase c{.node = node_of(OpKind::kZeros, {{"shape_text", std::string("3,0:1")}}),
               .inputs = {random_ref({2, 9}, 1)},
               .constant = {},
               .bounds = {}};
  check_kernels(c);
}

}  // namespace
}  // namespace antiphon::test
