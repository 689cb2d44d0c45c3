// Floating-point formats below 32 bits: decoding, and rounding a number to one of them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace antiphon::ir {

// In the order of the attribute "format" of Math::kRoundFloat.
enum class SmallFloat : std::uint8_t {
  kF16,
  kBf16,
  kF8E4M3,
  kF8E4M3Fnuz,
  kF8E5M2,
  kF8E5M2Fnuz,
  kF4E2M1
};
constexpr int kNumSmallFloats = static_cast<int>(SmallFloat::kF4E2M1) + 1;

struct SmallFloatFacts {
  int exponent_bits, mantissa_bits, bias;
  double largest;
  bool has_infinity, has_nan;
  bool unsigned_zero;  // no -0: its bits are the NaN
};

constexpr SmallFloatFacts facts_of(SmallFloat format) {
  switch (format) {
    case SmallFloat::kF16: return {5, 10, 15, 65504, true, true, false};
    case SmallFloat::kBf16: return {8, 7, 127, 3.3895313892515355e38, true, true, false};
    case SmallFloat::kF8E4M3: return {4, 3, 7, 448, false, true, false};
    case SmallFloat::kF8E4M3Fnuz: return {4, 3, 8, 240, false, true, true};
    case SmallFloat::kF8E5M2: return {5, 2, 15, 57344, true, true, false};
    case SmallFloat::kF8E5M2Fnuz: return {5, 2, 16, 57344, false, true, true};
    case SmallFloat::kF4E2M1: return {2, 1, 1, 6, false, false, false};
  }
  return {};
}

// To the nearest, half to even. Beyond the largest: the largest where `saturate` says so or there
// is nothing else, else infinity, else NaN.
inline double round_to(SmallFloat format, double x, bool saturate) {
  const SmallFloatFacts f = facts_of(format);
  if (std::isnan(x)) return f.has_nan ? x : f.largest;
  const double magnitude = std::abs(x);
  int exponent = 0;
  double y = magnitude;
  if (magnitude != 0 && std::isfinite(magnitude)) {
    std::frexp(magnitude, &exponent);
    const int step = std::max(exponent - 1, 1 - f.bias) - f.mantissa_bits;
    y = std::ldexp(std::nearbyint(std::ldexp(magnitude, -step)), step);
  }
  if (y > f.largest) {
    if (saturate || !f.has_nan)
      y = f.largest;
    else
      y = f.has_infinity ? std::numeric_limits<double>::infinity()
                         : std::numeric_limits<double>::quiet_NaN();
  }
  if (y == 0 && f.unsigned_zero) return 0;
  return std::signbit(x) ? -y : y;
}

// The number that `bits` stand for.
inline double decode_small(SmallFloat format, std::uint32_t bits) {
  const SmallFloatFacts f = facts_of(format);
  const std::uint32_t mantissa = bits & ((1u << f.mantissa_bits) - 1);
  const auto exponent = static_cast<int>((bits >> f.mantissa_bits) & ((1u << f.exponent_bits) - 1));
  const bool negative = (bits >> (f.mantissa_bits + f.exponent_bits) & 1) != 0;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const int top = (1 << f.exponent_bits) - 1;
  if (f.unsigned_zero && negative && exponent == 0 && mantissa == 0) return nan;
  if (f.has_infinity && exponent == top) {
    const double infinity = std::numeric_limits<double>::infinity();
    return mantissa != 0 ? nan : negative ? -infinity : infinity;
  }
  if (format == SmallFloat::kF8E4M3 && exponent == top && mantissa == 7) return nan;
  const int hidden = exponent == 0 ? 0 : 1 << f.mantissa_bits;
  const double value = std::ldexp(static_cast<double>(static_cast<int>(mantissa) + hidden),
                                  std::max(exponent, 1) - f.bias - f.mantissa_bits);
  return negative ? -value : value;
}

}  // namespace antiphon::ir
