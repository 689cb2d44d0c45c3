// Bytes of floats and their products, without a layer around them: rounding, ties, sums that
// saturate nowhere.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "engine/kernels/cpu/gemm_u8.h"
#include "tests/unit/engine/kernels/kernel_harness.h"

namespace antiphon {
namespace {

TEST(U8Bytes, AreTheSameOnEveryIsaAndRoundLikeTheDefinition) {
  std::mt19937_64 random(3);
  std::normal_distribution<float> normal(0, 2);
  for (const std::int64_t n : {1, 7, 31, 32, 33, 200}) {
    std::vector<float> x(static_cast<std::size_t>(n));
    for (float& v : x) v = normal(random);
    x[0] = NAN;
    x.back() = n % 2 == 0 ? INFINITY : -1e30f;
    if (n > 2) x[1] = 2.5f * 0.017f;  // a tie, or next to it
    const U8Row row{0.017f, 117};
    for (const Isa isa : test::isas()) {
      std::vector<std::uint8_t> got(x.size() + 1, 0xa5);
      quantize_u8_static(isa, x.data(), n, row, 255, got.data());
      EXPECT_EQ(got.back(), 0xa5);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const float steps = std::isnan(x[i]) ? 0 : std::nearbyint(x[i] / row.scale);
        EXPECT_EQ(got[i], std::clamp(steps + 117.0f, 0.0f, 255.0f)) << x[i];
      }
    }
  }
}

// Where rounding decides: ties and their neighbours, for any scale and those that no inverse has.
TEST(U8Bytes, OfTiesAreThoseOfADivision) {
  std::mt19937_64 random(5);
  std::uniform_real_distribution<float> exponent(-40, 40);
  std::vector<float> scales = {1.0f, 0.25f, 1.0f / 255, 3.0f, 1e-35f, 1e33f, 1e-41f};
  for (int i = 0; i < 300; ++i) scales.push_back(std::exp2(exponent(random)));
  for (const float scale : scales) {
    const U8Row row{scale, 100};
    std::vector<float> x;
    for (int step = -102; step <= 157; ++step) {
      float v = (static_cast<float>(step) + 0.5f) * scale;
      for (int i = 0; i < 4; ++i) v = std::nextafter(v, -INFINITY);
      for (int i = 0; i < 9; ++i, v = std::nextafter(v, INFINITY)) x.push_back(v);
    }
    for (const Isa isa : test::isas()) {
      std::vector<std::uint8_t> got(x.size());
      quantize_u8_static(isa, x.data(), static_cast<std::int64_t>(x.size()), row, 255, got.data());
      for (std::size_t i = 0; i < x.size(); ++i)
        ASSERT_EQ(got[i], std::clamp(std::nearbyint(x[i] / scale) + 100.0f, 0.0f, 255.0f))
            << x[i] << " / " << scale;
    }
  }
}

// All 256 values against the largest weights: what AVX2's 16-bit sums would saturate.
TEST(U8Bytes, FullOnesNeverSaturate) {
  const std::int64_t rows = 19, cols = 24;
  std::mt19937_64 random(9);
  using Pairs = U8Matrix::Pairs;
  const std::pair<int, Pairs> cases[] = {
      {64, Pairs::kFit}, {127, Pairs::kCentred}, {128, Pairs::kApart}};
  for (const auto& [most, pairs] : cases) {
    std::uniform_int_distribution<int> weight(-most, std::min(most, 127));
    std::vector<std::int8_t> w(static_cast<std::size_t>(rows * cols));
    for (std::int8_t& v : w) v = static_cast<std::int8_t>(weight(random));
    std::fill_n(w.begin(), cols, static_cast<std::int8_t>(-most));
    std::fill_n(w.begin() + cols, cols, static_cast<std::int8_t>(std::min(most, 127)));
    const std::vector<float> scale(static_cast<std::size_t>(rows), 1.0f);
    for (const std::int64_t num : {1, 4, 5, 9}) {
      std::vector<std::uint8_t> x(static_cast<std::size_t>(num * cols), 255);
      for (std::size_t i = static_cast<std::size_t>(cols); i < x.size(); ++i)
        x[i] = static_cast<std::uint8_t>(random() & 255);
      if (num > 1) std::fill_n(x.begin() + cols, cols, std::uint8_t{0});
      for (const Isa isa : test::isas()) {
        const U8Matrix m = pack_u8(rows, cols, w.data(), scale.data(), isa, 1, 255);
        EXPECT_EQ(m.pairs, isa == Isa::kAvx2 ? pairs : Pairs::kFit);
        std::vector<float> y(static_cast<std::size_t>(num * rows));
        const U8Row numbers{1.0f, 3};
        gemm_u8(m, {x.data(), cols, 1, 0, cols}, &numbers, 0, num, y.data(), rows, 0, rows);
        for (std::int64_t i = 0; i < num; ++i)
          for (std::int64_t r = 0; r < rows; ++r) {
            int want = 0;
            for (std::int64_t c = 0; c < cols; ++c)
              want += (x[static_cast<std::size_t>(i * cols + c)] - 3) *
                      w[static_cast<std::size_t>(r * cols + c)];
            ASSERT_EQ(y[static_cast<std::size_t>(i * rows + r)], want) << num << " " << i;
          }
      }
    }
  }
}
}  // namespace
}  // namespace antiphon
