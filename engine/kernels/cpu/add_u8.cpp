// The sum of two rows of bytes for AVX2 and AVX-512: four vectors of f32 at a time.
#include "engine/kernels/cpu/add_u8.h"

#if defined(__x86_64__)
#if !defined(__clang__)  // warnings of gcc 12's own intrinsics header
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <algorithm>

#include "engine/kernels/cpu/gemm_u8_tiles.h"

#define ANTIPHON_AVX2 __attribute__((target("avx2,fma")))
#define ANTIPHON_AVX512 __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")))

namespace antiphon {
namespace {

// Added to a value of at most 15 bits it leaves no binary places; its bits are then a whole number.
constexpr float kRound = 12582912.0f;  // 1.5 x 2^23
constexpr std::int32_t kRoundBits = 0x4b400000;
constexpr float kNoLimit = -0x1p120f;

// Of the last elements: rows of one block, the first `count` of which are real.
template <std::int64_t kBlock, typename F>
void add_rest(const std::uint8_t* a, const std::uint8_t* b, std::uint8_t* y, std::int64_t count,
              const F& block) {
  std::uint8_t rest[3][kBlock] = {};
  std::copy_n(a, count, rest[0]);
  std::copy_n(b, count, rest[1]);
  block(rest[0], rest[1], rest[2]);
  std::copy_n(rest[2], count, y);
}

struct Avx512Sum {
  __m512i zero_a, zero_b, shift, order;
  __m512 scale_a, scale_b, low, step, inverse, round;

  ANTIPHON_AVX512 explicit Avx512Sum(const AddU8& n)
      : zero_a(_mm512_set1_epi32(n.a.zero)),
        zero_b(_mm512_set1_epi32(n.b.zero)),
        shift(_mm512_set1_epi32(n.to.zero - kRoundBits)),
        order(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)),
        scale_a(_mm512_set1_ps(n.a.scale)),
        scale_b(_mm512_set1_ps(n.b.scale)),
        low(_mm512_set1_ps(n.relu ? 0.0f : kNoLimit)),
        step(_mm512_set1_ps(n.to.scale)),
        inverse(_mm512_set1_ps(1.0f / n.to.scale)),
        round(_mm512_set1_ps(kRound)) {}

  ANTIPHON_AVX512 static __m512 value(const std::uint8_t* x, __m512i zero, __m512 scale) {
    const __m512i q = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)));
    __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(q, zero)), scale);
    asm("" : "+v"(v));  // or the compiler rounds once for this product and the sum
    return v;
  }
  ANTIPHON_AVX512 __m512i one(const std::uint8_t* a, const std::uint8_t* b) const {
    __m512 v = _mm512_add_ps(value(a, zero_a, scale_a), value(b, zero_b, scale_b));
    v = _mm512_max_ps(v, low);
    const __m512 about = _mm512_mul_ps(v, inverse);  // as a division rounds
    v = _mm512_fmadd_ps(_mm512_fnmadd_ps(about, step, v), inverse, about);
    return _mm512_add_epi32(_mm512_castps_si512(_mm512_add_ps(v, round)), shift);
  }
  // 64 bytes; narrowing saturates, and takes four lanes of each vector in turn.
  ANTIPHON_AVX512 void block(const std::uint8_t* a, const std::uint8_t* b, std::uint8_t* y) const {
    const __m512i first = _mm512_packs_epi32(one(a, b), one(a + 16, b + 16));
    const __m512i second = _mm512_packs_epi32(one(a + 32, b + 32), one(a + 48, b + 48));
    const __m512i bytes = _mm512_packus_epi16(first, second);
    _mm512_storeu_si512(y, _mm512_permutexvar_epi32(order, bytes));
  }
};

struct Avx2Sum {
  __m256i zero_a, zero_b, shift, order;
  __m256 scale_a, scale_b, low, step, inverse, round;

