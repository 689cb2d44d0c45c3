// Products with 24-bit weights: what they round, what they refuse, how far from exact they are
// beside those of f32.
#include "engine/kernels/cpu/gemm_i24.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

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

float peak_of(const float* row, std::int64_t cols) {
  float peak = 0;
  for (std::int64_t c = 0; c < cols; ++c) peak = std::max(peak, std::abs(row[c]));
  return peak;
}

const std::pair<std::int64_t, std::int64_t> kShapes[] = {
    {1, 1}, {15, 2}, {16, 3}, {17, 4}, {31, 5}, {33, 31}, {48, 127}, {70, 256}, {100, 689}};

TEST(GemmI24, EachWeightIsWithinItsBound) {
  for (const Isa isa : test::isas())
    for (const auto& [rows, cols] : kShapes) {
      const auto w = random_floats(rows * cols, 1);
      const auto m = pack_i24(rows, cols, w.data(), isa);
      ASSERT_TRUE(m);
      for (std::int64_t c = 0; c < cols; ++c) {
        std::vector<float> one(static_cast<std::size_t>(cols)), y(static_cast<std::size_t>(rows));
        one[static_cast<std::size_t>(c)] = 1;
        gemm_i24(*m, one.data(), cols, 1, y.data(), rows, 0, rows);
        for (std::int64_t r = 0; r < rows; ++r) {
          const float weight = w[static_cast<std::size_t>(r * cols + c)];
          const double peak = peak_of(w.data() + r * cols, cols);
          // A step of 24 bits rounds, then f32 twice: the whole number, and the scaled one.
          ASSERT_NEAR(y[static_cast<std::size_t>(r)], weight,
                      peak * 0x1p-24 * 1.001 + std::abs(weight) * 2 * 0x1p-24)
              << rows << " " << cols << " " << c;
        }
      }
    }
}

TEST(GemmI24, EqualsTheExactProduct) {
  for (const Isa isa : test::isas())
    for (const std::int64_t num : {1, 2, 3, 4, 5, 8, 13})
      for (const auto& [rows, cols] : kShapes) {
        const std::int64_t x_stride = cols + 3, y_stride = rows + 1;
        const auto w = random_floats(rows * cols, 1), x = random_floats(num * x_stride, 2);
        const auto bias = random_floats(rows, 3), residual = random_floats(num * rows, 4);
        const auto m = pack_i24(rows, cols, w.data(), isa);
        ASSERT_TRUE(m);
        const GemmFinish finish{bias.data(), residual.data(), rows, true, true};
        std::vector<float> y(static_cast<std::size_t>(num * y_stride), 99.0f), parts = y;
        gemm_i24(*m, x.data(), x_stride, num, y.data(), y_stride, 0, rows, &finish);
        const std::int64_t middle = rows / 2 / kPanelRows * kPanelRows;
        gemm_i24(*m, x.data(), x_stride, num, parts.data(), y_stride, 0, middle, &finish);
        gemm_i24(*m, x.data(), x_stride, num, parts.data(), y_stride, middle, rows, &finish);
        ASSERT_EQ(std::memcmp(y.data(), parts.data(), y.size() * sizeof(float)), 0);
        for (std::int64_t i = 0; i < num; ++i) {
          for (std::int64_t r = 0; r < rows; ++r) {
            double sum = bias[static_cast<std::size_t>(r)];
            for (std::int64_t c = 0; c < cols; ++c)
              sum += double{x[static_cast<std::size_t>(i * x_stride + c)]} *
                     w[static_cast<std::size_t>(r * cols + c)];
            sum = std::max(sum, 0.0) + residual[static_cast<std::size_t>(i * rows + r)];
            ASSERT_NEAR(y[static_cast<std::size_t>(i * y_stride + r)], std::max(sum, 0.0),
                        kEpsilon * static_cast<double>(cols * cols + 2 * cols + 4))
                << rows << " " << cols << " row " << i;
          }
          ASSERT_EQ(y[static_cast<std::size_t>(i * y_stride + rows)], 99.0f);
        }
      }
}

