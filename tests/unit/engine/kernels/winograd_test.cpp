// How much Winograd's transforms round: root mean square over many tiles, against double.
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "engine/kernels/cpu/winograd_tiles.h"
#include "tests/unit/engine/kernels/kernel_harness.h"

namespace antiphon {
namespace {

constexpr int kTiles = 200, kChannels = 64;

struct Squares {
  double error = 0, wanted = 0;
};

// One tile of m x m outputs: transformed, multiplied and added up over channels in f32.
void add_tile(int m, Isa isa, std::mt19937& random, Squares& sums) {
  const int n = m + 2;
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<std::size_t>(n * n * kChannels)), w(9 * kChannels);
  for (float& v : x) v = std::max(0.0f, normal(random));  // as behind a relu
  for (float& v : w) v = normal(random);
  std::vector<const float*> patch;
  for (int i = 0; i < n * n; ++i) patch.push_back(x.data() + i * kChannels);
  std::vector<float> v(x.size()), products(static_cast<std::size_t>(n * n));
  winograd_input(isa, m)(patch.data(), kChannels, v.data(), kChannels);
  for (int c = 0; c < kChannels; ++c) {
    double u[kWinogradMaxPatch];
    winograd_weights(m, w.data() + 9 * c, u);
    for (int i = 0; i < n * n; ++i)
      products[static_cast<std::size_t>(i)] +=
          v[static_cast<std::size_t>(i * kChannels + c)] * static_cast<float>(u[i]);
  }
  std::vector<float> y(static_cast<std::size_t>(m * m));
  std::vector<float*> pixels;
  for (float& pixel : y) pixels.push_back(&pixel);
  winograd_output(isa, m)(products.data(), 1, 1, pixels.data(), nullptr, {});
  for (int i = 0; i < m * m; ++i) {
    double sum = 0;
    for (int k = 0; k < 9; ++k)
      for (int c = 0; c < kChannels; ++c)
        sum += double{patch[static_cast<std::size_t>((i / m + k / 3) * n + i % m + k % 3)][c]} *
               w[static_cast<std::size_t>(9 * c + k)];
    const double error = y[static_cast<std::size_t>(i)] - sum;
    sums.error += error * error;
    sums.wanted += sum * sum;
  }
}

// A plain f32 sum of these 576 terms errs by 2e-7 to 3e-7. Tiles of 4 at the points 0, +-1, +-2
// err by 1.4e-6.
TEST(Winograd, RoundsLittle) {
  for (const Isa isa : test::isas())
    for (const int m : {2, 4}) {
      std::mt19937 random(3);
      Squares sums;
      for (int i = 0; i < kTiles; ++i) add_tile(m, isa, random, sums);
      const double error = std::sqrt(sums.error / sums.wanted);
      EXPECT_LT(error, m == 2 ? 4e-7 : 8e-7)
          << "tiles of " << m << ", isa " << static_cast<int>(isa);
      EXPECT_GT(error, 1e-9) << "nothing was rounded";
    }
}

}  // namespace
}  // namespace antiphon
