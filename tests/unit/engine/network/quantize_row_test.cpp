// Rows become bytes as by the plainest loops, with and without AVX2, at widths around the lanes.
#include "engine/network/quantize_row.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "engine/network/avx2.h"

namespace antiphon {
namespace {

float level(float value, float scale) {
  return std::clamp(std::nearbyint(value / scale), -127.0f, 127.0f);
}

// training/tts/pack.py, function quantised, on one row.
float wanted(const std::vector<float>& row, std::vector<std::int8_t>& out) {
  float peak = 1e-12f, best = 0;
  for (const float x : row) peak = std::max(peak, std::abs(x));
  double least = std::numeric_limits<double>::infinity();
  for (const float share : {1.0f, 0.96f, 0.92f, 0.88f, 0.84f, 0.8f}) {
    const float scale = peak * share / 127.0f;
    double error = 0;
    for (const float x : row) {
      const float product = level(x, scale) * scale;
      const float gap = product - x, square = gap * gap;
      error += double{square};
    }
    if (error < least) least = error, best = scale;
  }
  out.clear();
  for (const float x : row) out.push_back(static_cast<std::int8_t>(level(x, best)));
  return best;
}

TEST(QuantizeRow, EqualsPlainLoops) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  for (const std::size_t width : {1u, 2u, 7u, 8u, 9u, 31u, 32u, 33u, 256u, 1001u}) {
    for (const float spread : {0.0f, 1e-20f, 1e-3f, 1.0f, 1e6f}) {
      std::vector<float> row(width);
      for (float& x : row) x = spread * normal(random);
      std::vector<std::int8_t> want, got(width);
      const float scale = wanted(row, want);
      for (const bool use_avx2 : {false, true}) {
        if (use_avx2 && !has_avx2()) continue;
        EXPECT_EQ(quantize_row(row, got, use_avx2), scale) << width << " of " << spread;
        EXPECT_EQ(got, want) << width << " of " << spread;
      }
    }
  }
}

TEST(QuantizeRow, HalvesGoToEvenLevels) {
  const std::vector<float> row = {127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 126.5f};
  const std::vector<std::int8_t> want = {127, 0, 2, 2, 0, -2, -2, 126};
  std::vector<std::int8_t> got(row.size());
  for (const bool use_avx2 : {false, has_avx2()}) {
    EXPECT_EQ(quantize_row(row, got, use_avx2), 1.0f);
    EXPECT_EQ(got, want);
  }
}

}  // namespace
}  // namespace antiphon