  ANTIPHON_AVX2 explicit Avx2Sum(const AddU8& n)
      : zero_a(_mm256_set1_epi32(n.a.zero)),
        zero_b(_mm256_set1_epi32(n.b.zero)),
        shift(_mm256_set1_epi32(n.to.zero - kRoundBits)),
        order(_mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)),
        scale_a(_mm256_set1_ps(n.a.scale)),
        scale_b(_mm256_set1_ps(n.b.scale)),
        low(_mm256_set1_ps(n.relu ? 0.0f : kNoLimit)),
        step(_mm256_set1_ps(n.to.scale)),
        inverse(_mm256_set1_ps(1.0f / n.to.scale)),
        round(_mm256_set1_ps(kRound)) {}

  ANTIPHON_AVX2 static __m256 value(const std::uint8_t* x, __m256i zero, __m256 scale) {
    const __m256i q = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(x)));
    __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(q, zero)), scale);
    asm("" : "+x"(v));
    return v;
  }
  ANTIPHON_AVX2 __m256i one(const std::uint8_t* a, const std::uint8_t* b) const {
    __m256 v = _mm256_add_ps(value(a, zero_a, scale_a), value(b, zero_b, scale_b));
    v = _mm256_max_ps(v, low);
    const __m256 about = _mm256_mul_ps(v, inverse);
    v = _mm256_fmadd_ps(_mm256_fnmadd_ps(about, step, v), inverse, about);
    return _mm256_add_epi32(_mm256_castps_si256(_mm256_add_ps(v, round)), shift);
  }
  ANTIPHON_AVX2 void block(const std::uint8_t* a, const std::uint8_t* b, std::uint8_t* y) const {
    const __m256i first = _mm256_packs_epi32(one(a, b), one(a + 8, b + 8));
    const __m256i second = _mm256_packs_epi32(one(a + 16, b + 16), one(a + 24, b + 24));
    const __m256i bytes = _mm256_packus_epi16(first, second);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y), _mm256_permutevar8x32_epi32(bytes, order));
  }
};

ANTIPHON_AVX512 void add_avx512(const AddU8& numbers, const std::uint8_t* a, const std::uint8_t* b,
                                std::uint8_t* y, std::int64_t n) {
  const Avx512Sum sum(numbers);
  std::int64_t i = 0;
  for (; i + 64 <= n; i += 64) sum.block(a + i, b + i, y + i);
  add_rest<64>(a + i, b + i, y + i, n - i,
               [&](const std::uint8_t* one, const std::uint8_t* other, std::uint8_t* out)
                   ANTIPHON_AVX512 { sum.block(one, other, out); });
}

ANTIPHON_AVX2 void add_avx2(const AddU8& numbers, const std::uint8_t* a, const std::uint8_t* b,
                            std::uint8_t* y, std::int64_t n) {
  const Avx2Sum sum(numbers);
  std::int64_t i = 0;
  for (; i + 32 <= n; i += 32) sum.block(a + i, b + i, y + i);
  add_rest<32>(a + i, b + i, y + i, n - i,
               [&](const std::uint8_t* one, const std::uint8_t* other, std::uint8_t* out)
                   ANTIPHON_AVX2 { sum.block(one, other, out); });
}

// As u8_inverse: no product leaves the normal numbers, no sum is infinite.
bool is_usual(const U8Row& row) { return u8_inverse(row.scale) != 0; }

}  // namespace

AddU8Row add_u8_row(Isa isa, const AddU8& numbers) {
  const U8Row &a = numbers.a, &b = numbers.b, &to = numbers.to;
  if (!is_usual(a) || !is_usual(b) || !is_usual(to)) return nullptr;
  // A sum has at most 15 bits in steps of y.
  if (255 * (a.scale + b.scale) > 16384 * to.scale) return nullptr;
  if (isa >= Isa::kAvx512Vnni) return add_avx512;
  return isa >= Isa::kAvx2 ? add_avx2 : nullptr;
}

}  // namespace antiphon
#else
namespace antiphon {

AddU8Row add_u8_row(Isa, const AddU8&) { return nullptr; }

}  // namespace antiphon
#endif
