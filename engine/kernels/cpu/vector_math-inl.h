// Vector exp, log, tanh, sigmoid, erf and gelu in Highway; included once for each target.
#if defined(ANTIPHON_VECTOR_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ANTIPHON_VECTOR_MATH_INL_H_
#undef ANTIPHON_VECTOR_MATH_INL_H_
#else
#define ANTIPHON_VECTOR_MATH_INL_H_
#endif

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace antiphon {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// c[0] + c[1] x + ... by Horner's rule.
template <class D, class V, std::size_t n>
HWY_INLINE V polynomial(D d, V x, const float (&c)[n]) {
  V sum = hn::Set(d, c[n - 1]);
  for (std::size_t i = n - 1; i-- > 0;) sum = hn::MulAdd(sum, x, hn::Set(d, c[i]));
  return sum;
}

// p 2^n for |x| <= 88: x = n ln 2 + r, p the polynomial of Cephes' expf for e^r. Twice: p 2^(n -
// 1), which is finite up to the largest result. For NaN anything.
template <int kLess, class D, class V>
HWY_INLINE V exp_within(D d, V x) {
  const hn::RebindToSigned<D> i;
  static constexpr float kP[] = {0.5f,
                                 1.6666665459e-1f,
                                 4.1665795894e-2f,
                                 8.3334519073e-3f,
                                 1.3981999507e-3f,
                                 1.9875691500e-4f};
  const V whole = hn::Set(d, 0x1.8p23f - kLess);  // added and taken away it rounds, n in its bits
  const V n = hn::MulAdd(x, hn::Set(d, 1.44269504088896341f), whole);
  const V k = hn::Sub(n, hn::Set(d, 0x1.8p23f - kLess));
  V r = hn::NegMulAdd(k, hn::Set(d, 0.693359375f), x);
  r = hn::NegMulAdd(k, hn::Set(d, -2.12194440e-4f), r);
  const V p = hn::Add(hn::MulAdd(polynomial(d, r, kP), hn::Mul(r, r), r), hn::Set(d, 1.0f));
  return hn::BitCast(d, hn::Add(hn::BitCast(i, p), hn::ShiftLeft<23>(hn::BitCast(i, n))));
}

// Saturates to inf above and 0 below 2^-126; NaN stays.
template <class D, class V>
HWY_INLINE V exp_of(D d, V x) {
  const V top = hn::Set(d, 88.7228390f), bottom = hn::Set(d, -87.3365447f);
  const V y = exp_within<1>(d, hn::Max(bottom, hn::Min(top, x)));
  const V finite = hn::IfThenElse(hn::Gt(x, top), hn::Inf(d), hn::Add(y, y));
  const V y_or_zero = hn::IfThenElse(hn::Lt(x, bottom), hn::Zero(d), finite);
  return hn::IfThenElse(hn::IsNaN(x), x, y_or_zero);
}

template <class D, class V>
HWY_INLINE V log_of(D d, V x) {
  const V inf = hn::Inf(d);
  V y = hn::Log(d, x);
  y = hn::IfThenElse(hn::Eq(x, hn::Zero(d)), hn::Neg(inf), y);
  y = hn::IfThenElse(hn::Eq(x, inf), inf, y);
  return hn::IfThenElse(hn::Or(hn::Lt(x, hn::Zero(d)), hn::IsNaN(x)), hn::NaN(d), y);
}

// 0 below -87; NaN stays.
template <class D, class V>
HWY_INLINE V sigmoid_of(D d, V x) {
  const V one = hn::Set(d, 1.0f), most = hn::Set(d, 87.0f);
  const V t = hn::Max(hn::Neg(most), hn::Min(most, hn::Neg(x)));
  const V y = hn::Div(one, hn::Add(one, exp_within<0>(d, t)));
  const V y_or_zero = hn::IfThenElse(hn::Lt(x, hn::Neg(most)), hn::Zero(d), y);
  return hn::IfThenElse(hn::IsNaN(x), x, y_or_zero);
}

// Odd rational function of degree 13 over 6 (the minimax fit used by Eigen and XLA).
template <class D, class V>
HWY_INLINE V tanh_of(D d, V x) {
  static constexpr float kP[] = {
      4.89352455891786e-03f,  6.37261928875436e-04f, 1.48572235717979e-05f, 5.12229709037114e-08f,
      -8.60467152213735e-11f, 2.00018790482477e-13f, -2.76076847742355e-16f};
  static constexpr float kQ[] = {4.89352518554385e-03f, 2.26843463243900e-03f,
                                 1.18534705686654e-04f, 1.19825839466702e-06f};
  const V limit = hn::Set(d, 7.90531110763549805f);
  V t = hn::IfThenElse(hn::Gt(x, limit), limit, x);
  t = hn::IfThenElse(hn::Lt(x, hn::Neg(limit)), hn::Neg(limit), t);
  const V t2 = hn::Mul(t, t);
  const V y = hn::Div(hn::Mul(t, polynomial(d, t2, kP)), polynomial(d, t2, kQ));
  return hn::IfThenElse(hn::Lt(hn::Abs(x), hn::Set(d, 4e-4f)), x, y);
}

// Odd rational function of degree 13 over 8 (the minimax fit used by Eigen and XLA).
template <class D, class V>
HWY_INLINE V erf_of(D d, V x) {
  static constexpr float kP[] = {-1.60960333262415e-02f, -2.95459980854025e-03f,
                                 -7.34990630326855e-04f, -5.69250639462346e-05f,
                                 -2.10102402082508e-06f, 2.77068142495902e-08f,
                                 -2.72614225801306e-10f};
  static constexpr float kQ[] = {-1.42647390514189e-02f, -7.37332916720468e-03f,
                                 -1.68282697438203e-03f, -2.13374055278905e-04f,
                                 -1.45660718464996e-05f};
  const V limit = hn::Set(d, 4.0f);
  V t = hn::IfThenElse(hn::Gt(x, limit), limit, x);
  t = hn::IfThenElse(hn::Lt(x, hn::Neg(limit)), hn::Neg(limit), t);
  const V t2 = hn::Mul(t, t);
  return hn::Div(hn::Mul(t, polynomial(d, t2, kP)), polynomial(d, t2, kQ));
}

template <class D, class V>
HWY_INLINE V gelu_of(D d, V x) {
  const V half = hn::Mul(x, hn::Set(d, 0.5f));
  return hn::MulAdd(half, erf_of(d, hn::Mul(x, hn::Set(d, 0.70710678118654752f))), half);
}

}  // namespace HWY_NAMESPACE
}  // namespace antiphon
HWY_AFTER_NAMESPACE();

#endif
