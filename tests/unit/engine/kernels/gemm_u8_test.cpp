// The u8 x s8 product that linear and conv kernels share.
#include "engine/kernels/cpu/gemm_u8.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

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
