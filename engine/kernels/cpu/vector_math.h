// Row functions on f32 vectors, one table a SIMD level.
#pragma once

#include <array>
#include <cstdint>

#include "engine/ir/enum_names.h"
#include "engine/kernels/kernel.h"

namespace antiphon {

// Pointers need no alignment, n may be 0, y may equal an input (not overlap it otherwise).
// Any thread; no allocation. Comparisons and logic give 1 or 0; true is != 0.
// Error against the exact function of the f32 input, found by test on all levels:
//   exp, log, sqrt, rsqrt, reciprocal, tanh, sigmoid: relative 5e-7 (exp: results >= 1e-37);
//   erf: relative 1e-6; gelu, silu, hard swish: 5e-7 of |x|; sin, cos: absolute 5e-7, |x| <= 30000,
//   0 beyond 1e9.
struct VectorMath {
  using UnaryRow = void (*)(const float* x, float* y, std::int64_t n);
  using BinaryRow = void (*)(const float* a, const float* b, float* y, std::int64_t n);

  std::array<UnaryRow, ir::kNumUnary> unary;  // by antiphon::Unary
  std::array<BinaryRow, 12> binary;           // by antiphon::Binary: a[i] op b[i]
  std::array<BinaryRow, 12> binary_right;     // a[i] op b[0]
  std::array<BinaryRow, 12> binary_left;      // a[0] op b[i]
  void (*clamp)(const float* x, float low, float high, float* y, std::int64_t n);
  void (*where)(const float* condition, const float* a, const float* b, float* y, std::int64_t n);

  float (*max)(const float* x, std::int64_t n);  // -inf when n is 0
  float (*sum)(const float* x, std::int64_t n);
  float (*dot)(const float* a, const float* b, std::int64_t n);
  // y = exp(x - peak); gives the sum of y.
  float (*exp_minus)(const float* x, float peak, float* y, std::int64_t n);
  // y += factor * x
  void (*multiply_add)(float factor, const float* x, float* y, std::int64_t n);
  // Sum of (x - mean)^2.
  float (*squares_around)(const float* x, float mean, std::int64_t n);
  // y = (x - mean) * inverse * gamma + beta
  void (*normalize)(const float* x, float mean, float inverse, const float* gamma,
                    const float* beta, float* y, std::int64_t n);
  // y = x * factor * gamma
  void (*rescale)(const float* x, float factor, const float* gamma, float* y, std::int64_t n);
};

const VectorMath& vector_math(Isa isa);

}  // namespace antiphon
