// What low rank adds to rows, with and without AVX2, at widths around the lanes.
#include "engine/network/low_rank.h"

#include <gtest/gtest.h>

#include <random>

#include "engine/network/avx2.h"
#include "tests/support/safetensors_file.h"

namespace antiphon {
namespace {

TEST(LowRank, EqualsPlainSums) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  const auto drawn = [&](std::size_t count) {
    std::vector<float> values(count);
    for (float& x : values) x = normal(random);
    return values;
  };
  constexpr std::size_t kOut = 3;
  for (const std::size_t in : {1u, 2u, 7u, 31u, 32u, 33u, 64u, 100u}) {
    for (const std::size_t rank : {1u, 2u, 8u}) {
      const auto dim = [](std::size_t n) { return static_cast<std::int64_t>(n); };
      const std::vector<float> down = drawn(rank * in), up = drawn(rank * kOut), base = drawn(in);
      const auto weights = *Weights::parse(
          test::safetensors_bytes({{"down", test::f32_tensor({dim(rank), dim(in)}, down)},
                                   {"up", test::f32_tensor({dim(rank), dim(kOut)}, up)}}),
          "pair");
      const LowRank added(*MatrixRows::of(*weights, "down"), *MatrixRows::of(*weights, "up"));
      for (std::size_t row = 0; row < kOut; ++row) {
        std::vector<float> want;
        for (std::size_t i = 0; i < in; ++i) {
          double sum = base[i];
          for (std::size_t k = 0; k < rank; ++k)
            sum += double{up[k * kOut + row]} * down[k * in + i];
          want.push_back(static_cast<float>(sum));
        }
        for (const bool use_avx2 : {false, has_avx2()}) {
          std::vector<float> got = base;
          added.add_to(row, got, use_avx2);
          EXPECT_EQ(got, want) << "in " << in << " rank " << rank << " row " << row;
        }
      }
    }
  }
}

}  // namespace
}  // namespace antiphon
