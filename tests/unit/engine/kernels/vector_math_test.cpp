// The row functions against the standard library in double, over their whole range.
#include "engine/kernels/cpu/vector_math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "engine/network.h"
#include "tests/unit/engine/kernels/kernel_harness.h"

namespace antiphon {
namespace {

struct UnaryCase {
  Unary op;
  float low, high;
  double (*exact)(double);
  // Allowed: relative * |exact| + of_x * |x| + absolute.
  double relative, of_x, absolute;
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double gelu(double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }
double silu(double x) { return x * sigmoid(x); }
double relu6(double x) { return std::min(std::max(x, 0.0), 6.0); }
double hard_swish(double x) { return x * std::min(std::max(x / 6 + 0.5, 0.0), 1.0); }
double rsqrt(double x) { return 1 / std::sqrt(x); }
double reciprocal(double x) { return 1 / x; }

const UnaryCase kCases[] = {
    {Unary::kExp, -85, 88, [](double x) { return std::exp(x); }, 5e-7, 0, 0},
    {Unary::kLog, 1e-30f, 1e30f, [](double x) { return std::log(x); }, 5e-7, 0, 1e-7},
    {Unary::kLog, 0.5f, 2.0f, [](double x) { return std::log(x); }, 5e-7, 0, 1e-7},
    {Unary::kSqrt, 0, 1e6f, [](double x) { return std::sqrt(x); }, 1.2e-7, 0, 0},
    {Unary::kRsqrt, 1e-6f, 1e6f, rsqrt, 5e-7, 0, 0},
    {Unary::kReciprocal, 0.01f, 100, reciprocal, 5e-7, 0, 0},
    {Unary::kTanh, -12, 12, [](double x) { return std::tanh(x); }, 5e-7, 0, 0},
    {Unary::kTanh, -1e-2f, 1e-2f, [](double x) { return std::tanh(x); }, 5e-7, 0, 0},
    {Unary::kSigmoid, -80, 80, sigmoid, 5e-7, 0, 0},
    {Unary::kErf, -6, 6, [](double x) { return std::erf(x); }, 1e-6, 0, 0},
    {Unary::kGelu, -8, 8, gelu, 5e-7, 5e-7, 0},
    {Unary::kRelu6, -8, 8, relu6, 0, 0, 0},
    {Unary::kSilu, -80, 80, silu, 5e-7, 0, 0},
    {Unary::kHardSwish, -8, 8, hard_swish, 5e-7, 5e-7, 0},
    {Unary::kSin, -100, 100, [](double x) { return std::sin(x); }, 0, 0, 5e-7},
    {Unary::kCos, -30000, 30000, [](double x) { return std::cos(x); }, 0, 0, 5e-7},
};

TEST(VectorMath, UnaryIsWithinItsStatedError) {
  constexpr int kPoints = 20011;
  for (const Isa isa : test::isas())
    for (const UnaryCase& c : kCases) {
      std::vector<float> x(kPoints), y(kPoints);
      for (int i = 0; i < kPoints; ++i)
        x[static_cast<std::size_t>(i)] =
            c.low + (c.high - c.low) * static_cast<float>(i) / static_cast<float>(kPoints - 1);
      vector_math(isa).unary[static_cast<std::size_t>(c.op)](x.data(), y.data(), kPoints);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double exact = c.exact(x[i]);
        ASSERT_NEAR(y[i], exact,
                    c.relative * std::abs(exact) + c.of_x * std::abs(x[i]) + c.absolute)
            << "op " << static_cast<int>(c.op) << " of " << x[i] << ", isa "
            << static_cast<int>(isa);
      }
    }
}

TEST(VectorMath, EdgesOfExpLogAndTanh) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const Isa isa : test::isas()) {
    const auto& unary = vector_math(isa).unary;
    const auto at = [&](Unary op, float x) {
      float y = 0;
      unary[static_cast<std::size_t>(op)](&x, &y, 1);
      return y;
    };
    EXPECT_EQ(at(Unary::kExp, kInf), kInf);
    EXPECT_EQ(at(Unary::kExp, 1000), kInf);
    EXPECT_EQ(at(Unary::kExp, -kInf), 0);
    EXPECT_EQ(at(Unary::kExp, -1000), 0);
    EXPECT_EQ(at(Unary::kExp, 0), 1);
    EXPECT_EQ(at(Unary::kLog, 0), -kInf);
    EXPECT_EQ(at(Unary::kLog, kInf), kInf);
    EXPECT_EQ(at(Unary::kLog, 1), 0);
    EXPECT_TRUE(std::isnan(at(Unary::kLog, -1)));
    for (const Unary op : {Unary::kSin, Unary::kCos}) {
      EXPECT_TRUE(std::isnan(at(op, nan)));
      EXPECT_TRUE(std::isnan(at(op, -kInf)));
      EXPECT_EQ(at(op, 1e30f), 0);  // too far to count turns
    }
    EXPECT_EQ(at(Unary::kSigmoid, -kInf), 0);
    EXPECT_EQ(at(Unary::kSigmoid, kInf), 1);
    EXPECT_NEAR(at(Unary::kTanh, kInf), 1, 5e-7);
    EXPECT_LE(at(Unary::kTanh, kInf), 1);
    EXPECT_NEAR(at(Unary::kErf, kInf), 1, 1e-6);
    for (const Unary op : {Unary::kExp, Unary::kLog, Unary::kTanh, Unary::kSigmoid, Unary::kRelu,
                           Unary::kRelu6, Unary::kSilu, Unary::kHardSwish})
      EXPECT_TRUE(std::isnan(at(op, nan))) << static_cast<int>(op);
  }
}

