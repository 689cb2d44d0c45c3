// The u8 x s8 product that linear and conv kernels share.
#include "engine/kernels/cpu/gemm_u8.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "engine/kernels/cpu/add_u8.h"
#include "tests/unit/engine/kernels/kernel_harness.h"

namespace antiphon {
namespace {

struct Rows {
  std::vector<std::uint8_t> values;
  std::vector<U8Row> numbers;
  std::int64_t stride;
};

Rows quantized(Isa isa, const std::vector<float>& x, std::int64_t num, std::int64_t cols) {
  Rows q{{}, {}, (cols + 3) / 4 * 4};
  q.values.assign(static_cast<std::size_t>(num * q.stride),
                  0xa5);  // what lies behind must not matter
  for (std::int64_t i = 0; i < num; ++i)
    q.numbers.push_back(
        quantize_u8(isa, x.data() + i * cols, cols, q.values.data() + i * q.stride));
  return q;
}

std::vector<float> product(const U8Matrix& m, const Rows& q, std::int64_t num) {
  std::vector<float> y(static_cast<std::size_t>(num * m.rows));
  const std::int64_t middle = m.rows / 2 / kPanelRows * kPanelRows;  // as a team would
  const TappedRows<std::uint8_t> x{q.values.data(), q.stride, 1, 0, q.stride};
  gemm_u8(m, x, q.numbers.data(), 1, num, y.data(), m.rows, 0, middle);
  gemm_u8(m, x, q.numbers.data(), 1, num, y.data(), m.rows, middle, m.rows);
  return y;
}

TEST(GemmU8, IsWithinItsStatedBoundAndTheSameForEqualLevels) {
  const std::pair<std::int64_t, std::int64_t> shapes[] = {{1, 1},   {15, 2},   {16, 3},   {17, 16},
                                                          {33, 31}, {48, 127}, {100, 688}};
  std::mt19937_64 random(1);
  std::uniform_int_distribution<int> weight(-128, 127);
  for (const std::int64_t num : {1, 2, 3, 5, 6, 7, 13, 14, 15, 29})
    for (const auto& [rows, cols] : shapes)
      for (const float low : {-1.0f, 0.0f, 0.5f, -2.0f}) {
        std::uniform_real_distribution<float> value(low, low + 2), scale_value(1e-3f, 8e-3f);
        std::vector<std::int8_t> w(static_cast<std::size_t>(rows * cols));
        std::vector<float> x(static_cast<std::size_t>(num * cols)),
            scale(static_cast<std::size_t>(rows)), of_255;
        for (std::int8_t& v : w) v = static_cast<std::int8_t>(weight(random));
        for (float& v : x) v = value(random);
        for (float& v : scale) v = scale_value(random);
        for (const Isa isa : test::isas()) {
          const U8Matrix m = pack_u8(rows, cols, w.data(), scale.data(), isa);
          const Rows q = quantized(isa, x, num, cols);
          const std::vector<float> y = product(m, q, num);
          if (u8_levels(isa) == 255) {
            if (of_255.empty()) of_255 = y;
            ASSERT_EQ(std::memcmp(of_255.data(), y.data(), y.size() * sizeof(float)), 0);
          }
          for (std::int64_t i = 0; i < num; ++i)
            for (std::int64_t r = 0; r < rows; ++r) {
              double exact = 0, magnitude = 0;
              for (std::int64_t c = 0; c < cols; ++c) {
                const double one = w[static_cast<std::size_t>(r * cols + c)];
                exact += one * double{x[static_cast<std::size_t>(i * cols + c)]};
                magnitude += std::abs(one);
              }
              const double s = double{scale[static_cast<std::size_t>(r)]};
              const double step = double{q.numbers[static_cast<std::size_t>(i)].scale};
              ASSERT_NEAR(y[static_cast<std::size_t>(i * rows + r)], s * exact,
                          s * magnitude * step * (0.5 + 0x1p-10) + 0x1p-20 * s * std::abs(exact))
                  << num << "x" << rows << "x" << cols << " from " << low << " isa "
                  << static_cast<int>(isa);
            }
        }
      }
}

TEST(GemmU8, NothingSaturatesAtTheExtremes) {
  const std::int64_t cols = kMaxU8Cols;
  for (const Isa isa : test::isas())
    for (const int weight : {-128, 127}) {
      const std::vector<std::int8_t> w(static_cast<std::size_t>(16 * cols),
                                       static_cast<std::int8_t>(weight));
      const std::vector<float> scale(16, 1.0f), x(static_cast<std::size_t>(cols), 3.0f);
      const U8Matrix m = pack_u8(16, cols, w.data(), scale.data(), isa);
      const std::vector<float> y = product(m, quantized(isa, x, 1, cols), 1);
      const double exact = 3.0 * weight * static_cast<double>(cols);
      EXPECT_NEAR(y[0], exact, std::abs(exact) * 1e-6);
    }
}

// With a bias and without, relu, rows that nobody wants, partial panels, an infinite scale.
TEST(GemmU8, BytesAreThoseOfTheNumbers) {
  constexpr std::int64_t kRows = 41, kCols = 12, kNum = 31;
  std::mt19937_64 random(3);
  std::uniform_int_distribution<int> byte(0, 255), weight(-128, 127);
  std::uniform_real_distribution<float> number(0.5e-3f, 3e-3f);
  std::vector<std::int8_t> w(kRows * kCols);
  std::vector<std::uint8_t> x(kNum * kCols);
  std::vector<float> scale(kRows), bias(kRows);
  std::vector<std::int32_t> places(kNum);
  for (std::int8_t& v : w) v = static_cast<std::int8_t>(weight(random));
  for (std::uint8_t& v : x) v = static_cast<std::uint8_t>(byte(random));
  for (float& v : scale) v = number(random);
  for (float& v : bias) v = 100 * (number(random) - 1.5e-3f);
  for (std::int32_t i = 0; i < kNum; ++i)
    places[static_cast<std::size_t>(i)] = i % 5 == 3 ? -1 : kNum - 1 - i;
  const TappedRows<std::uint8_t> rows{x.data(), kCols, 1, 0, kCols};
  const U8Row of_x{0.0371f, 119};
  for (const Isa isa : test::isas())
    for (const float first : {scale[0], INFINITY})
      for (const U8Row to :
           {U8Row{0.0173f, 0}, U8Row{0.0333f, 131}, U8Row{0.0021f, 255}, U8Row{1e-12f, 7}})
        for (const int kind : {0, 1, 2, 3}) {
          scale[0] = first;
          const U8Matrix m = pack_u8(kRows, kCols, w.data(), scale.data(), isa, 1, 255);
          GemmFinish finish;
          finish.bias = kind == 0 ? nullptr : bias.data();
          finish.relu = kind == 2;
          finish.relu_last = kind == 3;
          std::vector<float> y(kNum * kRows, 0.0f);
          std::vector<std::uint8_t> bytes(y.size(), 0), want(y.size(), 0);
          U8Sink sink{.y = y.data(), .numbers = {}, .stride = kRows, .places = places.data()};
          gemm_u8(m, rows, of_x, kNum, sink, 0, kRows, finish);
          sink = {.bytes = bytes.data(), .numbers = to, .stride = kRows, .places = places.data()};
          gemm_u8(m, rows, of_x, kNum, sink, 0, kRows, finish);
          for (const std::int32_t place : places)
            if (place >= 0)
              quantize_u8_static(Isa::kPortable, y.data() + place * kRows, kRows, to, 255,
                                 want.data() + place * kRows);
          ASSERT_EQ(bytes, want) << "isa " << static_cast<int>(isa) << " kind " << kind;
        }
}

// With all that may follow the product, on every ISA, for all that AVX2 tells apart by its weights.
TEST(GemmU8, ARowAloneHasTheBitsThatItHasAmongOthers) {
  constexpr std::int64_t kRows = 297, kCols = 20, kNum = 3;
  std::mt19937_64 random(5);
  std::uniform_int_distribution<int> byte(0, 255);
  std::uniform_real_distribution<float> number(0.5e-3f, 3e-3f);
  std::vector<std::uint8_t> x(kNum * kCols);
  std::vector<float> scale(kRows), bias(kRows), residual(kNum * kRows);
  for (std::uint8_t& v : x) v = static_cast<std::uint8_t>(byte(random));
  for (float& v : scale) v = number(random);
  for (float& v : bias) v = 100 * (number(random) - 1.5e-3f);
  for (float& v : residual) v = 100 * (number(random) - 1.5e-3f);
  const U8Row numbers[kNum] = {{0.0371f, 119}, {0.017f, 0}, {0.023f, 255}};
  const GemmFinish finish{bias.data(), residual.data(), kRows, true, true};
  for (const int most : {60, 127, 128}) {
    std::uniform_int_distribution<int> weight(-most, std::min(most, 127));
    std::vector<std::int8_t> w(kRows * kCols);
    for (std::int8_t& v : w) v = static_cast<std::int8_t>(weight(random));
    std::vector<float> first;
    for (const Isa isa : test::isas()) {
      const U8Matrix m = pack_u8(kRows, kCols, w.data(), scale.data(), isa, 1, 255);
      std::vector<float> together(kNum * kRows), alone(kNum * kRows);
      gemm_u8(m, {x.data(), kCols, 1, 0, kCols}, numbers, 1, kNum, together.data(), kRows, 0, kRows,
              &finish);
      for (std::int64_t i = 0; i < kNum; ++i) {
        GemmFinish one = finish;
        one.residual += i * kRows;
        for (const auto& [begin, end] : {std::pair<std::int64_t, std::int64_t>{0, 32}, {32, kRows}})
          gemm_u8(m, {x.data() + i * kCols, kCols, 1, 0, kCols}, numbers + i, 1, 1,
                  alone.data() + i * kRows, kRows, begin, end, &one);
      }
      ASSERT_EQ(alone, together) << most << " isa " << static_cast<int>(isa);
      if (first.empty()) first = together;
      ASSERT_EQ(together, first) << most << " isa " << static_cast<int>(isa);
    }
  }
}

// All pairs of bytes, at scales of which no product is exact.
TEST(AddU8, IsTheStepsOneByOne) {
  std::vector<std::uint8_t> a(65537), b(a.size()), y(a.size()), want(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    a[i] = static_cast<std::uint8_t>(i);
    b[i] = static_cast<std::uint8_t>(i >> 8);
  }
  std::vector<float> x(a.size()), second(a.size());
  const auto n = static_cast<std::int64_t>(a.size());
  const AddU8 cases[] = {
      {.a = {0.0423457f, 142}, .b = {0.1117683f, 126}, .to = {0.0624603f, 0}, .relu = false},
      {.a = {0.3f, 0}, .b = {0.7f, 255}, .to = {0.1f, 99}, .relu = true},
      {.a = {0.1f, 3}, .b = {0.2f, 7}, .to = {0.3f, 5}, .relu = true},
      {.a = {1.1f, 3}, .b = {0.7f, 177}, .to = {0.03f, 5}, .relu = false}};  // far out of a byte
  for (const AddU8& numbers : cases)
    for (const Isa isa : test::isas()) {
      const AddU8Row add = add_u8_row(isa, numbers);
      if (!add) continue;
      dequantize_u8(isa, a.data(), n, numbers.a, x.data());
      dequantize_u8(isa, b.data(), n, numbers.b, second.data());
      for (std::size_t i = 0; i < x.size(); ++i) {
        x[i] += second[i];
        if (numbers.relu) x[i] = std::max(x[i], 0.0f);
      }
      quantize_u8_static(Isa::kPortable, x.data(), n, numbers.to, 255, want.data());
      add(numbers, a.data(), b.data(), y.data(), n);
      ASSERT_EQ(y, want) << "isa " << static_cast<int>(isa);
    }
  EXPECT_EQ(add_u8_row(Isa::kAvx2, {.a = {1e-38f, 0}, .b = {1, 0}, .to = {1, 0}}), nullptr);
  EXPECT_EQ(add_u8_row(Isa::kAvx2, {.a = {1, 0}, .b = {1, 0}, .to = {1e-3f, 0}}), nullptr);
}

// Written out by the definition of DynamicQuantizeLinear, in f32 as there.
TEST(RangeU8, IsThatOfDynamicQuantizeLinear) {
  std::mt19937_64 random(11);
  for (const auto& [low, high] : {std::pair{-1.0f, 1.0f}, {0.2f, 3.0f}, {-0.7f, -0.1f}})
    for (const std::int64_t n : {1, 7, 8, 31, 256, 1000}) {
      std::uniform_real_distribution<float> value(low, high);
      std::vector<float> x(static_cast<std::size_t>(n));
      for (float& v : x) v = value(random);
      const float least = std::min(0.0f, *std::ranges::min_element(x));
      const float most = std::max(0.0f, *std::ranges::max_element(x));
      const float scale = (most - least) / 255;
      const auto zero = static_cast<std::int32_t>(std::nearbyint(-least / scale));
      for (const Isa isa : test::isas()) {
        const U8Row row = range_u8(isa, x.data(), n);
        EXPECT_EQ(row.scale, scale) << n << " isa " << static_cast<int>(isa);
        EXPECT_EQ(row.zero, zero) << n << " isa " << static_cast<int>(isa);
      }
    }
  const float odd[4][3] = {{0, 0, 0}, {1e-42f, 0, 0}, {1, INFINITY, 0}, {NAN, 0, 2}};
  for (const Isa isa : test::isas()) {
    for (int i = 0; i < 3; ++i) EXPECT_EQ(range_u8(isa, odd[i], 3).scale, 0.0f) << i;
    EXPECT_EQ(range_u8(isa, odd[3], 3).scale, 2.0f / 255);
  }
}

TEST(QuantizeU8, ZeroIsMetExactlyAndOddRowsHarmNothing) {
  for (const Isa isa : test::isas()) {
    const float rows[5][9] = {{0, 0, 0, 0, 0, 0, 0, 0, 0},
                              {-0.3f, 0, 1.7f, 0, 0.9f, 0, 0, 0.1f, 0},
                              {1e-42f, 0, 0, 0, 0, 0, 0, 0, -1e-42f},
                              {1, INFINITY, 2, 0, 0, 0, 0, 0, 1},
                              {1, NAN, 2, 0, 0, 0, 0, 0, 1}};
    std::uint8_t values[9];
    EXPECT_EQ(quantize_u8(isa, rows[0], 9, values).scale, 0.0f);
    const U8Row row = quantize_u8(isa, rows[1], 9, values);
    for (const int at : {1, 3, 5, 6, 8}) EXPECT_EQ(values[at], row.zero);
    for (int r = 2; r < 5; ++r)
      EXPECT_TRUE(std::isfinite(quantize_u8(isa, rows[r], 9, values).scale));
    for (const std::uint8_t v : values) EXPECT_LE(v, u8_levels(isa));
  }
}

}  // namespace
}  // namespace antiphon
