// Convolution, pooling and placement with the channels last, against the reference.
#include <gtest/gtest.h>

#include "engine/ir/input_quantizer.h"
#include "engine/ir/op_enums.h"
#include "tests/unit/engine/kernels/kernel_harness.h"

namespace antiphon::test {
namespace {

using Dims = std::vector<std::int64_t>;

// Rounding of a sum of `terms` products of numbers in [-1, 1].
constexpr double sum_bound(double terms) { return 4 * terms * 1.2e-7; }
// Winograd's transforms: the largest row of |A'| |G| |B'| products is 10 for tiles of 2 and 69
// for tiles of 4, against 1 of the plain sum.
std::vector<KernelCase::Bound> winograd_bounds(double terms) {
  return {{"winograd2", 10 * sum_bound(terms), 1e-5}, {"winograd4", 70 * sum_bound(terms), 1e-5}};
}

struct ConvCase {
  Dims x, w, strides, dilations, pads;
  std::int64_t groups = 1;

  Dims result() const {
    Dims y = {x[0]};
    for (std::size_t i = 0; i < 2; ++i) {
      const std::int64_t span = (w[2 + i] - 1) * dilations[i] + 1;
      y.push_back((x[1 + i] + pads[i] + pads[2 + i] - span) / strides[i] + 1);
    }
    y.push_back(w[0]);
    return y;
  }
};
const ConvCase kConvs[] = {
    {{2, 7, 9, 3}, {4, 3, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}},
    {{1, 8, 17, 4}, {6, 2, 3, 2}, {2, 3}, {1, 2}, {1, 0, 0, 2}, 2},
    {{1, 9, 10, 8}, {9, 8, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}},      // Winograd, odd edges
    {{2, 4, 13, 17}, {33, 17, 3, 3}, {1, 1}, {1, 1}, {0, 2, 1, 0}},   // Winograd, odd channels
    {{1, 41, 37, 16}, {16, 16, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}},  // more than a block of tiles
    {{1, 5, 6, 37}, {35, 37, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}},
    {{1, 6, 7, 9}, {150, 9, 1, 1}, {2, 2}, {1, 1}, {0, 0, 0, 0}},  // outputs are divided
    {{1, 5, 6, 35}, {35, 1, 3, 3}, {1, 1}, {2, 1}, {2, 1, 2, 1}, 35},
    {{2, 9, 8, 67}, {67, 1, 5, 2}, {2, 1}, {1, 3}, {2, 0, 1, 2}, 67},
    {{1, 3, 4, 130}, {20, 130, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}},  // deep: columns in parts
    {{0, 5, 5, 3}, {2, 3, 3, 3}, {1, 1}, {1, 1}, {0, 0, 0, 0}},
};

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

TEST(ConvLastKernels, WithBiasActivationAndResidual) {
  for (const ConvCase& c : kConvs) {
    SCOPED_TRACE(testing::PrintToString(c.x) + " " + testing::PrintToString(c.w));
    KernelCase k = conv_case(c, 4);
    check_kernels(k);
    k.node.attrs.set("act", static_cast<std::int64_t>(Unary::kRelu));
    check_kernels(k);
    k.node.attrs.set("act", static_cast<std::int64_t>(Unary::kTanh));
    k.node = conv_case(c, 5).node;
    k.inputs.push_back(random_ref(c.result(), 4));
    check_kernels(k);
    k.node.attrs.set("act2", static_cast<std::int64_t>(Unary::kRelu));
    check_kernels(k);
    k.node.attrs.set("act", static_cast<std::int64_t>(Unary::kSigmoid));
    k.node.attrs.set("act2", static_cast<std::int64_t>(Unary::kTanh));
    check_kernels(k);
  }
}

// Values of x up to 8, so that some results are over 6; slopes are at most 1.1.
TEST(ConvLastKernels, WithActivationsThatEndAndBend) {
  for (const ConvCase& c : kConvs)
    for (const Unary act : {Unary::kRelu6, Unary::kSilu, Unary::kHardSwish}) {
      SCOPED_TRACE(testing::PrintToString(c.x) + " " + testing::PrintToString(c.w));
      KernelCase k = conv_case(c, 5);
      k.inputs[0] = random_ref(c.x, 1, -8, 8);
      k.inputs.push_back(random_ref(c.result(), 4));
      k.absolute *= 9;
      for (KernelCase::Bound& bound : k.bounds) bound.absolute *= 9;
      k.node.attrs.set("act", static_cast<std::int64_t>(act));
      k.node.attrs.set("act2", static_cast<std::int64_t>(Unary::kRelu));
      check_kernels(k);
    }
}

TEST(ConvLastKernels, ReadsAnImageWithItsChannelsFirst) {
  const ConvCase cases[] = {{{2, 3, 9, 11}, {20, 3, 7, 5}, {2, 3}, {1, 1}, {3, 2, 1, 0}},
                            {{1, 1, 4, 5}, {3, 1, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}}};
  for (const ConvCase& c : cases) {
    KernelCase k = conv_case(c, 4);
    k.node.attrs.set("x_first", std::int64_t{1});
    check_kernels(k);
  }
}

// Channels that are not the result's are the base's.
TEST(ConvLastKernels, PlacesItsResult) {
  for (const std::size_t which : {0u, 2u, 5u, 7u}) {
    const ConvCase& c = kConvs[which];
    KernelCase k = conv_case(c, 6);
    k.node.attrs.set("y_begin", std::int64_t{2});
    k.node.attrs.set("y_width", c.w[0] + 5);
    Dims base = c.result();
    base.back() += 5;
    k.inputs.push_back(random_ref(c.result(), 4));
    k.inputs.push_back(random_ref(base, 5));
    check_kernels(k);
    k.inputs.pop_back();
    k.node.inputs.pop_back();
    for (std::int64_t i = 0; i < num_elements(base); ++i) {
      const std::int64_t channel = i % base.back();
      k.unspecified.push_back(channel < 2 || channel >= 2 + c.w[0]);
    }
    check_kernels(k);
  }
}

TEST(ConvTransposeLastKernels, WindowsThatDoNotOverlap) {
  for (const Dims& w : {Dims{5, 7, 2, 2}, Dims{16, 33, 3, 1}}) {
    KernelCase k{
        .node = node_of(ir::kOpConvTransposeLast, {{"strides", Dims{w[2], w[3]}}}, 3),
        .inputs = {random_ref({2, 3, 5, w[0]}, 1), random_ref(w, 2), random_ref({w[1]}, 3)},
        .constant = {false, true, true},
        .absolute = sum_bound(static_cast<double>(w[0]) + 1),
        .relative = 1e-6,
        .bounds = {}};
    check_kernels(k);
    k.node = node_of(
        ir::kOpConvTransposeLast,
        {{"strides", Dims{w[2], w[3]}}, {"y_begin", std::int64_t{1}}, {"y_width", w[1] + 3}}, 4);
    k.inputs.push_back(random_ref({2, 3 * w[2], 5 * w[3], w[1] + 3}, 4));
    check_kernels(k);
  }
}

TEST(ConvTransposeLastKernels, MakeBytes) {
  for (const Dims& w : {Dims{5, 7, 2, 2}, Dims{16, 33, 3, 1}}) {
    KernelCase k{
        .node = node_of(ir::kOpConvTransposeLast, {{"strides", Dims{w[2], w[3]}}}, 3),
        .inputs = {random_ref({2, 3, 5, w[0]}, 1), random_ref(w, 2), random_ref({w[1]}, 3)},
        .constant = {false, true, true},
        .absolute = 1,  // next to the middle of two steps
        .bounds = {}};
    ir::set_output_quantizer(k.node.attrs, {0.02f, 117, 255});
    check_kernels(k);
    k.node.inputs = node_of(ir::kOpConvTransposeLast, {}, 4).inputs;
    k.node.attrs.set("y_begin", std::int64_t{1});
    k.node.attrs.set("y_width", w[1] + 3);
    k.inputs.push_back(random_whole({2, 3 * w[2], 5 * w[3], w[1] + 3}, 4, DType::kU8, 0, 255));
    check_kernels(k);
  }
}

TEST(PoolLastKernels, MaximaOfBytes) {
  for (const std::int64_t ceil : {0, 1})
    for (const Dims& dims : {Dims{2, 7, 9, 3}, Dims{1, 5, 33, 37}, Dims{1, 8, 6, 200}}) {
      KernelCase k{
          .node = node_of(ir::kOpPoolLast, {{"op", static_cast<std::int64_t>(ir::Pool::kMax)},
                                            {"kernel", Dims{3, 2}},
                                            {"strides", Dims{2, 3}},
                                            {"dilations", Dims{1, 2}},
                                            {"pads", Dims{1, 0, 2, 1}},
                                            {"ceil", ceil}}),
          .inputs = {random_whole(dims, 1, DType::kU8, 0, 255)},
          .constant = {},
          .bounds = {}};
      check_kernels(k);
    }
}

TEST(PoolLastKernels, AllWaysOfPooling) {
  for (const auto op : {ir::Pool::kMax, ir::Pool::kAverage})
    for (const std::int64_t ceil : {0, 1})
      for (const std::int64_t count_pad : {0, 1})
        for (const Dims& dims : {Dims{2, 7, 9, 3}, Dims{1, 5, 33, 37}}) {
          KernelCase k{.node = node_of(ir::kOpPoolLast, {{"op", static_cast<std::int64_t>(op)},
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

TEST(PlaceKernels, CopiesBesideTheBase) {
  KernelCase k{.node = node_of(ir::kOpPlace,
                               {{"y_begin", std::int64_t{3}}, {"y_width", std::int64_t{24}}}, 2),
               .inputs = {random_ref({2, 5, 17}, 1), random_ref({2, 5, 24}, 2)},
               .constant = {},
               .bounds = {}};
  check_kernels(k);
  k.inputs = {random_whole({2, 5, 17}, 1, DType::kU8, 0, 255),
              random_whole({2, 5, 24}, 2, DType::kU8, 0, 255)};
  check_kernels(k);
}

}  // namespace
}  // namespace antiphon::test
