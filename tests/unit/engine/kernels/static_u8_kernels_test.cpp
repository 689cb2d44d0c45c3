// Linear layers and convolutions whose input becomes bytes by calibrated numbers.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/ir/input_quantizer.h"
#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/gemm_i16.h"
#include "engine/kernels/cpu/gemm_u8.h"
#include "engine/kernels/cpu/winograd_tiles.h"
#include "tests/unit/engine/kernels/kernel_harness.h"

namespace antiphon {
namespace {

using test::KernelCase;
using Dims = std::vector<std::int64_t>;

constexpr double kEpsilon = 0x1p-23, kMostScale = 8e-3;

// Symmetric, one-sided, off-centre, and with a range that saturates x in [-1, 1].
const ir::InputQuantizer kQuantizers[] = {
    {2.0f / 255, 128, 255}, {1.0f / 255, 0, 255}, {2.0f / 127, 64, 127}, {0.003f, 40, 255}};

// What rounding transformed weights, 128 at most, may change a sum of conv_last_winograd_i16 by: at
// each place of the patch half a step of theirs against the largest v of every channel, times what
// the result's transform makes of it.
double winograd_i16_error(double channels, const ir::InputQuantizer& quantizer) {
  const double of_weights[] = {0.25, 0.5, 0.5, 7.0 / 24, 7.0 / 24, 1};  // sums of G's rows
  const double of_results[] = {1, 1, 1, 8, 8, 1};                       // the largest of A
  double error = 0;
  for (int k = 0; k < 36; ++k) {
    const double u = 128 * of_weights[k / 6] * of_weights[k % 6];
    const double most = winograd_whole_most(k, quantizer.levels);
    const double part = std::min<double>(channels, kI16Depth) * u;
    const double steps = std::min(32767 / u, (0x1p31 - 1) / most / part - kI16Depth / 2 / part);
    error += of_results[k / 6] * of_results[k % 6] * channels * most * 0.5 / steps;
  }
  return error * double{quantizer.scale} * kMostScale;
}

// Weights, scales, bias, residual and two activations; `columns` weights an output.
KernelCase case_of(ir::Node node, Dims x, Dims w, Dims y, const ir::InputQuantizer& quantizer,
                   double columns, bool extras) {
  ir::set_input_quantizer(node.attrs, quantizer);
  const std::int64_t rows = w[0];
  KernelCase c{
      .node = std::move(node),
      .inputs = {test::random_ref(x, 1), test::random_whole(w, 2, DType::kI8, -128, 127),
                 test::random_ref({rows}, 3, 1e-3, kMostScale), std::nullopt, std::nullopt},
      .constant = {false, true, true, true},
      .bounds = {}};
  if (extras) {
    c.inputs[3] = test::random_ref({rows}, 4);
    c.inputs[4] = test::random_ref(std::move(y), 5);
    c.node.attrs.set("act", static_cast<std::int64_t>(Unary::kTanh));
    c.node.attrs.set("act2", static_cast<std::int64_t>(Unary::kRelu));
  }
  const double range = double{quantizer.scale} * std::max(quantizer.zero, quantizer.levels);
  const double largest = columns * range * 128 * kMostScale;
  // Whole sums are exact; two products of scales and the epilogue round.
  c.bounds = {{"static", kEpsilon * (4 * largest + 8), 0},
              {"tapped", kEpsilon * (4 * largest + 8), 0}};
  if (w.size() == 4) {  // and f32 transforms of numbers up to 361 times the result's
    const double error = winograd_i16_error(static_cast<double>(w[1]), quantizer);
    c.bounds.push_back({"winograd_i16", error + kEpsilon * 400 * largest, 0});
  }
  // Kernels that take x as it is: what saturates is another number altogether.
  c.absolute = columns * 128 * kMostScale * (double{quantizer.scale} + 1.0) + 1e-4;
  return c;
}

TEST(StaticU8, LinearEqualsTheBytesItStandsFor) {
  struct Size {
    std::int64_t rows, n, k;
  };
  const Size sizes[] = {{0, 3, 4},   {1, 1, 1},   {1, 16, 8},    {1, 17, 9},   {2, 15, 31},
                        {3, 33, 32}, {7, 16, 17}, {37, 129, 70}, {15, 50, 65}, {9, 131, 343}};
  for (const Size& s : sizes)
    for (const ir::InputQuantizer& quantizer : kQuantizers) {
      const bool extras = quantizer.zero != 0;
      SCOPED_TRACE(testing::Message() << s.rows << "x" << s.n << "x" << s.k);
      const auto ran = check_kernels(case_of(test::node_of(ir::OpKind::kLinear, {}, 5),
                                             {s.rows, s.k}, {s.n, s.k}, {s.rows, s.n}, quantizer,
                                             static_cast<double>(s.k), extras));
      EXPECT_EQ(ran.front(), "cpu/linear_static_u8");
    }
}

TEST(StaticU8, ConvEqualsTheBytesItStandsFor) {
  struct Conv {
    std::int64_t batch, channels, steps, outputs, taps, stride, dilation, groups, left, right;
  };
  const Conv convs[] = {{1, 1, 1, 1, 1, 1, 1, 1, 0, 0},     {1, 3, 7, 5, 1, 1, 1, 1, 0, 0},
                        {2, 16, 17, 33, 1, 1, 1, 1, 0, 0},  {2, 7, 20, 17, 5, 1, 1, 1, 2, 2},
                        {1, 6, 40, 18, 3, 3, 2, 1, 4, 3},   {1, 12, 19, 18, 3, 1, 1, 3, 1, 1},
                        {1, 33, 55, 67, 5, 1, 1, 1, 2, 2},  {1, 10, 4, 6, 4, 1, 1, 1, 6, 7},
                        {1, 24, 130, 72, 1, 1, 1, 3, 0, 0}, {1, 9, 24, 9, 3, 1, 1, 9, 1, 1}};
  for (const Conv& v : convs)
    for (const ir::InputQuantizer& quantizer : kQuantizers) {
      SCOPED_TRACE(testing::Message() << v.channels << "x" << v.steps << "x" << v.outputs);
      ir::Node node = test::node_of(ir::OpKind::kConv,
                                    {{"stride", v.stride},
                                     {"dilation", v.dilation},
                                     {"groups", v.groups},
                                     {"pad_left", v.left},
                                     {"pad_right", v.right}},
                                    5);
      const std::int64_t out =
          (v.steps + v.left + v.right - (v.taps - 1) * v.dilation - 1) / v.stride + 1;
      const double columns = static_cast<double>(v.channels / v.groups * v.taps);
      const auto ran = check_kernels(case_of(std::move(node), {v.batch, v.channels, v.steps},
                                             {v.outputs, v.channels / v.groups, v.taps},
                                             {v.batch, v.outputs, out}, quantizer, columns, true));
      EXPECT_NE(std::find(ran.begin(), ran.end(), "cpu/conv_static_u8"), ran.end());
    }
}

TEST(StaticU8, ConvNdEqualsTheBytesItStandsFor) {
  struct Conv {
    Dims x, w, strides, dilations, pads;
    std::int64_t groups;
    Dims y;
  };
  const Conv convs[] = {
      {{2, 3, 7, 9}, {20, 3, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, {2, 20, 7, 9}},
      {{1, 16, 9, 17}, {36, 8, 3, 2}, {2, 3}, {1, 2}, {1, 0, 0, 2}, 2, {1, 36, 4, 6}},
      {{1, 35, 12, 13}, {65, 35, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1, {1, 65, 12, 13}},
      {{1, 32, 6, 7}, {24, 16, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 2, {1, 24, 6, 7}},
      {{1, 5, 10, 4}, {9, 5, 1, 1}, {2, 2}, {1, 1}, {0, 0, 0, 0}, 1, {1, 9, 5, 2}},
      {{2, 2, 4, 5, 6},
       {3, 2, 2, 3, 3},
       {1, 2, 1},
       {1, 1, 2},
       {0, 1, 1, 1, 0, 2},
       1,
       {2, 3, 4, 2, 5}},
      {{1, 24, 8, 9}, {80, 24, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, {1, 80, 8, 9}},
      {{0, 3, 5, 5}, {2, 3, 3, 3}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1, {0, 2, 3, 3}}};
  for (const Conv& v : convs)
    for (const ir::InputQuantizer& quantizer : kQuantizers) {
      const bool extras = quantizer.zero != 0;
      ir::Node node = test::node_of(ir::kOpConvNd,
                                    {{"strides", v.strides},
                                     {"dilations", v.dilations},
                                     {"pads", v.pads},
                                     {"groups", v.groups}},
                                    5);
      const double columns = static_cast<double>(test::num_elements(v.w) / v.w[0]);
      const auto ran =
          check_kernels(case_of(std::move(node), v.x, v.w, v.y, quantizer, columns, extras));
      EXPECT_EQ(ran, std::vector<std::string>{"cpu/conv_nd_static_u8"});
    }
}

struct LastConv {
  Dims x, w, strides, dilations, pads;
  std::int64_t groups;
  Dims y;
};
const LastConv kLastConvs[] = {
    {{2, 7, 9, 3}, {20, 3, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, {2, 7, 9, 20}},
    {{1, 9, 17, 16}, {36, 8, 3, 2}, {2, 3}, {1, 2}, {1, 0, 0, 2}, 2, {1, 4, 6, 36}},
    {{1, 12, 13, 35}, {65, 35, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1, {1, 12, 13, 65}},
    {{1, 6, 7, 32}, {24, 16, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 2, {1, 6, 7, 24}},
    {{1, 10, 4, 8}, {9, 8, 1, 1}, {2, 2}, {1, 1}, {0, 0, 0, 0}, 1, {1, 5, 2, 9}},
    {{1, 8, 9, 24}, {80, 24, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, {1, 8, 9, 80}},
    {{1, 14, 21, 20}, {36, 20, 3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}, 1, {1, 7, 11, 36}},
    {{2, 5, 30, 16}, {18, 16, 3, 3}, {1, 1}, {2, 1}, {2, 1, 2, 1}, 1, {2, 5, 30, 18}},
    {{1, 6, 7, 64}, {33, 64, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1, {1, 6, 7, 33}},
    {{1, 3, 80, 6}, {17, 6, 2, 5}, {1, 1}, {1, 1}, {3, 6, 0, 7}, 1, {1, 5, 89, 17}},
    {{0, 5, 5, 3}, {2, 3, 3, 3}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1, {0, 3, 3, 2}},
    {{1, 3, 4, 8}, {8, 8, 3, 3}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1, {1, 1, 2, 8}},
    {{4, 1, 5, 8}, {18, 8, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1, {4, 1, 5, 18}},
    {{1, 13, 16, 8}, {18, 8, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1, {1, 13, 16, 18}},
    {{1, 3, 5, 140}, {18, 140, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, {1, 3, 5, 18}},
    {{2, 9, 30, 9}, {8, 9, 3, 3}, {1, 1}, {1, 1}, {2, 0, 2, 1}, 1, {2, 11, 29, 8}}};

KernelCase last_case(const LastConv& v, const ir::InputQuantizer& quantizer, bool extras) {
  ir::Node node = test::node_of(
      ir::kOpConvLast,
      {{"strides", v.strides}, {"dilations", v.dilations}, {"pads", v.pads}, {"groups", v.groups}},
      5);
  const double columns = static_cast<double>(test::num_elements(v.w) / v.w[0]);
  return case_of(std::move(node), v.x, v.w, v.y, quantizer, columns, extras);
}

// The kernels that take such a layer, in the table's order.
std::vector<std::string> takers(const LastConv& v) {
  std::vector<std::string> out = {"cpu/conv_last_static_u8"};
  if (v.groups != 1) return out;
  if (v.dilations[1] == 1) out.insert(out.begin(), "cpu/conv_last_tapped_u8");
  const Dims one = {1, 1};
  if (v.w[2] == 3 && v.w[3] == 3 && v.strides == one && v.dilations == one && v.w[1] >= 8)
    out.push_back("cpu/conv_last_winograd_i16");
  return out;
}

TEST(StaticU8, ConvLastEqualsTheBytesItStandsFor) {
  for (const LastConv& v : kLastConvs)
    for (const ir::InputQuantizer& quantizer : kQuantizers) {
      SCOPED_TRACE(testing::PrintToString(v.x) + " " + testing::PrintToString(v.w));
      const auto ours = takers(v);
      KernelCase c = last_case(v, quantizer, quantizer.zero != 0);
      EXPECT_EQ(check_kernels(c), ours);
      // What the product does in registers.
      c.node.attrs.set("act", static_cast<std::int64_t>(Unary::kRelu));
      EXPECT_EQ(check_kernels(c), ours);
    }
}

// Channels that are not the result's are the base's.
TEST(StaticU8, ConvLastPlacesItsResult) {
  for (const std::size_t which : {0u, 2u, 5u}) {
    const LastConv& v = kLastConvs[which];
    KernelCase c = last_case(v, kQuantizers[0], true);
    c.node.inputs = test::node_of(ir::kOpConvLast, {}, 6).inputs;
    c.node.attrs.set("y_begin", std::int64_t{2});
    c.node.attrs.set("y_width", v.w[0] + 5);
    Dims base = v.y;
    base.back() += 5;
    c.inputs.push_back(test::random_ref(base, 6));
    EXPECT_EQ(check_kernels(c), takers(v));
  }
}

// x that is bytes, y that becomes bytes, alone and placed.
TEST(StaticU8, ConvLastReadsAndMakesBytes) {
  for (const LastConv& v : kLastConvs)
    for (const ir::InputQuantizer& quantizer : kQuantizers)
      for (const bool placed : {false, true}) {
        SCOPED_TRACE(testing::PrintToString(v.x) + " " + testing::PrintToString(v.w));
        KernelCase c = last_case(v, quantizer, quantizer.zero != 0);
        c.node.attrs.erase("act");
        if (quantizer.zero != 0) c.node.attrs.set("act", static_cast<std::int64_t>(Unary::kRelu));
        c.inputs[0] = test::random_whole(v.x, 8, DType::kU8, 0, quantizer.levels);
        EXPECT_EQ(check_kernels(c), takers(v));
        ir::set_output_quantizer(c.node.attrs, {0.04f, 30, quantizer.levels});
        // One: next to the middle of two steps.
        const double of_i16 = winograd_i16_error(static_cast<double>(v.w[1]), quantizer) / 0.04;
        c.bounds = {{"_u8", 1, 0}, {"winograd_i16", 1 + of_i16, 0}};
        if (placed) {
          c.node.inputs = test::node_of(ir::kOpConvLast, {}, 6).inputs;
          c.node.attrs.set("y_begin", std::int64_t{3});
          c.node.attrs.set("y_width", v.w[0] + 4);
          Dims base = v.y;
          base.back() += 4;
          c.inputs.push_back(test::random_whole(base, 9, DType::kU8, 0, 255));
        }
        EXPECT_EQ(check_kernels(c), takers(v));
      }
}

// Weights around a zero point that bytes do not hold, x and y in f32 and bytes.
TEST(StaticU8, ConvLastShiftsItsWeights) {
  for (const LastConv& v : kLastConvs)
    for (const std::int64_t shift : {-9, 128}) {
      SCOPED_TRACE(testing::PrintToString(v.x) + " " + testing::PrintToString(v.w) + " " +
                   std::to_string(shift));
      KernelCase c = last_case(v, kQuantizers[0], true);
      c.node.attrs.set("act", static_cast<std::int64_t>(Unary::kRelu));
      c.node.attrs.set("w_shift", shift);
      for (auto& bound : c.bounds) bound.absolute *= 2;  // weights up to 256
      std::vector<std::string> ours = {"cpu/conv_last_static_u8"};
      if (v.groups == 1 && v.dilations[1] == 1 && v.x[3] % 4 == 0)
        ours.insert(ours.begin(), "cpu/conv_last_tapped_u8");
      EXPECT_EQ(check_kernels(c), ours);
      c.inputs[0] = test::random_whole(v.x, 8, DType::kU8, 0, 255);
      ir::set_output_quantizer(c.node.attrs, {0.04f, 30, 255});
      c.bounds = {{"_u8", 1, 0}};
      EXPECT_EQ(check_kernels(c), ours);
    }
}

// Channels around whole and half vectors, strides, gaps, padding on either side.
const LastConv kDepthwise[] = {
    {{1, 7, 9, 32}, {32, 1, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 32, {1, 7, 9, 32}},
    {{2, 8, 9, 96}, {96, 1, 3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}, 96, {2, 4, 5, 96}},
    {{1, 5, 6, 65}, {65, 1, 5, 4}, {1, 2}, {1, 1}, {2, 0, 3, 1}, 65, {1, 6, 2, 65}},
    {{1, 9, 11, 7}, {7, 1, 2, 3}, {1, 1}, {2, 3}, {0, 3, 1, 0}, 7, {1, 8, 8, 7}},
    {{1, 3, 4, 1000}, {1000, 1, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1000, {1, 3, 4, 1000}},
    {{1, 2, 3, 127}, {127, 1, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 127, {1, 2, 3, 127}},
    {{0, 5, 5, 3}, {3, 1, 3, 3}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 3, {0, 3, 3, 3}}};

TEST(StaticU8, DepthwiseEqualsTheBytesItStandsFor) {
  const std::vector<std::string> ours = {"cpu/conv_last_depthwise_u8", "cpu/conv_last_static_u8"};
  for (const LastConv& v : kDepthwise)
    for (const ir::InputQuantizer& quantizer : kQuantizers) {
      SCOPED_TRACE(testing::PrintToString(v.x) + " " + testing::PrintToString(v.w));
      KernelCase c = last_case(v, quantizer, quantizer.zero != 0);
      c.bounds[0].name_part = "_u8";
      if (quantizer.zero == 40) {
        c.node.attrs.set("w_shift", std::int64_t{128});
        c.bounds[0].absolute *= 2;
      }
      EXPECT_EQ(check_kernels(c), ours);
      c.node.attrs.set("act", static_cast<std::int64_t>(Unary::kRelu));
      EXPECT_EQ(check_kernels(c), ours);
    }
}

// x that is bytes, y that becomes bytes, which is placed.
TEST(StaticU8, DepthwiseReadsAndMakesBytes) {
  const std::vector<std::string> ours = {"cpu/conv_last_depthwise_u8", "cpu/conv_last_static_u8"};
  for (const LastConv& v : kDepthwise)
    for (const ir::InputQuantizer& quantizer : kQuantizers) {
      SCOPED_TRACE(testing::PrintToString(v.x) + " " + testing::PrintToString(v.w));
      KernelCase c = last_case(v, quantizer, quantizer.zero != 0);
      c.inputs[4].reset();
      c.node.attrs.erase("act2");
      c.node.attrs.erase("act");
      if (quantizer.zero == 128) c.node.attrs.set("act", static_cast<std::int64_t>(Unary::kRelu));
      c.inputs[0] = test::random_whole(v.x, 8, DType::kU8, 0, quantizer.levels);
      ir::set_output_quantizer(c.node.attrs, {0.04f, 30, quantizer.levels});
      c.bounds = {{"_u8", 1, 0}};  // next to the middle of two steps
      c.node.inputs = test::node_of(ir::kOpConvLast, {}, 6).inputs;
      c.node.attrs.set("y_begin", std::int64_t{3});
      c.node.attrs.set("y_width", v.w[0] + 4);
      Dims base = v.y;
      base.back() += 4;
      c.inputs.push_back(test::random_whole(base, 9, DType::kU8, 0, 255));
      EXPECT_EQ(check_kernels(c), ours);
    }
}

// Weights are rounded to bytes by the kernel: half a 127th of the largest.
TEST(StaticU8, ConvTransposeLastIsTheProductOfItsBytes) {
  const Dims widths[] = {{5, 7, 2, 2}, {16, 33, 3, 1}, {64, 20, 2, 2}};
  for (const Dims& w : widths)
    for (const ir::InputQuantizer& quantizer : kQuantizers)
      for (const bool bytes : {false, true}) {
        SCOPED_TRACE(testing::PrintToString(w));
        const double most = static_cast<double>(w[0]) * double{quantizer.scale} *
                            std::max(quantizer.zero, quantizer.levels);
        KernelCase c{
            .node = test::node_of(ir::kOpConvTransposeLast, {{"strides", Dims{w[2], w[3]}}}, 3),
            .inputs = {test::random_ref({2, 5, 7, w[0]}, 1), test::random_ref(w, 2),
                       test::random_ref({w[1]}, 3)},
            .constant = {false, true, true},
            .absolute = static_cast<double>(w[0]) * (double{quantizer.scale} + 1.0) + 1e-4,
            .bounds = {{"_u8", most * (0.5 / 127 + 8 * kEpsilon) + 4 * kEpsilon, 0}}};
        ir::set_input_quantizer(c.node.attrs, quantizer);
        if (bytes)
          c.inputs[0] = test::random_whole({2, 5, 7, w[0]}, 8, DType::kU8, 0, quantizer.levels);
        EXPECT_EQ(check_kernels(c).front(), "cpu/conv_transpose_last_u8");
        if (!bytes) continue;
        ir::set_output_quantizer(c.node.attrs, {0.05f, 117, 255});
        c.node.inputs = test::node_of(ir::kOpConvTransposeLast, {}, 4).inputs;
        c.node.attrs.set("y_begin", std::int64_t{1});
        c.node.attrs.set("y_width", w[1] + 3);
        c.inputs.push_back(
            test::random_whole({2, 5 * w[2], 7 * w[3], w[1] + 3}, 4, DType::kU8, 0, 255));
        c.bounds[0].absolute = 1 + c.bounds[0].absolute / 0.05;
        EXPECT_EQ(check_kernels(c), std::vector<std::string>{"cpu/conv_transpose_last_u8"});
      }
}

}  // namespace
}  // namespace antiphon
