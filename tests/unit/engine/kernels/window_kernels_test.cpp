// Convolution, pooling and resampling over several spatial axes against the reference.
#include <gtest/gtest.h>

#include "engine/ir/op_enums.h"
#include "tests/unit/engine/kernels/kernel_harness.h"

namespace antiphon::test {
namespace {

using ir::OpKind;
using Dims = std::vector<std::int64_t>;
using Attrs = std::initializer_list<std::pair<const char*, ir::Attr>>;

// Rounding of a sum of `terms` products of numbers in [-1, 1].
constexpr double sum_bound(double terms) { return 4 * terms * 1.2e-7; }

struct ConvCase {
  Dims x, w, strides, dilations, pads;
  std::int64_t groups = 1;
};
const ConvCase kConvs[] = {
    {{2, 3, 7, 9}, {4, 3, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}},
    {{1, 4, 8, 17}, {6, 2, 3, 2}, {2, 3}, {1, 2}, {1, 0, 0, 2}, 2},
    {{1, 3, 5, 6}, {3, 1, 2, 5}, {1, 1}, {2, 1}, {0, 2, 2, 0}, 3},
    {{2, 2, 4, 5, 6}, {3, 2, 2, 3, 3}, {1, 2, 1}, {1, 1, 2}, {0, 1, 1, 1, 0, 2}},
    {{1, 2, 33}, {2, 2, 4}, {2}, {3}, {5, 4}},
    {{0, 3, 5, 5}, {2, 3, 3, 3}, {1, 1}, {1, 1}, {0, 0, 0, 0}},
};

ir::Node conv_node(OpKind op, const ConvCase& c, std::size_t inputs) {
  return node_of(
      op,
      {{"strides", c.strides}, {"dilations", c.dilations}, {"pads", c.pads}, {"groups", c.groups}},
      inputs);
}

TEST(ConvNdKernels, WithBiasActivationAndResidual) {
  for (const ConvCase& c : kConvs) {
    const double terms = static_cast<double>(num_elements(c.w) / c.w[0]) + 2;
    KernelCase k{
        .node = conv_node(ir::kOpConvNd, c, 4),
        .inputs = {random_ref(c.x, 1), random_ref(c.w, 2), std::nullopt, random_ref({c.w[0]}, 3)},
        .constant = {false, true, false, true},
        .absolute = sum_bound(terms),
        .relative = 1e-6,
        .bounds = {}};
    check_kernels(k);
    k.node.attrs.set("act", static_cast<std::int64_t>(Unary::kRelu));
    check_kernels(k);
  }
}

TEST(ConvNdKernels, WholeNumbersAreExact) {
  for (const ConvCase& c : kConvs) {
    KernelCase k{.node = conv_node(ir::kOpConvNd, c, 2),
                 .inputs = {random_whole(c.x, 1, DType::kI32, -255, 255),
                            random_whole(c.w, 2, DType::kI32, -128, 127)},
                 .constant = {},
                 .bounds = {}};
    check_kernels(k);
  }
}

TEST(ConvTransposeKernels, SpreadsEveryInput) {
  const ConvCase cases[] = {
      {{2, 3, 4, 5}, {3, 4, 3, 3}, {1, 1}, {1, 1}, {0, 0, 0, 0}},
      {{1, 4, 3, 6}, {4, 2, 3, 2}, {2, 3}, {2, 1}, {1, 0, 1, 1}, 2},
      {{1, 2, 9}, {2, 3, 4}, {3}, {1}, {1, 2}},
      {{2, 5, 60}, {5, 3, 40}, {7}, {1}, {0, 0}},  // more than a block, rows of a window overlap
      {{1, 2, 2, 3, 2}, {2, 1, 2, 2, 3}, {2, 1, 2}, {1, 1, 1}, {0, 0, 1, 0, 0, 0}}};
  for (const ConvCase& c : cases) {
    ir::Node node = conv_node(ir::kOpConvTranspose, c, 3);
    const double terms = static_cast<double>(num_elements(c.w) / c.w[1]) + 1;
    KernelCase k{
        .node = std::move(node),
        .inputs = {random_ref(c.x, 1), random_ref(c.w, 2), random_ref({c.w[1] * c.groups}, 3)},
        .constant = {},
        .absolute = sum_bound(terms),
        .relative = 1e-6,
        .bounds = {}};
    check_kernels(k);
    k.node.attrs.set("output_padding", Dims(c.strides.size(), 1));
    check_kernels(k);
    k.constant = {false, true, true};
    check_kernels(k);
  }
}

TEST(PoolKernels, AllWaysOfPooling) {
  for (const auto op : {ir::Pool::kMax, ir::Pool::kAverage, ir::Pool::kLp})
    for (const std::int64_t ceil : {0, 1})
      for (const std::int64_t count_pad : {0, 1})
        for (const Dims& dims : {Dims{2, 3, 7, 9}, Dims{1, 2, 5, 33}}) {
          const auto code = static_cast<std::int64_t>(op);
          KernelCase k{.node = node_of(ir::kOpPool, {{"op", code},
                                                     {"kernel", Dims{3, 2}},
                                                     {"strides", Dims{2, 3}},
                                                     {"dilations", Dims{1, 2}},
                                                     {"pads", Dims{1, 0, 2, 1}},
                                                     {"ceil", ceil},
                                                     {"count_pad", count_pad}}),
                       .inputs = {random_ref(dims, 1)},
                       .constant = {},
                       .absolute = sum_bound(6),
                       .relative = 1e-6,
                       .bounds = {}};
          check_kernels(k);
        }
}

TEST(PoolKernels, IndicesOfMaxima) {
  for (const std::int64_t column_major : {0, 1}) {
    KernelCase k{
        .node = node_of(
            ir::kOpPool,
            {{"op", std::int64_t{0}}, {"kernel", Dims{2, 2}}, {"column_major", column_major}}, 1,
            2),
        .inputs = {random_ref({2, 2, 5, 4}, 4)},
        .constant = {},
        .bounds = {}};
    check_kernels(k);
  }
  KernelCase bytes{.node = node_of(ir::kOpPool, {{"op", std::int64_t{0}}, {"kernel", Dims{3}}}),
                   .inputs = {random_whole({1, 2, 9}, 1, DType::kU8, 0, 255)},
                   .constant = {},
                   .bounds = {}};
  check_kernels(bytes);
}

TEST(ResampleKernels, ModesAndGrids) {
  for (std::int64_t mode = 0; mode <= 2; ++mode)
    for (std::int64_t grid = 0; grid <= 5; ++grid)
      for (const std::int64_t exclude : {0, 1})
        for (const std::int64_t size : {1, 3, 7, 12}) {
          KernelCase k{.node = node_of(ir::kOpResample, {{"axis", std::int64_t{1}},
                                                         {"mode", mode},
                                                         {"grid", grid},
                                                         {"round", (mode + grid) % 4},
                                                         {"exclude_outside", exclude},
                                                         {"roi_begin", -0.1},
                                                         {"roi_end", 0.8},
                                                         {"outside", 3.5},
                                                         {"extents", std::to_string(size)}}),
                       .inputs = {random_ref({2, 5, 3}, 1)},
                       .constant = {},
                       .absolute = sum_bound(8),
                       .relative = 1e-6,
                       .bounds = {}};
          check_kernels(k);
        }
}

TEST(ResampleKernels, AntialiasedShrinking) {
  for (const std::int64_t mode : {1, 2}) {
    KernelCase k{.node = node_of(ir::kOpResample, {{"axis", std::int64_t{0}},
                                                   {"mode", mode},
                                                   {"antialias", std::int64_t{1}},
                                                   {"scale", 0.4},
                                                   {"extents", "0:0 2 * 5 /"}}),
                 .inputs = {random_ref({20, 2}, 1)},
                 .constant = {},
                 .absolute = sum_bound(12),
                 .relative = 1e-6,
                 .bounds = {}};
    check_kernels(k);
  }
}

TEST(GridSampleKernels, ModesAndPaddings) {
  for (std::int64_t mode = 0; mode <= 2; ++mode)
    for (std::int64_t padding = 0; padding <= 2; ++padding)
      for (const std::int64_t corners : {0, 1}) {
        KernelCase k{
            .node = node_of(ir::kOpGridSample,
                            {{"mode", mode}, {"padding", padding}, {"align_corners", corners}}, 2),
            .inputs = {random_ref({2, 2, 4, 5}, 1), random_ref({2, 3, 4, 2}, 2, -1.7, 1.7)},
            .constant = {},
            .absolute = 2e-5,  // positions are f32 times the extent
            .relative = 1e-5,
            .bounds = {}};
        check_kernels(k);
      }
}

}  // namespace
}  // namespace antiphon::test
