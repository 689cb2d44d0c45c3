// The sum of two rows of bytes, a vector of f32 at a time.
// clang-format off: the order matters
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/cpu/add_u8.cpp"
#include <hwy/foreach_target.h>

#include "engine/kernels/cpu/simd_targets.h"
// clang-format on
#include <hwy/highway.h>

#include <algorithm>

#include "engine/kernels/cpu/add_u8.h"
#include "engine/kernels/cpu/gemm_u8_tiles.h"
#include "engine/kernels/cpu/partial_vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace antiphon {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <typename D>
HWY_INLINE hn::Vec<D> values_of(D d, hn::Vec<hn::Rebind<std::uint8_t, D>> bytes, const U8Row& row) {
  const hn::Rebind<std::int32_t, D> whole;
  const auto centred = hn::Sub(hn::PromoteTo(whole, bytes), hn::Set(whole, row.zero));
  auto v = hn::Mul(hn::ConvertTo(d, centred), hn::Set(d, row.scale));
#if defined(__x86_64__)
  asm("" : "+v"(v.raw));  // or the compiler rounds once for this product and the sum
#endif
  return v;
}

void add_row(const AddU8& numbers, const std::uint8_t* a, const std::uint8_t* b, std::uint8_t* y,
             std::int64_t n) {
  const hn::ScalableTag<float> d;
  const hn::Rebind<std::int32_t, decltype(d)> whole;
  const hn::Rebind<std::uint32_t, decltype(d)> positive;
  const hn::Rebind<std::uint8_t, decltype(d)> byte;
  const U8Row& to = numbers.to;
  const float least = static_cast<float>(-to.zero) * to.scale;
  const auto low = hn::Set(d, numbers.relu ? std::max(least, 0.0f) : least);
  const auto high = hn::Set(d, static_cast<float>(255 - to.zero) * to.scale);
  const auto step = hn::Set(d, to.scale), inverse = hn::Set(d, 1.0f / to.scale);
  const auto zero = hn::Set(whole, to.zero);
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t i = 0; i < n; i += lanes) {
    const auto some = static_cast<std::size_t>(std::min(lanes, n - i));
    auto v = hn::Add(values_of(d, load_some(byte, a + i, some), numbers.a),
                     values_of(d, load_some(byte, b + i, some), numbers.b));
    v = hn::Min(hn::Max(v, low), high);
    // The quotient, by a step of Newton's that rounds as a division does.
    const auto about = hn::Mul(v, inverse);
    v = hn::MulAdd(hn::NegMulAdd(about, step, v), inverse, about);
    const auto q = hn::BitCast(positive, hn::Add(hn::NearestInt(v), zero));
    store_some(hn::TruncateTo(byte, q), byte, y + i, some);
  }
}

}  // namespace

AddU8Row add_u8_rows() { return add_row; }

}  // namespace HWY_NAMESPACE
}  // namespace antiphon
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace antiphon {

AddU8Row add_u8_row(Isa isa, const AddU8& numbers) {
  // As u8_inverse: no product leaves the normal numbers, no sum is infinite.
  const auto is_usual = [](const U8Row& row) { return u8_inverse(row.scale) != 0; };
  if (!is_usual(numbers.a) || !is_usual(numbers.b) || !is_usual(numbers.to)) return nullptr;
#if defined(__x86_64__)
  if (isa >= Isa::kAvx512Vnni) return N_AVX3::add_u8_rows();
  if (isa == Isa::kAvx2) return N_AVX2::add_u8_rows();
#endif
  (void)isa;
  return nullptr;  // products and sums may not be fused there
}

}  // namespace antiphon
#endif
