// The u8 x s8 product of one row with many panels to f32, for AVX2 and AVX-512: results are made in
// registers while the next panels' weights come, as calls for each panel took a fifth of the time.
#if defined(__x86_64__)
#if !defined(__clang__)  // warnings of gcc 12's own intrinsics header
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "engine/kernels/cpu/gemm_u8_tiles.h"

#define ANTIPHON_AVX2 __attribute__((target("avx2,fma")))
#define ANTIPHON_AVX_VNNI __attribute__((target("avx2,fma,avxvnni")))
#define ANTIPHON_VNNI \
  __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))

namespace antiphon {
namespace {

inline std::int32_t four_of(const std::uint8_t* x) {
  std::int32_t four;
  std::memcpy(&four, x, sizeof(four));
  return four;
}

// The outputs from `done` on.
U8Outputs after(const U8Outputs& to, std::int64_t done) {
  U8Outputs rest = to;
  rest.of_weights += done;
  rest.scales += done;
  rest.outputs -= done;
  if (rest.bias) rest.bias += done;
  if (rest.residual) rest.residual += done;
  rest.y += done;
  return rest;
}

// What AVX2 multiplies by weights: four bytes, or with kCentred what is left of them less 128,
// whose signs go over to the weights.
template <bool kCentred>
struct Four {
  __m256i value, size;
  ANTIPHON_AVX2 explicit Four(const std::uint8_t* x) : value(_mm256_set1_epi32(four_of(x))) {
    if (kCentred) value = _mm256_xor_si256(value, _mm256_set1_epi8(-128));
    size = kCentred ? _mm256_abs_epi8(value) : value;
  }
  ANTIPHON_AVX2 __m256i products(const std::int8_t* w) const {
    const __m256i weight = _mm256_load_si256(reinterpret_cast<const __m256i*>(w));
    const __m256i pairs =
        _mm256_maddubs_epi16(size, kCentred ? _mm256_sign_epi8(weight, value) : weight);
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
  }
};

// Sums of eight outputs from o on.
ANTIPHON_AVX2 inline void finish_eight(__m256i sum, const U8Outputs& to, std::int64_t o) {
  const __m256 none = _mm256_setzero_ps(), row_scale = _mm256_set1_ps(to.rows->scale);
  const __m256i share =
      _mm256_mullo_epi32(_mm256_set1_epi32(to.rows->zero),
                         _mm256_loadu_si256(reinterpret_cast<const __m256i*>(to.of_weights + o)));
  const __m256 factor = _mm256_mul_ps(_mm256_loadu_ps(to.scales + o), row_scale);
  __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(sum, share)), factor);
  asm("" : "+x"(v));  // or the compiler makes one step, one rounding, of this and the next
  if (to.bias) v = _mm256_add_ps(v, _mm256_loadu_ps(to.bias + o));
  if (to.relu) v = _mm256_max_ps(v, none);
  if (to.residual) v = _mm256_add_ps(v, _mm256_loadu_ps(to.residual + o));
  if (to.relu_last) v = _mm256_max_ps(v, none);
  _mm256_storeu_ps(to.y + o, v);
}

// The same of as many as there are.
ANTIPHON_AVX2 inline void finish_up_to_eight(__m256i sum, const U8Outputs& to, std::int64_t o) {
  if (o + 8 <= to.outputs) return finish_eight(sum, to, o);
  alignas(32) std::int32_t rest[kPanelRows];
  _mm256_store_si256(reinterpret_cast<__m256i*>(rest), sum);
  finish_u8_portable(rest, after(to, o));
}

// Two panels at a time, the last one of an odd number twice.
template <bool kCentred>
ANTIPHON_AVX2 void row_avx2(const std::int8_t* w, std::int64_t panel_bytes,
                            const TappedRows<std::uint8_t>& x, const U8Outputs& to) {
  for (std::int64_t o = 0; o < to.outputs; o += 2 * kPanelRows, w += 2 * panel_bytes) {
    const std::int64_t apart = o + kPanelRows < to.outputs ? panel_bytes : 0;
    __m256i sum[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) sum[i] = _mm256_setzero_si256();
    const std::int8_t* at = w;
    for (int tap = 0; tap < x.taps; ++tap) {
      const std::uint8_t* row = x.x + tap * x.tap_stride;
      for (std::int64_t c = 0; c < x.tap_cols; c += 4, at += 64) {
        const Four<kCentred> four(row + c);
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i)
          sum[i] = _mm256_add_epi32(sum[i], four.products(at + i / 2 * apart + i % 2 * 32));
      }
    }
    for (int i = 0; i < 4 && o + 8 * i < to.outputs; ++i) finish_up_to_eight(sum[i], to, o + 8 * i);
  }
}

}  // namespace

