// Convolutions whose input becomes bytes of a range that is found as they run.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/ir/input_quantizer.h"
#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/dynamic_bytes.h"
#include "engine/kernels/cpu/gemm_u8.h"
#include "engine/kernels/cpu/team.h"
#include "tests/unit/engine/kernels/kernel_harness.h"

namespace antiphon {
namespace {

using test::KernelCase;
using Dims = std::vector<std::int64_t>;

struct Conv {
  Dims x, w, strides, dilations, pads;  // x with its channels last
  std::int64_t groups;
  Dims y;
};
const Conv kConvs[] = {
    {{2, 7, 9, 3}, {20, 3, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, {2, 7, 9, 20}},
    {{1, 9, 17, 16}, {36, 8, 3, 2}, {2, 3}, {1, 2}, {1, 0, 0, 2}, 2, {1, 4, 6, 36}},
    {{1, 12, 13, 36}, {65, 36, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1, {1, 12, 13, 65}},
    {{1, 14, 21, 20}, {36, 20, 3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}, 1, {1, 7, 11, 36}},
    {{1, 6, 7, 64}, {33, 64, 1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1, {1, 6, 7, 33}},
    {{1, 3, 5, 140}, {18, 140, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, {1, 3, 5, 18}},
    {{1, 70, 60, 8}, {16, 8, 3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 1, {1, 70, 60, 16}},
    {{1, 4, 5, 6, 8},
     {9, 8, 3, 3, 3},
     {1, 1, 1},
     {1, 1, 1},
     {1, 1, 1, 1, 1, 1},
     1,
     {1, 4, 5, 6, 9}},
    {{0, 5, 5, 3}, {2, 3, 3, 3}, {1, 1}, {1, 1}, {0, 0, 0, 0}, 1, {0, 3, 3, 2}}};

KernelCase case_of(const Conv& v, std::int64_t shift, bool extras) {
  KernelCase c{
      .node = test::node_of(ir::kOpConvLast,
                            {{"strides", v.strides},
                             {"dilations", v.dilations},
                             {"pads", v.pads},
                             {"groups", v.groups},
                             {"x_dynamic", std::int64_t{1}},
                             {"w_shift", shift}},
                            5),
      .inputs = {test::random_ref(v.x, 1), test::random_whole(v.w, 2, DType::kI8, -128, 127),
                 test::random_ref({v.w[0]}, 3, 1e-3, 8e-3), std::nullopt, std::nullopt},
      .constant = {false, true, true, true},
      .bounds = {}};
  if (extras) {
    c.inputs[3] = test::random_ref({v.w[0]}, 4);
    c.inputs[4] = test::random_ref(v.y, 5);
    c.node.attrs.set("act2", static_cast<std::int64_t>(Unary::kRelu));
  }
  const double columns = static_cast<double>(test::num_elements(v.w) / v.w[0]);
  // Whole sums are exact; their conversion, two products of scales and the epilogue round.
  c.absolute = 0x1p-23 * (4 * columns * 2 * 256 * 8e-3 + 8);
  return c;
}

bool ran(const std::vector<std::string>& names, const char* name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

TEST(DynamicU8, ConvLastFindsTheRangeOfItsInput) {
  for (const Conv& v : kConvs)
    for (const std::int64_t shift : {0, 1, -9, 128}) {
      SCOPED_TRACE(testing::PrintToString(v.x) + " " + testing::PrintToString(v.w) + " " +
                   std::to_string(shift));
      const auto names = check_kernels(case_of(v, shift, shift != 1));
      EXPECT_TRUE(ran(names, "cpu/conv_last_static_u8"));
      const bool flat = v.w.size() == 4 && v.groups == 1 && v.dilations[1] == 1;
      EXPECT_EQ(ran(names, "cpu/conv_last_tapped_u8"), flat && (shift == 0 || v.x[3] % 4 == 0));
    }
}

// Positive alone: the zero point is 0; shifted far: it is 255.
TEST(DynamicU8, OneSidedRanges) {
  for (const double sign : {1.0, -1.0}) {
    KernelCase c = case_of(kConvs[3], 3, true);
    for (double& v : c.inputs[0]->values) v = static_cast<float>(sign * (std::abs(v) + 0.5));
    check_kernels(c);
    for (double& v : c.inputs[0]->values) v = 0;
    check_kernels(c);
  }
}

TEST(DynamicU8, ConvNdWithItsChannelsFirst) {
  for (const std::int64_t shift : {0, 5}) {
    KernelCase c = case_of(kConvs[0], shift, true);
    c.node.op = ir::kOpConvNd;
    c.inputs[0] = test::random_ref({2, 3, 7, 9}, 1);
    c.inputs[4] = test::random_ref({2, 20, 7, 9}, 5);
    EXPECT_EQ(check_kernels(c), std::vector<std::string>{"cpu/conv_nd_static_u8"});
  }
}

ir::InputQuantizer numbers_of(const std::vector<float>& values, int members) {
  std::vector<float> copy = values;
  Tensor x{.rank = 1, .dims = {static_cast<std::int64_t>(copy.size())}, .data = copy.data()};
  alignas(64) std::byte workspace[4 * 64];
  EXPECT_LE(dynamic_quantizer_bytes(members), sizeof workspace);
  const auto team = make_team(members, false);
  return dynamic_quantizer(test::isas().back(), x, *team, workspace);
}

TEST(DynamicU8, EveryDivisionGivesTheSameNumbers) {
  std::vector<float> values(200'000, 0.25f);
  values[137] = -1.5f;
  values[199'999] = 3.5f;
  for (const int members : {1, 2, 3}) {
    const ir::InputQuantizer found = numbers_of(values, members);
    EXPECT_EQ(found.scale, 5.0f / 255);
    EXPECT_EQ(found.zero, 76);  // 76.5 to even
    EXPECT_EQ(found.levels, 255);
  }
}

TEST(DynamicU8, RangesWithoutAScaleAreNumbersAllTheSame) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(numbers_of({}, 1).scale, 1.0f);
  EXPECT_EQ(numbers_of({0, 0, 0}, 1).scale, 1.0f);
  for (const auto& values : {std::vector<float>{-infinity, 1},
                             {infinity, -infinity},
                             {std::numeric_limits<float>::quiet_NaN(), 1e-45f, -1e-45f}}) {
    const ir::InputQuantizer found = numbers_of(values, 1);
    EXPECT_GE(found.zero, 0);
    EXPECT_LE(found.zero, 255);
  }
}

TEST(DynamicU8, SumsOfShiftedRows) {
  std::vector<std::uint8_t> x(5000);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<std::uint8_t>(i * 37 + i / 11);
  for (const std::int64_t columns : {1, 7, 8, 9, 31, 1100}) {
    const TappedRows<std::uint8_t> rows{x.data() + 1, 13, 3, 1201, columns};
    std::int32_t sums[4];
    shifted_sums(rows, columns, 4, 119, -7, sums);
    for (std::int64_t r = 0; r < 4; ++r) {
      std::int64_t want = 0;
      for (std::int64_t tap = 0; tap < 3; ++tap)
        for (std::int64_t c = 0; c < columns; ++c)
          want += x[static_cast<std::size_t>(1 + r * 13 + tap * 1201 + c)] - 119;
      EXPECT_EQ(sums[r], -7 * want) << columns << " row " << r;
    }
  }
}

}  // namespace
}  // namespace antiphon
