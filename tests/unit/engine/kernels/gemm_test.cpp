// The packed products that kernels and the loop compiler share.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "engine/kernels/cpu/gemv_f32.h"
#include "engine/kernels/cpu/gemv_int8.h"
#include "tests/unit/engine/kernels/kernel_harness.h"

namespace antiphon {
namespace {

constexpr double kEpsilon = 0x1p-23;

std::vector<float> random_floats(std::int64_t n, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<float> value(-1, 1);
  std::vector<float> v(static_cast<std::size_t>(n));
  for (float& f : v) f = value(random);
  return v;
}
std::vector<std::int8_t> random_weights(std::int64_t n, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_int_distribution<int> value(-128, 127);
  std::vector<std::int8_t> v(static_cast<std::size_t>(n));
  for (std::int8_t& w : v) w = static_cast<std::int8_t>(value(random));
  return v;
}
double dot(const float* x, auto weight, std::int64_t n) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += double{x[i]} * weight(i);
  return sum;
}

const std::int64_t kRows[] = {1, 2, 3, 4, 5, 6, 7, 8, 13, 25};
const std::pair<std::int64_t, std::int64_t> kShapes[] = {{1, 1},   {15, 2},   {16, 3},   {17, 16},
                                                         {33, 31}, {48, 127}, {100, 688}};

TEST(GemvF32, EqualsTheExactProduct) {
  for (const Isa isa : test::isas())
    for (const std::int64_t num : kRows)
      for (const auto& [rows, cols] : kShapes) {
        const auto w = random_floats(rows * cols, 1), x = random_floats(num * (cols + 3), 2);
        const F32Matrix m = pack_f32(rows, cols, w.data(), isa);
        std::vector<float> y(static_cast<std::size_t>(num * (rows + 1)), 99.0f);
        gemv_f32(m, x.data(), cols + 3, num, y.data(), rows + 1, 0, rows);
        for (std::int64_t i = 0; i < num; ++i) {
          for (std::int64_t r = 0; r < rows; ++r) {
            const float* row = w.data() + r * cols;
            const auto weight = [&](std::int64_t c) { return double{row[c]}; };
            ASSERT_NEAR(y[static_cast<std::size_t>(i * (rows + 1) + r)],
                        dot(x.data() + i * (cols + 3), weight, cols),
                        kEpsilon * static_cast<double>(cols * cols + cols))
                << rows << " " << cols;
          }
          ASSERT_EQ(y[static_cast<std::size_t>(i * (rows + 1) + rows)], 99.0f);
        }
      }
}

TEST(GemvInt8, IsWithinItsStatedBoundAndTheSameOnEveryIsa) {
  for (const std::int64_t num : kRows)
    for (const auto& [rows, cols] : kShapes) {
      const auto w = random_weights(rows * cols, 1);
      const auto x = random_floats(num * cols, 2);
      std::vector<float> scale = random_floats(rows, 3), first;
      for (const Isa isa : test::isas()) {
        auto packed = pack_int8(rows, cols, w.data(), scale.data(), isa);
        ASSERT_TRUE(packed.ok());
        const Int8Matrix& m = **packed;
        std::vector<std::byte> memory(quantized_rows_bytes(num, cols) + 64);
        const QuantizedRows q = quantized_rows_at(memory.data(), num, cols);
        quantize_rows(isa, x.data(), cols, cols, m.q_max, q);
        std::vector<float> y(static_cast<std::size_t>(num * rows));
        // In two parts, as a team would.
        const std::int64_t middle = rows / 2 / kPanelRows * kPanelRows;
        gemv_int8(m, q, y.data(), rows, 0, middle);
        gemv_int8(m, q, y.data(), rows, middle, rows);
        if (first.empty()) first = y;
        ASSERT_EQ(std::memcmp(first.data(), y.data(), y.size() * sizeof(float)), 0);
        for (std::int64_t i = 0; i < num; ++i) {
          float peak = 0;
          for (std::int64_t c = 0; c < cols; ++c)
            peak = std::max(peak, std::abs(x[static_cast<std::size_t>(i * cols + c)]));
          for (std::int64_t r = 0; r < rows; ++r) {
            double magnitude = 0;
            for (std::int64_t c = 0; c < cols; ++c)
              magnitude += std::abs(int{w[static_cast<std::size_t>(r * cols + c)]});
            const auto* row = w.data() + r * cols;
            const auto weight = [&](std::int64_t c) {
              return double{scale[static_cast<std::size_t>(r)]} * row[c];
            };
            const double exact = dot(x.data() + i * cols, weight, cols);
            const double bound = std::abs(scale[static_cast<std::size_t>(r)]) * magnitude * peak /
                                     (2 * m.q_max) * (1 + 0x1p-10) +
                                 0x1p-21 * std::abs(exact);
            ASSERT_NEAR(y[static_cast<std::size_t>(i * rows + r)], exact, bound);
          }
        }
      }
    }
}

TEST(GemvInt8, DoesNotOverflowAtTheExtremes) {
  const std::int64_t cols = 70000;
  const std::vector<std::int8_t> w(static_cast<std::size_t>(16 * cols), -128);
  const std::vector<float> scale(16, 1.0f), x(static_cast<std::size_t>(cols), -3.0f);
  for (const Isa isa : test::isas()) {
    auto packed = pack_int8(16, cols, w.data(), scale.data(), isa);
    ASSERT_TRUE(packed.ok());
    std::vector<std::byte> memory(quantized_rows_bytes(1, cols));
    const QuantizedRows q = quantized_rows_at(memory.data(), 1, cols);
    quantize_rows(isa, x.data(), cols, cols, (*packed)->q_max, q);
    float y[16];
    gemv_int8(**packed, q, y, 16, 0, 16);
    EXPECT_NEAR(y[0], 3.0 * 128 * cols, 3.0 * 128 * cols * 1e-6);
  }
}

TEST(QuantizeRows, ZeroTinyAndNotFinite) {
  for (const Isa isa : test::isas()) {
    const float values[4][9] = {{0, 0, 0, 0, 0, 0, 0, 0, 0},
                                {1e-42f, 0, 0, 0, 0, 0, 0, 0, -1e-42f},
                                {1, INFINITY, 2, 0, 0, 0, 0, 0, 1},
                                {1, NAN, 2, 0, 0, 0, 0, 0, 1}};
    std::vector<std::byte> memory(quantized_rows_bytes(4, 9));
    const QuantizedRows q = quantized_rows_at(memory.data(), 4, 9);
    quantize_rows(isa, values[0], 9, 9, 32767, q);
    EXPECT_EQ(q.scales[0], 0.0f);
    for (int c = 0; c < 10; ++c) EXPECT_EQ(q.values[c], 0);
    for (int r = 0; r < 4; ++r) EXPECT_EQ(q.values[r * q.stride + 9], 0);
    EXPECT_TRUE(std::isfinite(q.scales[1]));
  }
}

}  // namespace
}  // namespace antiphon
