// The row functions, compiled for each SIMD level.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/cpu/vector_math.cpp"
// clang-format off: the order matters
#include <hwy/foreach_target.h>

#include "engine/kernels/cpu/simd_targets.h"
// clang-format on
#include <hwy/highway.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "engine/kernels/cpu/vector_math-inl.h"
#include "engine/kernels/cpu/vector_math.h"

HWY_BEFORE_NAMESPACE();
namespace antiphon {
namespace HWY_NAMESPACE {
namespace {

using F = hn::ScalableTag<float>;
using V = hn::Vec<F>;
constexpr F kF;

HWY_INLINE V load(const float* x) { return hn::LoadU(kF, x); }
HWY_INLINE V load_part(const float* x, std::int64_t n) {
  HWY_ALIGN float buffer[hn::MaxLanes(kF)] = {};
  std::memcpy(buffer, x, static_cast<std::size_t>(n) * sizeof(float));
  return hn::Load(kF, buffer);
}
HWY_INLINE void store_part(V v, float* y, std::int64_t n) {
  HWY_ALIGN float buffer[hn::MaxLanes(kF)];
  hn::Store(v, kF, buffer);
  std::memcpy(y, buffer, static_cast<std::size_t>(n) * sizeof(float));
}
HWY_INLINE std::int64_t lanes() { return static_cast<std::int64_t>(hn::Lanes(kF)); }

template <class M>
HWY_INLINE V one_or_zero(M mask) {
  return hn::IfThenElseZero(mask, hn::Set(kF, 1.0f));
}
HWY_INLINE auto is_true(V v) { return hn::Ne(v, hn::Zero(kF)); }

// NaN stays.
HWY_INLINE V within(V x, V low, V high) {
  return hn::IfThenElse(hn::Gt(x, high), high, hn::IfThenElse(hn::Lt(x, low), low, x));
}

template <Unary op>
HWY_INLINE V unary_of(V x) {
  const V zero = hn::Zero(kF), one = hn::Set(kF, 1.0f);
  if constexpr (op == Unary::kNeg) return hn::Neg(x);
  if constexpr (op == Unary::kAbs) return hn::Abs(x);
  if constexpr (op == Unary::kExp) return exp_of(kF, x);
  if constexpr (op == Unary::kLog) return log_of(kF, x);
  if constexpr (op == Unary::kSqrt) return hn::Sqrt(x);
  if constexpr (op == Unary::kRsqrt) return hn::Div(one, hn::Sqrt(x));
  if constexpr (op == Unary::kReciprocal) return hn::Div(one, x);
  if constexpr (op == Unary::kTanh) return tanh_of(kF, x);
  if constexpr (op == Unary::kSigmoid) return sigmoid_of(kF, x);
  if constexpr (op == Unary::kRelu) return hn::IfThenElse(hn::Lt(x, zero), zero, x);
  if constexpr (op == Unary::kGelu) return gelu_of(kF, x);
  if constexpr (op == Unary::kErf) return erf_of(kF, x);
  if constexpr (op == Unary::kSin || op == Unary::kCos) {
    const auto has_turns = hn::Lt(hn::Abs(x), hn::Set(kF, 1e9f));  // they are counted in 32 bits
    const V t = hn::IfThenElseZero(has_turns, x);
    const V y = op == Unary::kSin ? hn::Sin(kF, t) : hn::Cos(kF, t);
    return hn::IfThenElse(has_turns, y, hn::Sub(x, x));  // NaN for what is not finite, or 0
  }
  if constexpr (op == Unary::kFloor) return hn::Floor(x);
  if constexpr (op == Unary::kNot) return one_or_zero(hn::Eq(x, zero));
  if constexpr (op == Unary::kRelu6) return within(x, zero, hn::Set(kF, 6.0f));
  if constexpr (op == Unary::kSilu) return hn::Mul(x, sigmoid_of(kF, x));
  if constexpr (op == Unary::kHardSwish) {
    const V sixth = hn::MulAdd(x, hn::Set(kF, 1.0f / 6), hn::Set(kF, 0.5f));
    return hn::Mul(x, within(sixth, zero, one));
  }
}

template <Unary op>
void unary_row(const float* x, float* y, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + lanes() <= n; i += lanes()) hn::StoreU(unary_of<op>(load(x + i)), kF, y + i);
  if (i < n) store_part(unary_of<op>(load_part(x + i, n - i)), y + i, n - i);
}

template <Binary op>
HWY_INLINE V binary_of(V a, V b) {
  if constexpr (op == Binary::kAdd) return hn::Add(a, b);
  if constexpr (op == Binary::kSub) return hn::Sub(a, b);
  if constexpr (op == Binary::kMul) return hn::Mul(a, b);
  if constexpr (op == Binary::kDiv) return hn::Div(a, b);
  if constexpr (op == Binary::kMax) return hn::Max(a, b);
  if constexpr (op == Binary::kMin) return hn::Min(a, b);
  if constexpr (op == Binary::kEqual) return one_or_zero(hn::Eq(a, b));
  if constexpr (op == Binary::kLess) return one_or_zero(hn::Lt(a, b));
  if constexpr (op == Binary::kGreater) return one_or_zero(hn::Gt(a, b));
  if constexpr (op == Binary::kAnd) return one_or_zero(hn::And(is_true(a), is_true(b)));
  if constexpr (op == Binary::kOr) return one_or_zero(hn::Or(is_true(a), is_true(b)));
}

// stride_a, stride_b: 1, or 0 for a scalar.
template <Binary op, int stride_a, int stride_b>
void binary_row(const float* a, const float* b, float* y, std::int64_t n) {
  if (n == 0) return;
  if constexpr (op == Binary::kPow) {
    const float a0 = a[0], b0 = b[0];
    for (std::int64_t i = 0; i < n; ++i)
      y[i] = std::pow(stride_a ? a[i] : a0, stride_b ? b[i] : b0);
  } else {
    const V a0 = hn::Set(kF, a[0]), b0 = hn::Set(kF, b[0]);
    std::int64_t i = 0;
    for (; i + lanes() <= n; i += lanes()) {
      const V u = stride_a ? load(a + i) : a0, v = stride_b ? load(b + i) : b0;
      hn::StoreU(binary_of<op>(u, v), kF, y + i);
    }
    if (i == n) return;
    const V u = stride_a ? load_part(a + i, n - i) : a0;
    const V v = stride_b ? load_part(b + i, n - i) : b0;
    store_part(binary_of<op>(u, v), y + i, n - i);
  }
}

void clamp_row(const float* x, float low, float high, float* y, std::int64_t n) {
  const V lo = hn::Set(kF, low), hi = hn::Set(kF, high);
  const auto f = [&](V v) HWY_ATTR { return within(v, lo, hi); };
  std::int64_t i = 0;
  for (; i + lanes() <= n; i += lanes()) hn::StoreU(f(load(x + i)), kF, y + i);
  if (i < n) store_part(f(load_part(x + i, n - i)), y + i, n - i);
}

void where_row(const float* c, const float* a, const float* b, float* y, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + lanes() <= n; i += lanes())
    hn::StoreU(hn::IfThenElse(is_true(load(c + i)), load(a + i), load(b + i)), kF, y + i);
  for (; i < n; ++i) y[i] = c[i] != 0.0f ? a[i] : b[i];
}

float max_row(const float* x, std::int64_t n) {
  float peak = -std::numeric_limits<float>::infinity();
  std::int64_t i = 0;
  if (n >= lanes()) {
    V best = load(x);
    for (i = lanes(); i + lanes() <= n; i += lanes()) best = hn::Max(best, load(x + i));
    HWY_ALIGN float each[hn::MaxLanes(kF)];  // MaxOfLanes() of emulated vectors begins at -FLT_MAX
    hn::Store(best, kF, each);
    for (std::int64_t k = 0; k < lanes(); ++k) peak = each[k] > peak ? each[k] : peak;
  }
  for (; i < n; ++i) peak = x[i] > peak ? x[i] : peak;
  return peak;
}

// Sum of f(i) over vectors, in four independent chains; f_part gives the last, partial one.
template <class Full, class Part>
HWY_INLINE float sum_of(std::int64_t n, Full f, Part f_part) {
  const std::int64_t step = lanes();
  V s0 = hn::Zero(kF), s1 = s0, s2 = s0, s3 = s0;
  std::int64_t i = 0;
  for (; i + 4 * step <= n; i += 4 * step) {
    s0 = f(i, s0);
    s1 = f(i + step, s1);
    s2 = f(i + 2 * step, s2);
    s3 = f(i + 3 * step, s3);
  }
  for (; i + step <= n; i += step) s0 = f(i, s0);
  if (i < n) s1 = hn::Add(s1, f_part(i, n - i));
  return hn::GetLane(hn::SumOfLanes(kF, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
}

float sum_row(const float* x, std::int64_t n) {
  return sum_of(
      n, [&](std::int64_t i, V s) HWY_ATTR { return hn::Add(s, load(x + i)); },
      [&](std::int64_t i, std::int64_t m) HWY_ATTR { return load_part(x + i, m); });
}

float dot_row(const float* a, const float* b, std::int64_t n) {
  return sum_of(
      n, [&](std::int64_t i, V s) HWY_ATTR { return hn::MulAdd(load(a + i), load(b + i), s); },
      [&](std::int64_t i, std::int64_t m)
          HWY_ATTR { return hn::Mul(load_part(a + i, m), load_part(b + i, m)); });
}

float squares_row(const float* x, float mean, std::int64_t n) {
  const V center = hn::Set(kF, mean);
  return sum_of(
      n,
      [&](std::int64_t i, V s) HWY_ATTR {
        const V v = hn::Sub(load(x + i), center);
        return hn::MulAdd(v, v, s);
      },
      [&](std::int64_t i, std::int64_t m) HWY_ATTR {
        HWY_ALIGN float buffer[hn::MaxLanes(kF)];
        hn::Store(center, kF, buffer);  // lanes past the end give 0
        std::memcpy(buffer, x + i, static_cast<std::size_t>(m) * sizeof(float));
        const V v = hn::Sub(hn::Load(kF, buffer), center);
        return hn::Mul(v, v);
      });
}

float exp_minus_row(const float* x, float peak, float* y, std::int64_t n) {
  const V top = hn::Set(kF, peak);
  V sum = hn::Zero(kF);
  std::int64_t i = 0;
  for (; i + lanes() <= n; i += lanes()) {
    const V e = exp_of(kF, hn::Sub(load(x + i), top));
    hn::StoreU(e, kF, y + i);
    sum = hn::Add(sum, e);
  }
  float total = hn::GetLane(hn::SumOfLanes(kF, sum));
  if (i < n) {
    HWY_ALIGN float buffer[hn::MaxLanes(kF)];
    hn::Store(exp_of(kF, hn::Sub(load_part(x + i, n - i), top)), kF, buffer);
    for (std::int64_t j = i; j < n; ++j) total += y[j] = buffer[j - i];
  }
  return total;
}

void multiply_add_row(float factor, const float* x, float* y, std::int64_t n) {
  const V f = hn::Set(kF, factor);
  std::int64_t i = 0;
  for (; i + lanes() <= n; i += lanes())
    hn::StoreU(hn::MulAdd(f, load(x + i), load(y + i)), kF, y + i);
  if (i < n)
    store_part(hn::MulAdd(f, load_part(x + i, n - i), load_part(y + i, n - i)), y + i, n - i);
}

void normalize_row(const float* x, float mean, float inverse, const float* gamma, const float* beta,
                   float* y, std::int64_t n) {
  const V m = hn::Set(kF, mean), f = hn::Set(kF, inverse);
  const auto apply = [&](V v, V g, V b)
                         HWY_ATTR { return hn::MulAdd(hn::Mul(hn::Sub(v, m), f), g, b); };
  std::int64_t i = 0;
  for (; i + lanes() <= n; i += lanes())
    hn::StoreU(apply(load(x + i), load(gamma + i), load(beta + i)), kF, y + i);
  const std::int64_t rest = n - i;
  if (rest > 0)
    store_part(apply(load_part(x + i, rest), load_part(gamma + i, rest), load_part(beta + i, rest)),
               y + i, rest);
}

void rescale_row(const float* x, float factor, const float* gamma, float* y, std::int64_t n) {
  const V f = hn::Set(kF, factor);
  std::int64_t i = 0;
  for (; i + lanes() <= n; i += lanes())
    hn::StoreU(hn::Mul(hn::Mul(load(x + i), f), load(gamma + i)), kF, y + i);
  const std::int64_t rest = n - i;
  if (rest > 0)
    store_part(hn::Mul(hn::Mul(load_part(x + i, rest), f), load_part(gamma + i, rest)), y + i,
               rest);
}

template <std::size_t... i>
constexpr VectorMath make_table(std::index_sequence<i...>) {
  VectorMath table{};
  table.unary = {unary_row<static_cast<Unary>(i)>...};
  return table;
}
template <int stride_a, int stride_b, std::size_t... i>
constexpr std::array<VectorMath::BinaryRow, 12> binary_rows(std::index_sequence<i...>) {
  return {binary_row<static_cast<Binary>(i), stride_a, stride_b>...};
}
constexpr VectorMath make_table() {
  VectorMath table = make_table(std::make_index_sequence<ir::kNumUnary>());
  table.binary = binary_rows<1, 1>(std::make_index_sequence<12>());
  table.binary_right = binary_rows<1, 0>(std::make_index_sequence<12>());
  table.binary_left = binary_rows<0, 1>(std::make_index_sequence<12>());
  table.clamp = clamp_row;
  table.where = where_row;
  table.max = max_row;
  table.sum = sum_row;
  table.dot = dot_row;
  table.exp_minus = exp_minus_row;
  table.multiply_add = multiply_add_row;
  table.squares_around = squares_row;
  table.normalize = normalize_row;
  table.rescale = rescale_row;
  return table;
}
constexpr VectorMath kTable = make_table();

}  // namespace

const VectorMath& vector_math_table() { return kTable; }

}  // namespace HWY_NAMESPACE
}  // namespace antiphon
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace antiphon {

const VectorMath& vector_math(Isa isa) { ANTIPHON_BY_ISA(isa, vector_math_table); }

}  // namespace antiphon
#endif