void u8_row_avx2(const std::int8_t* w, std::int64_t panel_bytes, const TappedRows<std::uint8_t>& x,
                 const U8Outputs& to) {
  row_avx2<false>(w, panel_bytes, x, to);
}
void u8_row_avx2_centred(const std::int8_t* w, std::int64_t panel_bytes,
                         const TappedRows<std::uint8_t>& x, const U8Outputs& to) {
  row_avx2<true>(w, panel_bytes, x, to);
}

ANTIPHON_AVX_VNNI void u8_row_avx_vnni(const std::int8_t* w, std::int64_t panel_bytes,
                                       const TappedRows<std::uint8_t>& x, const U8Outputs& to) {
  for (std::int64_t o = 0; o < to.outputs; o += 2 * kPanelRows, w += 2 * panel_bytes) {
    const std::int64_t apart = o + kPanelRows < to.outputs ? panel_bytes : 0;
    __m256i sum[2][4];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) sum[i / 4][i % 4] = _mm256_setzero_si256();
    const std::int8_t* at = w;
    const auto step = [&](int chain, const std::uint8_t* four) ANTIPHON_AVX_VNNI
        __attribute__((always_inline)) {
      const __m256i value = _mm256_set1_epi32(four_of(four));
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        const auto* weights = reinterpret_cast<const __m256i*>(at + i / 2 * apart + i % 2 * 32);
        sum[chain][i] = _mm256_dpbusd_avx_epi32(sum[chain][i], value, _mm256_load_si256(weights));
      }
      at += 64;
    };
    for (int tap = 0; tap < x.taps; ++tap) {
      const std::uint8_t* row = x.x + tap * x.tap_stride;
      const std::uint8_t* end = row + x.tap_cols;
      for (; end - row >= 8; row += 8) {
        step(0, row);
        step(1, row + 4);
      }
      if (row < end) step(0, row);
    }
    for (int i = 0; i < 4 && o + 8 * i < to.outputs; ++i)
      finish_up_to_eight(_mm256_add_epi32(sum[0][i], sum[1][i]), to, o + 8 * i);
  }
}

ANTIPHON_VNNI void u8_row_vnni(const std::int8_t* w, std::int64_t panel_bytes,
                               const TappedRows<std::uint8_t>& x, const U8Outputs& to) {
  const __m512 none = _mm512_setzero_ps(), row_scale = _mm512_set1_ps(to.rows->scale);
  const __m512i zero = _mm512_set1_epi32(to.rows->zero);
  for (std::int64_t o = 0; o < to.outputs; o += kPanelRows, w += panel_bytes) {
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;  // vpdpbusd takes 5 cycles
    const std::int8_t* at = w;
    const auto step = [&](__m512i & sum, const std::uint8_t* four) ANTIPHON_VNNI
        __attribute__((always_inline)) {
      sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi32(four_of(four)), _mm512_load_si512(at));
      at += 64;
    };
    for (int tap = 0; tap < x.taps; ++tap) {
      const std::uint8_t* row = x.x + tap * x.tap_stride;
      const std::uint8_t* end = row + x.tap_cols;
      for (; end - row >= 16; row += 16) {
        step(a, row);
        step(b, row + 4);
        step(c, row + 8);
        step(d, row + 12);
      }
      for (; row < end; row += 4) step(a, row);
    }
    const __m512i sum = _mm512_add_epi32(_mm512_add_epi32(a, b), _mm512_add_epi32(c, d));
    const auto wanted = static_cast<__mmask16>((1u << std::min(kPanelRows, to.outputs - o)) - 1u);
    const __m512i share = _mm512_mullo_epi32(zero, _mm512_loadu_si512(to.of_weights + o));
    const __m512 factor = _mm512_mul_ps(_mm512_loadu_ps(to.scales + o), row_scale);
    __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(sum, share)), factor);
    asm("" : "+v"(v));
    if (to.bias) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(wanted, to.bias + o));
    if (to.relu) v = _mm512_max_ps(v, none);
    if (to.residual) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(wanted, to.residual + o));
    if (to.relu_last) v = _mm512_max_ps(v, none);
    if (wanted == 0xffff)
      _mm512_storeu_ps(to.y + o, v);  // a masked store takes several times as long on some cores
    else
      _mm512_mask_storeu_ps(to.y + o, wanted, v);
  }
}

}  // namespace antiphon
#endif
