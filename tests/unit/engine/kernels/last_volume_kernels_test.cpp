// Convolution and pooling over three axes with the channels last, against the reference.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/ir/input_quantizer.h"
#include "engine/ir/op_enums.h"
#include "tests/unit/engine/kernels/kernel_harness.h"

namespace antiphon::test {
namespace {

using Dims = std::vector<std::int64_t>;

// Rounding of a sum of `terms` products of numbers in [-1, 1].
constexpr double sum_bound(double terms) { return 4 * terms * 1.2e-7; }

struct ConvCase {
  Dims x, w, strides, dilations, pads;
  std::int64_t groups = 1;

  Dims result(std::size_t first = 1) const {
    Dims y = {x[0]};
    for (std::size_t i = 0; i < 3; ++i) {
      const std::int64_t span = (w[2 + i] - 1) * dilations[i] + 1;
      y.push_back((x[first + i] + pads[i] + pads[3 + i] - span) / strides[i] + 1);
    }
    y.push_back(w[0]);
    return y;
  }
};
const Dims kOnes = {1, 1, 1}, kAround = {1, 1, 1, 1, 1, 1}, kNone = {0, 0, 0, 0, 0, 0};

const ConvCase kConvs[] = {
    {{2, 3, 4, 5, 3}, {5, 3, 3, 3, 3}, kOnes, kOnes, kAround},
    {{1, 4, 5, 9, 8}, {9, 8, 3, 3, 3}, kOnes, kOnes, kAround},  // Winograd
    {{2, 5, 6, 7, 17}, {33, 17, 2, 3, 3}, {2, 1, 1}, {3, 1, 1}, {1, 0, 2, 3, 1, 0}},
    {{1, 3, 30, 37, 8}, {16, 8, 3, 3, 3}, kOnes, kOnes, kAround},  // blocks of tiles
    {{1, 5, 6, 7, 4}, {6, 2, 3, 2, 2}, {2, 1, 3}, {1, 2, 1}, {0, 1, 2, 1, 0, 0}, 2},
    {{2, 3, 4, 5, 9}, {12, 9, 1, 3, 3}, kOnes, kOnes, {0, 1, 1, 0, 1, 1}},          // planes apart
    {{2, 6, 4, 5, 9}, {12, 9, 3, 1, 1}, {2, 1, 1}, {2, 1, 1}, {2, 0, 0, 1, 0, 0}},  // depth alone
    {{1, 5, 4, 6, 20}, {70, 20, 1, 1, 1}, kOnes, kOnes, kNone},
    {{1, 5, 4, 6, 20}, {130, 20, 1, 1, 1}, {2, 2, 2}, kOnes, kNone},      // outputs are divided
    {{1, 4, 5, 6, 35}, {35, 1, 3, 3, 3}, {1, 2, 1}, kOnes, kAround, 35},  // depthwise
    {{1, 1, 5, 6, 12}, {12, 12, 3, 3, 3}, kOnes, kOnes, kAround},         // one plane, padded
    {{0, 3, 5, 5, 3}, {2, 3, 3, 3, 3}, kOnes, kOnes, kNone},
};

// Winograd's transforms, as in last_kernels_test.cpp.
std::vector<KernelCase::Bound> winograd_bounds(double terms) {
  return {{"winograd2", 10 * sum_bound(terms), 1e-5}, {"winograd4", 70 * sum_bound(terms), 1e-5}};
}

KernelCase conv_case(const ConvCase& c, std::size_t inputs) {
  const double terms = static_cast<double>(num_elements(c.w) / c.w[0]) + 2;
  return {.node = node_of(ir::kOpConvLast,
                          {{"strides", c.strides},
                           {"dilations", c.dilations},
                           {"pads", c.pads},
                           {"groups", c.groups}},
                          inputs),
          .inputs = {random_ref(c.x, 1), random_ref(c.w, 2), std::nullopt, random_ref({c.w[0]}, 3)},
          .constant = {false, true, false, true},
          .absolute = sum_bound(terms),
          .relative = 1e-6,
          .bounds = winograd_bounds(terms)};
}

bool ran(const std::vector<std::string>& names, const char* name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

TEST(VolumeKernels, ConvolutionWithBiasActivationAndResidual) {
  for (const ConvCase& c : kConvs) {
    SCOPED_TRACE(testing::PrintToString(c.x) + " " + testing::PrintToString(c.w));
    KernelCase k = conv_case(c, 4);
    check_kernels(k);
    k.node.attrs.set("act", static_cast<std::int64_t>(Unary::kRelu));
    k.node.inputs = node_of(ir::kOpConvLast, {}, 5).inputs;
    k.inputs.push_back(random_ref(c.result(), 4));
    k.node.attrs.set("act2", static_cast<std::int64_t>(Unary::kRelu));
    check_kernels(k);
    k.node.attrs.set("act", static_cast<std::int64_t>(Unary::kSigmoid));
    k.node.attrs.set("act2", static_cast<std::int64_t>(Unary::kTanh));
    check_kernels(k);
  }
}

TEST(VolumeKernels, WindowsTakeTheKernelsMadeForThem) {
  const auto windows = check_kernels(conv_case(kConvs[1], 4));
  for (const char* name :
       {"cpu/conv_last_panels", "cpu/conv_last_winograd4", "cpu/conv_last_winograd2"})
    EXPECT_TRUE(ran(windows, name)) << name;
  EXPECT_TRUE(ran(check_kernels(conv_case(kConvs[9], 4)), "cpu/conv_last_depthwise"));
}

TEST(VolumeKernels, AVolumeWithItsChannelsFirst) {
  const ConvCase cases[] = {
      {{2, 3, 5, 9, 11}, {20, 3, 3, 7, 5}, {1, 2, 3}, kOnes, {1, 3, 2, 1, 1, 0}},
      {{1, 1, 4, 5, 6}, {3, 1, 3, 3, 3}, kOnes, kOnes, kAround},
      {{1, 2, 6, 40, 30}, {16, 2, 2, 3, 3}, {2, 1, 1}, kOnes, {0, 1, 1, 0, 1, 1}},
      {{2, 3, 4, 6, 7}, {8, 3, 1, 3, 3}, kOnes, kOnes, {0, 1, 1, 0, 1, 1}},
      {{1, 1, 1, 5, 5}, {4, 1, 1, 3, 3}, {1, 2, 1}, kOnes, kNone}};
  for (const ConvCase& c : cases) {
    SCOPED_TRACE(testing::PrintToString(c.x) + " " + testing::PrintToString(c.w));
    KernelCase k = conv_case(c, 5);
    k.node.attrs.set("x_first", std::int64_t{1});
    k.node.attrs.set("act2", static_cast<std::int64_t>(Unary::kRelu));
    k.inputs.push_back(random_ref(c.result(2), 4));
    check_kernels(k);
  }
}

// Channels that are not the result's are the base's.
TEST(VolumeKernels, PlacesItsResult) {
  for (const std::size_t which : {0u, 1u, 5u, 9u}) {
    const ConvCase& c = kConvs[which];
    KernelCase k = conv_case(c, 6);
    k.node.attrs.set("y_begin", std::int64_t{2});
    k.node.attrs.set("y_width", c.w[0] + 5);
    Dims base = c.result();
    base.back() += 5;
    k.inputs.push_back(random_ref(c.result(), 4));
    k.inputs.push_back(random_ref(base, 5));
    check_kernels(k);
  }
}

TEST(VolumeKernels, TransposedConvolutionWhoseWindowsDoNotOverlap) {
  for (const Dims& w : {Dims{5, 7, 2, 2, 2}, Dims{16, 33, 1, 3, 2}, Dims{9, 8, 4, 1, 1}}) {
    const Dims strides = {w[2], w[3], w[4]};
    KernelCase k{
        .node = node_of(ir::kOpConvTransposeLast, {{"strides", strides}}, 3),
        .inputs = {random_ref({2, 3, 4, 5, w[0]}, 1), random_ref(w, 2), random_ref({w[1]}, 3)},
        .constant = {false, true, true},
        .absolute = sum_bound(static_cast<double>(w[0]) + 1),
        .relative = 1e-6,
        .bounds = {}};
    check_kernels(k);
    k.node =
        node_of(ir::kOpConvTransposeLast,
                {{"strides", strides}, {"y_begin", std::int64_t{1}}, {"y_width", w[1] + 3}}, 4);
    k.inputs.push_back(random_ref({2, 3 * w[2], 4 * w[3], 5 * w[4], w[1] + 3}, 4));
    check_kernels(k);
  }
}

// Weights are rounded to bytes by the kernel: half a 127th of the largest.
TEST(VolumeKernels, TransposedConvolutionOnBytes) {
  for (const bool bytes : {false, true}) {
    const Dims w = {16, 33, 2, 3, 2}, x = {2, 3, 4, 5, 16};
    const double most = 16 * 0.02 * 135;
    KernelCase k{.node = node_of(ir::kOpConvTransposeLast, {{"strides", Dims{2, 3, 2}}}, 3),
                 .inputs = {random_ref(x, 1), random_ref(w, 2), random_ref({w[1]}, 3)},
                 .constant = {false, true, true},
                 .absolute = 16 * 1.02,
                 .bounds = {{"_u8", most * 0.5 / 127 + 1e-4, 0}}};
    ir::set_input_quantizer(k.node.attrs, {0.02f, 120, 255});
    if (bytes) {
      k.inputs[0] = random_whole(x, 8, DType::kU8, 0, 255);
      ir::set_output_quantizer(k.node.attrs, {0.05f, 117, 255});
      k.bounds[0].absolute = 1 + k.bounds[0].absolute / 0.05;
    }
    EXPECT_TRUE(ran(check_kernels(k), "cpu/conv_transpose_last_u8"));
  }
}

// Exact sums of bytes; products of scales and the epilogue round.
TEST(VolumeKernels, ConvolutionOnBytes) {
  for (const std::size_t which : {0u, 1u, 2u, 4u, 5u, 6u, 7u, 10u}) {
    const ConvCase& c = kConvs[which];
    KernelCase k = conv_case(c, 5);
    k.inputs[1] = random_whole(c.w, 2, DType::kI8, -128, 127);
    k.inputs[2] = random_ref({c.w[0]}, 3, 1e-4, 1e-3);
    k.inputs.push_back(random_ref(c.result(), 4));
    k.constant = {false, true, true, true};
    k.node.attrs.set("act2", static_cast<std::int64_t>(Unary::kRelu));
    ir::set_input_quantizer(k.node.attrs, {0.02f, 120, 255});
    const double columns = static_cast<double>(num_elements(c.w) / c.w[0]);
    // Winograd's rounded weights: within 0.2 % of the largest sum.
    k.bounds = {{"winograd_i16", columns * 2.7 * 0.128 * 2e-3, 0},
                {"_u8", columns * 2.7 * 0.128 * 4e-7 + 1e-6, 0}};
    const auto names = check_kernels(k);
    EXPECT_TRUE(ran(names, "cpu/conv_last_static_u8"));
    EXPECT_EQ(ran(names, "cpu/conv_last_winograd_i16"),
              which == 1 || which == 2 || which == 5 || which == 10);
  }
}

TEST(VolumeKernels, AllWaysOfPooling) {
  for (const auto op : {ir::Pool::kMax, ir::Pool::kAverage})
    for (const std::int64_t ceil : {0, 1})
      for (const std::int64_t count_pad : {0, 1}) {
        KernelCase k{.node = node_of(ir::kOpPoolLast, {{"op", static_cast<std::int64_t>(op)},
                                                       {"kernel", Dims{2, 3, 2}},
                                                       {"strides", Dims{2, 2, 3}},
                                                       {"dilations", Dims{2, 1, 1}},
                                                       {"pads", Dims{1, 1, 0, 0, 2, 1}},
                                                       {"ceil", ceil},
                                                       {"count_pad", count_pad}}),
                     .inputs = {random_ref({2, 5, 7, 9, 19}, 1)},
                     .constant = {},
                     .absolute = sum_bound(12),
                     .relative = 1e-6,
                     .bounds = {}};
        check_kernels(k);
        if (op != ir::Pool::kMax) continue;
        k.inputs = {random_whole({2, 5, 7, 9, 19}, 1, DType::kU8, 0, 255)};
        check_kernels(k);
      }
}

}  // namespace
}  // namespace antiphon::test