TEST(VectorMath, TheLargestOfRowsOfMinusInfinity) {
  const float low = -std::numeric_limits<float>::infinity();
  for (const Isa isa : test::isas()) {
    const VectorMath& math = vector_math(isa);
    for (std::size_t n = 1; n < 70; ++n)
      EXPECT_EQ(math.max(std::vector<float>(n, low).data(), static_cast<std::int64_t>(n)), low)
          << static_cast<int>(isa) << " " << n;
  }
}

TEST(VectorMath, ReductionsOfEveryLength) {
  for (const Isa isa : test::isas()) {
    const VectorMath& math = vector_math(isa);
    for (const std::size_t n : {0u, 1u, 3u, 4u, 7u, 8u, 9u, 15u, 16u, 17u, 33u, 64u, 129u, 1000u}) {
      std::vector<float> a(n), b(n), e(n);
      double sum = 0, dot = 0, exps = 0, squares = 0, magnitude = 0;
      float peak = -std::numeric_limits<float>::infinity();
      for (std::size_t i = 0; i < n; ++i) {
        a[i] = std::sin(static_cast<float>(i) * 1.7f) * 3;
        b[i] = std::cos(static_cast<float>(i) * 0.9f);
        sum += a[i];
        dot += double{a[i]} * b[i];
        exps += std::exp(double{a[i]} - 3);
        squares += (double{a[i]} - 0.5) * (double{a[i]} - 0.5);
        magnitude += 12.25;  // above each |a|, |a b| and square
        peak = std::max(peak, a[i]);
      }
      // n roundings of terms that are at most the sum of magnitudes.
      const double allowed = 6e-8 * (static_cast<double>(n) + 8) * magnitude;
      EXPECT_EQ(math.max(a.data(), static_cast<std::int64_t>(n)), peak);
      EXPECT_NEAR(math.sum(a.data(), static_cast<std::int64_t>(n)), sum, allowed);
      EXPECT_NEAR(math.dot(a.data(), b.data(), static_cast<std::int64_t>(n)), dot, allowed);
      EXPECT_NEAR(math.exp_minus(a.data(), 3, e.data(), static_cast<std::int64_t>(n)), exps,
                  allowed);
      EXPECT_NEAR(math.squares_around(a.data(), 0.5f, static_cast<std::int64_t>(n)), squares,
                  allowed);
      math.rescale(a.data(), 0.75f, b.data(), e.data(), static_cast<std::int64_t>(n));
      for (std::size_t i = 0; i < n; ++i)  // two roundings of at most 3 * 0.75
        EXPECT_NEAR(e[i], double{a[i]} * 0.75 * b[i], 6e-8 * 2 * 2.25) << n << " at " << i;
    }
  }
}

}  // namespace
}  // namespace antiphon