// Root mean square of the error of a product [1, cols] x [rows, cols], relative to that of y.
template <typename F>
double error_of(const std::vector<float>& w, const std::vector<float>& x, std::int64_t rows,
                F product) {
  const auto cols = static_cast<std::int64_t>(x.size());
  std::vector<float> y(static_cast<std::size_t>(rows));
  product(y.data());
  double errors = 0, squares = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    double sum = 0;
    for (std::int64_t c = 0; c < cols; ++c)
      sum += double{x[static_cast<std::size_t>(c)]} * w[static_cast<std::size_t>(r * cols + c)];
    errors += std::pow(y[static_cast<std::size_t>(r)] - sum, 2);
    squares += sum * sum;
  }
  return std::sqrt(errors / squares);
}

TEST(GemmI24, IsAsNearToExactAsF32) {
  constexpr std::int64_t kRows = 512, kCols = 1024;
  std::mt19937_64 random(5);
  std::normal_distribution<float> normal(0, 0.03f);
  std::vector<float> w(kRows * kCols);
  for (float& v : w) v = normal(random);
  const auto x = random_floats(kCols, 6);
  for (const Isa isa : test::isas()) {
    const F32Matrix f32 = pack_f32(kRows, kCols, w.data(), isa);
    const auto i24 = pack_i24(kRows, kCols, w.data(), isa);
    ASSERT_TRUE(i24);
    const double plain = error_of(
        w, x, kRows, [&](float* y) { gemv_f32(f32, x.data(), kCols, 1, y, kRows, 0, kRows); });
    const double ours = error_of(
        w, x, kRows, [&](float* y) { gemm_i24(*i24, x.data(), kCols, 1, y, kRows, 0, kRows); });
    EXPECT_LT(ours, 1.1 * plain);
    EXPECT_LT(i24->bytes(), 0.76 * static_cast<double>(f32.bytes()));
  }
}

TEST(GemmI24, OutliersAreKeptApart) {
  constexpr std::int64_t kRows = 20, kCols = 130;
  auto w = random_floats(kRows * kCols, 1);
  w[17 * kCols + 4] = 1e6f;
  w[17 * kCols + 129] = -50;
  w[2 * kCols + 9] = 12;
  auto x = random_floats(kCols, 2);
  x[4] = 0;  // the others of row 17 are what is left
  for (const Isa isa : test::isas()) {
    const auto m = pack_i24(kRows, kCols, w.data(), isa);
    ASSERT_TRUE(m);
    EXPECT_EQ(m->outliers.size(), 3u);
    const double error = error_of(
        w, x, kRows, [&](float* y) { gemm_i24(*m, x.data(), kCols, 1, y, kRows, 0, kRows); });
    EXPECT_LT(error, 4 * kEpsilon);
  }
}

TEST(GemmI24, RefusesWhatItCannotHold) {
  constexpr std::int64_t kRows = 20, kCols = 200;
  auto w = random_floats(kRows * kCols, 1);
  const auto packs = [&] { return pack_i24(kRows, kCols, w.data(), Isa::kPortable).has_value(); };
  EXPECT_TRUE(packs());
  for (const std::int64_t c : {3, 50, 100, 150}) w[19 * kCols + c] = 100;
  EXPECT_FALSE(packs());
  w = random_floats(kRows * kCols, 1);
  for (const float weight :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    w[7] = weight;
    EXPECT_FALSE(packs());
  }
  w.assign(w.size(), 0);
  EXPECT_TRUE(packs());
  w.assign(w.size(), 1e-40f);
  EXPECT_FALSE(packs());
}

// A row of which every twentieth weight is a million makes steps of 0.06; where x is 0 for those,
// f32 keeps the others.
TEST(GemmI24, ALayerWithTooManyOutliersKeepsF32) {
  constexpr std::int64_t kRows = 33, kCols = 100;
  test::RefTensor x = test::random_ref({2, kCols}, 1), w = test::random_ref({kRows, kCols}, 2);
  for (std::size_t c = 0; c < kCols; c += 20) {
    x.values[c] = x.values[kCols + c] = 0;
    w.values[5 * kCols + c] = 1e6;
  }
  const test::KernelCase layer{.node = test::node_of(ir::OpKind::kLinear, {}, 2),
                               .inputs = {x, w},
                               .constant = {false, true},
                               .absolute = kEpsilon * kCols * kCols,
                               .bounds = {}};
  const std::vector<std::string> ran = test::check_kernels(layer);
  EXPECT_EQ(std::count(ran.begin(), ran.end(), "cpu/linear_panels_i24"), 1);
}

}  // namespace
}  // namespace antiphon
