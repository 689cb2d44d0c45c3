// Linear, convolution, matrix product, embedding and attention from the table.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/kernels/cpu/backend.h"
#include "engine/kernels/cpu/team.h"
#include "tests/unit/engine/kernels/kernel_harness.h"

namespace antiphon::test {
namespace {

using ir::OpKind;
using Dims = std::vector<std::int64_t>;
constexpr double kEpsilon = 0x1p-23;

RefTensor scales(std::int64_t rows, std::uint64_t seed) {
  return random_ref({rows}, seed, 1e-3, 8e-3);
}

// Bounds for a sum of `terms` products |x| <= 1 with |w| <= `largest`, then an activation of slope
// at most 1.13 (gelu) twice, a bias and a residual.
void set_bounds(KernelCase& c, double terms, double largest) {
  const double f32 = 1.3 * kEpsilon * ((terms + 4) * terms * largest + 8);
  c.absolute = f32;
  // Activations rounded to max|x| / (2 q_max), q_max >= 32767 below 500 columns, else by the sum of
  // |w|: at most 127 a column.
  const double q_max = std::min(32767.0, 2147483647.0 / (127.0 * terms));
  // Rounded to bytes: half a step of (max - min) / levels, at least 127 levels.
  const double coarse = 1.3 * terms * largest / 127 * 1.01;
  c.bounds = {{"int8", f32 + 1.3 * terms * largest / (2 * q_max) * 1.01, 0},
              {"u8", f32 + coarse, 0}};
}

KernelCase linear_case(std::int64_t rows, std::int64_t n, std::int64_t k, bool int8, int extras) {
  KernelCase c{.node = node_of(OpKind::kLinear, {}, 5),
               .inputs = {},
               .constant = {false, true, true, true},
               .bounds = {}};
  c.inputs = {random_ref({rows, k}, 1), random_ref({n, k}, 2), std::nullopt, std::nullopt,
              std::nullopt};
  if (int8) {
    c.inputs[1] = random_whole({n, k}, 2, DType::kI8, -128, 127);
    c.inputs[2] = scales(n, 3);
  }
  if (extras >= 1) c.inputs[3] = random_ref({n}, 4);
  if (extras >= 2) {
    c.inputs[4] = random_ref({rows, n}, 5);
    c.node.attrs.set("act", static_cast<std::int64_t>(Unary::kGelu));
    c.node.attrs.set("act2", static_cast<std::int64_t>(Unary::kTanh));
  }
  set_bounds(c, static_cast<double>(k), int8 ? 128 * 8e-3 : 1.0);
  return c;
}

TEST(LinearKernels, AwkwardShapes) {
  struct Size {
    std::int64_t rows, n, k;
  };
  const Size sizes[] = {{0, 3, 4},   {1, 1, 1},    {1, 16, 8},  {1, 17, 9},    {2, 15, 31},
                        {3, 33, 32}, {4, 48, 33},  {5, 31, 7},  {6, 64, 64},   {7, 16, 17},
                        {8, 19, 40}, {13, 50, 65}, {25, 7, 16}, {37, 129, 70}, {2, 5, 0}};
  for (const Size& s : sizes)
    for (const bool int8 : {false, true})
      for (const int extras : {0, 1, 2}) {
        SCOPED_TRACE(testing::Message() << s.rows << "x" << s.n << "x" << s.k << " int8 " << int8);
        check_kernels(linear_case(s.rows, s.n, s.k, int8, extras));
      }
}

TEST(LinearKernels, LargeOdd) {
  for (const bool int8 : {false, true}) {
    check_kernels(linear_case(1, 515, 689, int8, 2));
    check_kernels(linear_case(41, 259, 343, int8, 2));
  }
}

TEST(LinearKernels, WeightsThatAreNotConstant) {
  KernelCase c = linear_case(3, 17, 9, false, 2);
  c.constant.clear();
  EXPECT_EQ(check_kernels(c), std::vector<std::string>{"cpu/linear_plain"});
}

struct ConvCase {
  std::int64_t batch, channels, steps, outputs, taps;
  std::int64_t stride = 1, dilation = 1, groups = 1, left = 0, right = 0;
};

KernelCase conv_case(const ConvCase& v, bool int8, bool extras) {
  KernelCase c{.node = node_of(OpKind::kConv,
                               {{"stride", v.stride},
                                {"dilation", v.dilation},
                                {"groups", v.groups},
                                {"pad_left", v.left},
                                {"pad_right", v.right}},
                               5),
               .inputs = {},
               .constant = {false, true, true, true},
               .bounds = {}};
  const Dims w = {v.outputs, v.channels / v.groups, v.taps};
  c.inputs = {random_ref({v.batch, v.channels, v.steps}, 1), random_ref(w, 2), std::nullopt,
              std::nullopt, std::nullopt};
  if (int8) {
    c.inputs[1] = random_whole(w, 2, DType::kI8, -128, 127);
    c.inputs[2] = scales(v.outputs, 3);
  }
  const std::int64_t out =
      (v.steps + v.left + v.right - (v.taps - 1) * v.dilation - 1) / v.stride + 1;
  if (extras) {
    c.inputs[3] = random_ref({v.outputs}, 4);
    c.inputs[4] = random_ref({v.batch, v.outputs, out}, 5);
    c.node.attrs.set("act", static_cast<std::int64_t>(Unary::kTanh));
    c.node.attrs.set("act2", static_cast<std::int64_t>(Unary::kRelu));
  }
  set_bounds(c, static_cast<double>(v.channels / v.groups * v.taps), int8 ? 128 * 8e-3 : 1.0);
  return c;
}

TEST(ConvKernels, AwkwardShapes) {
  const ConvCase cases[] = {
      {1, 1, 1, 1, 1},
      {1, 3, 7, 5, 1},
      {2, 16, 17, 33, 1},
      {1, 5, 9, 4, 3, 1, 1, 1, 1, 1},
      {2, 7, 20, 17, 5, 1, 1, 1, 2, 2},
      {1, 8, 31, 16, 3, 2, 1, 1, 1, 0},
      {1, 6, 40, 18, 3, 3, 2, 1, 4, 3},
      {2, 8, 33, 12, 3, 1, 4, 1, 8, 0},
      {1, 12, 19, 18, 3, 1, 1, 3, 1, 1},
      {1, 9, 24, 9, 3, 1, 1, 9, 1, 1},    // depth-wise
      {2, 17, 5, 17, 3, 1, 2, 17, 2, 2},  // depth-wise, dilated, short
      {1, 4, 70, 4, 3, 2, 1, 4, 0, 1},    // depth-wise, strided
      {1, 4, 30, 8, 3, 1, 1, 4, 1, 1},    // two outputs a group
      {1, 32, 3, 40, 3},                  // one step out
      {1, 10, 4, 6, 4, 1, 1, 1, 6, 7},    // mostly padding
      {1, 65, 85, 67, 5, 1, 1, 1, 2, 2},
      {2, 27, 60, 81, 3, 2, 2, 3, 3, 4},  // odd channels in wide groups
      {1, 3, 100, 3, 7, 1, 3, 3, 9, 9},
  };
  for (const ConvCase& v : cases)
    for (const bool int8 : {false, true})
      for (const bool extras : {false, true}) {
        SCOPED_TRACE(testing::Message() << "C " << v.channels << " T " << v.steps << " O "
                                        << v.outputs << " k " << v.taps << " int8 " << int8);
        check_kernels(conv_case(v, int8, extras));
      }
}

TEST(MatMulKernels, TransposesAndBatches) {
  struct Size {
    Dims a, b;
    std::int64_t m, n, k;
  };
  const Size sizes[] = {{{}, {}, 1, 1, 1},       {{}, {}, 7, 17, 9},        {{2}, {1}, 5, 16, 8},
                        {{2, 3}, {3}, 4, 9, 33}, {{2, 1}, {1, 3}, 3, 4, 5}, {{2}, {2}, 0, 3, 4},
                        {{1}, {4}, 33, 65, 70},  {{}, {}, 3, 5, 0}};
  for (const Size& s : sizes)
    for (const std::int64_t ta : {0, 1})
      for (const std::int64_t tb : {0, 1}) {
        Dims a = s.a, b = s.b;
        a.insert(a.end(), {ta ? s.k : s.m, ta ? s.m : s.k});
        b.insert(b.end(), {tb ? s.n : s.k, tb ? s.k : s.n});
        KernelCase c{.node = node_of(OpKind::kMatMul,
                                     {{"transpose_a", ta}, {"transpose_b", tb}, {"alpha", 0.5}}, 2),
                     .inputs = {random_ref(a, 1), random_ref(b, 2)},
                     .constant = {},
                     .bounds = {}};
        const auto terms = static_cast<double>(s.k);
        c.absolute = kEpsilon * (terms + 4) * terms * 0.5;
        check_kernels(c);
      }
}

TEST(EmbeddingKernels, RowsOfBothTypes) {
  for (const std::int64_t width : {1, 7, 16, 33, 400})
    for (const bool int8 : {false, true}) {
      KernelCase c{.node = node_of(OpKind::kEmbedding, {}, 3),
                   .inputs = {},
                   .constant = {false, true, true},
                   .relative = kEpsilon,
                   .bounds = {}};
      c.inputs = {random_whole({2, 40}, 1, DType::kI32, 0, 20), random_ref({21, width}, 2),
                  std::nullopt};
      if (int8) {
        c.inputs[1] = random_whole({21, width}, 2, DType::kI8, -128, 127);
        c.inputs[2] = scales(21, 3);
      }
      check_kernels(c);
    }
}

TEST(EmbeddingKernels, RefuseIdsOutside) {
  for (const std::int32_t bad : {-1, 5}) {
    const std::int32_t ids[] = {0, bad};
    const float table[10] = {};
    float y[4];
    ir::Node node = node_of(OpKind::kEmbedding, {}, 2);
    const Tensor inputs[] = {{DType::kI32, 1, {2}, const_cast<std::int32_t*>(ids)},
                             {DType::kF32, 2, {5, 2}, const_cast<float*>(table)}};
    const Tensor outputs[] = {{DType::kF32, 2, {2, 2}, y}};
    const auto team = make_team(1, false);
    for (const Kernel* kernel : cpu_backend().kernels) {
      if (kernel->op != OpKind::kEmbedding) continue;
      const Status status = kernel->run({&node, inputs, outputs}, {nullptr, team.get()});
      EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
      EXPECT_NE(status.message().find("id " + std::to_string(bad)), std::string::npos);
      EXPECT_NE(status.message().find("5 rows"), std::string::npos);
    }
  }
}

TEST(AttentionKernels, PackedAndSplit) {
  struct Size {
    std::int64_t batch, queries, keys, heads, width;
  };
  const Size sizes[] = {
      {1, 1, 1, 1, 1}, {2, 5, 9, 3, 7}, {1, 17, 17, 2, 8}, {2, 25, 25, 4, 33}, {1, 33, 16, 2, 32}};
  for (const Size& s : sizes)
    for (const bool packed : {false, true})
      for (const bool masked : {false, true}) {
        const std::int64_t keys = packed ? s.queries : s.keys, all = s.heads * s.width;
        KernelCase c{.node = node_of(OpKind::kAttention,
                                     {{"heads", s.heads}, {"packed", std::int64_t{packed}}}, 4),
                     .inputs = {},
                     .constant = {},
                     .bounds = {}};
        c.inputs = {random_ref({s.batch, s.queries, packed ? 3 * all : all}, 1), std::nullopt,
                    std::nullopt, std::nullopt};
        if (!packed) {
          c.inputs[1] = random_ref({s.batch, keys, all}, 2);
          c.inputs[2] = random_ref({s.batch, keys, all}, 3);
        }
        if (masked) c.inputs[3] = random_ref({s.batch, keys}, 4, -4, 0);
        // A score is off by width eps, so a weight by as much relatively; then `keys` additions.
        c.absolute =
            kEpsilon * (24 + 2 * static_cast<double>(s.width) + 2 * static_cast<double>(keys));
        check_kernels(c);
        if (!masked) continue;
        // A row of the mask for each query; the first of them masks all.
        c.inputs[3] = random_ref({s.batch, s.queries, keys}, 4, -4, 0);
        check_kernels(c);
        c.node.attrs.set("masked_rows", std::int64_t{1});
        std::fill_n(c.inputs[3]->values.begin(), keys, -INFINITY);
        check_kernels(c);
      }
}

// Keys and values by head, of another width, and masks of four axes, of which any may be 1.
TEST(AttentionKernels, ByHeadAndMasksOfFourAxes) {
  struct Size {
    std::int64_t batch, queries, keys, heads, width, value_width;
  };
  const Size sizes[] = {
      {1, 1, 1, 1, 1, 2}, {2, 5, 9, 3, 7, 4}, {2, 1, 40, 2, 8, 33}, {1, 49, 65, 2, 33, 16}};
  for (const Size& s : sizes)
    for (const int by_head : {0, 1, 6, 7})
      for (const int full : {0, 2, 3, 5, 9, 12, 15}) {
        const auto operand = [&](int bit, std::int64_t steps, std::int64_t width, unsigned seed) {
          return (by_head >> bit) % 2 != 0 ? random_ref({s.batch, s.heads, steps, width}, seed)
                                           : random_ref({s.batch, steps, s.heads * width}, seed);
        };
        const auto extent = [&](int bit, std::int64_t n) { return (full >> bit) % 2 ? n : 1; };
        KernelCase c{.node = node_of(OpKind::kAttention, {{"heads", s.heads}}, 4),
                     .inputs = {},
                     .constant = {},
                     .bounds = {}};
        c.inputs = {operand(0, s.queries, s.width, 1), operand(1, s.keys, s.width, 2),
                    operand(2, s.keys, s.value_width, 3),
                    random_ref({extent(0, s.batch), extent(1, s.heads), extent(2, s.queries),
                                extent(3, s.keys)},
                               4, -4, 0)};
        // As above; a score has as many terms of at most 1, which the scale below leaves.
        c.absolute =
            kEpsilon * (24 + 2 * static_cast<double>(s.width) + 2 * static_cast<double>(s.keys));
        check_kernels(c);
        c.node.attrs.set("scale", 0.75);
        c.absolute += kEpsilon * 2 * static_cast<double>(s.width * s.width);
        check_kernels(c);
      }
}

// Fewer heads of keys and values, which groups of the queries' heads share.
TEST(AttentionKernels, GroupsOfHeads) {
  struct Size {
    std::int64_t batch, queries, keys, heads, kv_heads, width, value_width;
  };
  const Size sizes[] = {{1, 1, 5, 4, 1, 3, 3}, {2, 1, 40, 6, 2, 8, 8}, {2, 27, 33, 4, 2, 16, 5}};
  for (const Size& s : sizes)
    for (const bool by_head : {false, true}) {
      const auto operand = [&](std::int64_t width, unsigned seed) {
        return by_head ? random_ref({s.batch, s.kv_heads, s.keys, width}, seed)
                       : random_ref({s.batch, s.keys, s.kv_heads * width}, seed);
      };
      KernelCase c{
          .node = node_of(OpKind::kAttention, {{"heads", s.heads}, {"kv_heads", s.kv_heads}}, 4),
          .inputs = {},
          .constant = {},
          .bounds = {}};
      c.inputs = {random_ref({s.batch, s.queries, s.heads * s.width}, 1), operand(s.width, 2),
                  operand(s.value_width, 3), random_ref({1, s.heads, s.queries, s.keys}, 4, -4, 0)};
      c.absolute =
          kEpsilon * (24 + 2 * static_cast<double>(s.width) + 2 * static_cast<double>(s.keys));
      check_kernels(c);
    }
}

// A causal mask behind a past, as large as exporters write it: what is later is left out.
TEST(AttentionKernels, CausalBehindAPast) {
  for (const std::int64_t past : {0, 3, 30})
    for (const double later : {-std::numeric_limits<double>::infinity(), -3.4028234663852886e38}) {
      const std::int64_t queries = 50, keys = past + queries;
      KernelCase c{.node = node_of(OpKind::kAttention, {{"heads", std::int64_t{2}}}, 4),
                   .inputs = {},
                   .constant = {},
                   .bounds = {}};
      c.inputs = {random_ref({2, queries, 16}, 1), random_ref({2, 2, keys, 8}, 2),
                  random_ref({2, 2, keys, 8}, 3), random_ref({1, 1, queries, keys}, 4, 0, 0)};
      for (std::int64_t i = 0; i < queries; ++i)
        for (std::int64_t t = past + i + 1; t < keys; ++t)
          c.inputs[3]->values[static_cast<std::size_t>(i * keys + t)] = later;
      c.absolute = kEpsilon * (24 + 16 + 2 * static_cast<double>(keys));
      check_kernels(c);
    }
}

// Windows that move along the keys, as of streams: what no query of a block hears may be left out.
// With large q and k some scores are larger than the mask: nothing may.
TEST(AttentionKernels, WindowsThatMove) {
  struct Size {
    std::int64_t batch, queries, keys, width, begin, reach;
  };
  const Size sizes[] = {{1, 64, 80, 8, 0, 17}, {2, 49, 130, 33, 40, 33}, {1, 100, 90, 16, -30, 60}};
  for (const Size& s : sizes)
    for (const double large : {1.0, 60.0}) {
      KernelCase c{.node = node_of(OpKind::kAttention, {{"heads", std::int64_t{2}}}, 4),
                   .inputs = {},
                   .constant = {},
                   .bounds = {}};
      c.inputs = {random_ref({s.batch, s.queries, 2 * s.width}, 1, -large, large),
                  random_ref({s.batch, s.keys, 2 * s.width}, 2, -large, large),
                  random_ref({s.batch, s.keys, 2 * s.width}, 3),
                  random_ref({s.batch, s.queries, s.keys}, 4, -0.5, 0)};
      auto mask = c.inputs[3]->values.begin();
      for (std::int64_t i = 0; i < s.batch * s.queries; ++i)
        for (std::int64_t t = 0; t < s.keys; ++t, ++mask) {
          const std::int64_t first = std::min(s.begin + i % s.queries, s.keys - 3);
          if (t < first || t > first + s.reach) *mask = i % 2 ? -1e4 : -INFINITY;
        }
      const double most = large * large * std::sqrt(static_cast<double>(s.width));
      c.absolute = kEpsilon * (24 + 2 * static_cast<double>(s.width) * std::max(1.0, most) +
                               2 * static_cast<double>(s.keys));
      check_kernels(c);
    }
}

}  // namespace
}  // namespace antiphon::test
