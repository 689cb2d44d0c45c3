// Rows of depthwise convolutions on bytes for AVX2 (vpmaddwd: bytes of two taps are interleaved,
// widened and met by pairs of weights) and AVX-512 VNNI (vpdpbusd: bytes of four taps; vpdpwssd
// where bytes do not hold the weights).
#if defined(__x86_64__)
#if !defined(__clang__)  // warnings of gcc 12's own intrinsics header
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "engine/kernels/cpu/depthwise_u8_rows.h"

#define ANTIPHON_AVX2 __attribute__((target("avx2,fma")))
#define ANTIPHON_VNNI \
  __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))

namespace antiphon {
namespace {

constexpr std::int64_t kMostLanes = 64;

// What a row has in common, in the order of the group's vectors.
struct RowNumbers {
  alignas(64) std::int32_t share[kMostLanes];  // of x's zero point, which sums begin with
  alignas(64) float factor[kMostLanes], bias[kMostLanes];
  float low, high, step, inverse;  // of bytes that are made

  RowNumbers(const DepthwiseGroup& g, const DepthwiseLines& row) {
    const std::int64_t quarter = g.lanes / 4;
    for (std::int64_t i = 0; i < g.lanes; ++i) {
      share[i] = -row.numbers.zero * g.sums[static_cast<std::size_t>(i)];
      factor[i] = g.scales[static_cast<std::size_t>(i)] * row.numbers.scale;
      bias[i] = 0;
    }
    for (std::int64_t c = 0; row.bias && c < g.count; ++c)
      bias[c % 16 / 4 * quarter + c / 16 * 4 + c % 4] = row.bias[g.channel + c];
    step = row.to.scale;
    inverse = 1.0f / row.to.scale;
    low = static_cast<float>(-row.to.zero) * step;
    high = static_cast<float>(row.levels - row.to.zero) * step;
  }
};

// Held by value: a store of bytes might change anything else, as far as the compiler knows.
struct Avx2Row {
  const RowNumbers& n;
  bool has_bias, relu;
  __m256 low, high, step, inverse;
  __m256i zero;

  ANTIPHON_AVX2 Avx2Row(const DepthwiseLines& row, const RowNumbers& numbers)
      : n(numbers),
        has_bias(row.bias != nullptr),
        relu(row.relu),
        low(_mm256_set1_ps(n.low)),
        high(_mm256_set1_ps(n.high)),
        step(_mm256_set1_ps(n.step)),
        inverse(_mm256_set1_ps(n.inverse)),
        zero(_mm256_set1_epi32(row.to.zero)) {}

  // A quarter's values.
  ANTIPHON_AVX2 __m256 value(__m256i sum, int k) const {
    __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), _mm256_load_ps(n.factor + 8 * k));
    asm("" : "+x"(v));  // or the compiler rounds once for this product and the sum
    if (has_bias) v = _mm256_add_ps(v, _mm256_load_ps(n.bias + 8 * k));
    return relu ? _mm256_max_ps(v, _mm256_setzero_ps()) : v;
  }
  // round(v / step) + zero, as a division rounds.
  ANTIPHON_AVX2 __m256i byte(__m256 v) const {
    v = _mm256_and_ps(v, _mm256_cmp_ps(v, v, _CMP_ORD_Q));  // NaN to 0
    v = _mm256_min_ps(_mm256_max_ps(v, low), high);
    const __m256 about = _mm256_mul_ps(v, inverse);
    v = _mm256_fmadd_ps(_mm256_fnmadd_ps(about, step, v), inverse, about);
    return _mm256_add_epi32(_mm256_cvtps_epi32(v), zero);
  }
};

// Quarters, blocks of four channels, in the order of the channels.
ANTIPHON_AVX2 void store_floats(const float* quarters, std::int64_t width, std::int64_t count,
                                float* y) {
  for (std::int64_t c = 0; c < count; c += 4)
    std::memcpy(y + c, quarters + c % 16 / 4 * width + c / 16 * 4,
                static_cast<std::size_t>(std::min<std::int64_t>(4, count - c)) * sizeof(float));
}

struct Avx512Row {
  const RowNumbers& n;
  bool has_bias, relu;
  __m512 low, high, step, inverse;
  __m512i zero;

  ANTIPHON_VNNI Avx512Row(const DepthwiseLines& row, const RowNumbers& numbers)
      : n(numbers),
        has_bias(row.bias != nullptr),
        relu(row.relu),
        low(_mm512_set1_ps(n.low)),
        high(_mm512_set1_ps(n.high)),
        step(_mm512_set1_ps(n.step)),
        inverse(_mm512_set1_ps(n.inverse)),
        zero(_mm512_set1_epi32(row.to.zero)) {}

  ANTIPHON_VNNI __m512 value(__m512i sum, int k) const {
    __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_load_ps(n.factor + 16 * k));
    asm("" : "+v"(v));  // or the compiler rounds once for this product and the sum
    if (has_bias) v = _mm512_add_ps(v, _mm512_load_ps(n.bias + 16 * k));
    return relu ? _mm512_max_ps(v, _mm512_setzero_ps()) : v;
  }
  ANTIPHON_VNNI __m512i byte(__m512 v) const {
    v = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(v, v, _CMP_ORD_Q), v);  // NaN to 0
    v = _mm512_min_ps(_mm512_max_ps(v, low), high);
    const __m512 about = _mm512_mul_ps(v, inverse);
    v = _mm512_fmadd_ps(_mm512_fnmadd_ps(about, step, v), inverse, about);
    return _mm512_add_epi32(_mm512_cvtps_epi32(v), zero);
  }
  // The same where narrowing is all the care that is needed, relu's too.
  ANTIPHON_VNNI __m512i plain_byte(__m512i sum, int k) const {
    __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_load_ps(n.factor + 16 * k));
    asm("" : "+v"(v));
    v = _mm512_add_ps(v, _mm512_load_ps(n.bias + 16 * k));
    const __m512 about = _mm512_mul_ps(v, inverse);
    v = _mm512_fmadd_ps(_mm512_fnmadd_ps(about, step, v), inverse, about);
    return _mm512_add_epi32(_mm512_cvtps_epi32(v), zero);
  }

  static ANTIPHON_VNNI void add_pairs(const std::uint8_t* x, const std::int32_t* offsets,
                                      std::int64_t taps, const std::int16_t* w, __m512i* sum) {
    const __m512i none = _mm512_setzero_si512();
    for (std::int64_t tap = 0; tap < taps; tap += 2, w += 128) {
      const __m512i a = _mm512_loadu_si512(x + offsets[tap]);
      const __m512i b = _mm512_loadu_si512(x + offsets[tap + 1]);
      const __m512i low = _mm512_unpacklo_epi8(a, b), high = _mm512_unpackhi_epi8(a, b);
      const __m512i pairs[4] = {_mm512_unpacklo_epi8(low, none), _mm512_unpackhi_epi8(low, none),
                                _mm512_unpacklo_epi8(high, none), _mm512_unpackhi_epi8(high, none)};
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k)
        sum[k] = _mm512_dpwssd_epi32(sum[k], pairs[k], _mm512_load_si512(w + 32 * k));
    }
  }
  static ANTIPHON_VNNI void add_fours(const std::uint8_t* x, const std::int32_t* offsets,
                                      std::int64_t taps, const std::int8_t* w, __m512i* sum) {
    for (std::int64_t tap = 0; tap < taps; tap += 4, w += 256) {
      const __m512i a = _mm512_loadu_si512(x + offsets[tap]);
      const __m512i b = _mm512_loadu_si512(x + offsets[tap + 1]);
      const __m512i c = _mm512_loadu_si512(x + offsets[tap + 2]);
      const __m512i d = _mm512_loadu_si512(x + offsets[tap + 3]);
      const __m512i low = _mm512_unpacklo_epi8(a, b), high = _mm512_unpackhi_epi8(a, b);
      const __m512i low2 = _mm512_unpacklo_epi8(c, d), high2 = _mm512_unpackhi_epi8(c, d);
      const __m512i fours[4] = {_mm512_unpacklo_epi16(low, low2), _mm512_unpackhi_epi16(low, low2),
                                _mm512_unpacklo_epi16(high, high2),
                                _mm512_unpackhi_epi16(high, high2)};
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k)
        sum[k] = _mm512_dpbusd_epi32(sum[k], fours[k], _mm512_load_si512(w + 64 * k));
    }
  }
};

// A masked store takes several times as long on some cores.
ANTIPHON_VNNI void store_bytes(__m512i q, std::int64_t count, std::uint8_t* to) {
  if (count == 64) return _mm512_storeu_si512(to, q);
  if (count == 32)
    return _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_castsi512_si256(q));
  if (count == 16)
    return _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_castsi512_si128(q));
  _mm512_mask_storeu_epi8(to, (__mmask64{1} << count) - 1, q);
}

}  // namespace

ANTIPHON_AVX2 void depthwise_row_avx2(std::int64_t taps, const DepthwiseGroup& g,
                                      const DepthwiseLines& row) {
  const RowNumbers numbers(g, row);
  const Avx2Row of(row, numbers);
  const __m256i zero = _mm256_setzero_si256();
  const std::int32_t* offsets = row.offsets;
  std::uint8_t* const bytes = row.bytes;
  const std::int64_t pixels = row.pixels, all = row.lines * pixels, x_stride = row.x_stride,
                     stride = row.stride;
  const std::int64_t count = g.count;
  const std::uint8_t* from = row.x + g.channel;
  const std::int16_t* weights = g.weights.data();
  const std::int64_t next_line = row.x_line - (pixels - 1) * x_stride;
  std::int64_t left = pixels;  // of the line
  for (std::int64_t p = 0; p < all; ++p) {
    const std::uint8_t* x = from;
    left = left == 1 ? pixels : left - 1;
    from += left == pixels ? next_line : x_stride;
    const auto* w = reinterpret_cast<const __m256i*>(weights);
    __m256i sum[4];
    for (int k = 0; k < 4; ++k)
      sum[k] = _mm256_load_si256(reinterpret_cast<const __m256i*>(numbers.share) + k);
    for (std::int64_t tap = 0; tap < taps; tap += 2, w += 4) {
      const auto at = [&](std::int64_t t) ANTIPHON_AVX2 {
        return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + offsets[t]));
      };
      const __m256i a = at(tap), b = at(tap + 1);
      const __m256i low = _mm256_unpacklo_epi8(a, b), high = _mm256_unpackhi_epi8(a, b);
      const __m256i pairs[4] = {_mm256_unpacklo_epi8(low, zero), _mm256_unpackhi_epi8(low, zero),
                                _mm256_unpacklo_epi8(high, zero), _mm256_unpackhi_epi8(high, zero)};
#pragma GCC unroll 4
      for (int k = 0; k < 4; ++k)
        sum[k] = _mm256_add_epi32(sum[k], _mm256_madd_epi16(pairs[k], _mm256_load_si256(w + k)));
    }
    const std::int64_t to = p * stride + g.channel;
    if (!bytes) {
      alignas(32) float quarters[32];
      for (int k = 0; k < 4; ++k) _mm256_store_ps(quarters + 8 * k, of.value(sum[k], k));
      store_floats(quarters, 8, count, row.y + to);
      continue;
    }
    for (int k = 0; k < 4; ++k) sum[k] = of.byte(of.value(sum[k], k));
    const __m256i q =
        _mm256_packus_epi16(_mm256_packs_epi32(sum[0], sum[1]), _mm256_packs_epi32(sum[2], sum[3]));
    if (count == 32) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(bytes + to), q);
      continue;
    }
    alignas(32) std::uint8_t part[32];
    _mm256_store_si256(reinterpret_cast<__m256i*>(part), q);
    std::memcpy(bytes + to, part, static_cast<std::size_t>(count));
  }
}

ANTIPHON_VNNI void depthwise_row_vnni(std::int64_t taps, const DepthwiseGroup& g,
                                      const DepthwiseLines& row, bool plain) {
  const RowNumbers numbers(g, row);
  const Avx512Row of(row, numbers);
  std::uint8_t* const bytes = row.bytes;
  const std::int64_t pixels = row.pixels, all = row.lines * pixels, x_stride = row.x_stride,
                     stride = row.stride;
  const std::int64_t count = g.count;
  const std::uint8_t* from = row.x + g.channel;
  const std::int64_t next_line = row.x_line - (pixels - 1) * x_stride;
  std::int64_t left = pixels;  // of the line
  for (std::int64_t p = 0; p < all; ++p) {
    const std::uint8_t* x = from;
    left = left == 1 ? pixels : left - 1;
    from += left == pixels ? next_line : x_stride;
    __m512i sum[4];
    for (int k = 0; k < 4; ++k) sum[k] = _mm512_load_si512(numbers.share + 16 * k);
    if (g.fours.empty())
      of.add_pairs(x, row.offsets, taps, g.weights.data(), sum);
    else
      of.add_fours(x, row.offsets, taps, g.fours.data(), sum);
    const std::int64_t to = p * stride + g.channel;
    if (!bytes) {
      alignas(64) float quarters[64];
      for (int k = 0; k < 4; ++k) _mm512_store_ps(quarters + 16 * k, of.value(sum[k], k));
      store_floats(quarters, 16, count, row.y + to);
      continue;
    }
    for (int k = 0; k < 4; ++k)
      sum[k] = plain ? of.plain_byte(sum[k], k) : of.byte(of.value(sum[k], k));
    const __m512i q =
        _mm512_packus_epi16(_mm512_packs_epi32(sum[0], sum[1]), _mm512_packs_epi32(sum[2], sum[3]));
    store_bytes(q, count, bytes + to);
  }
}

}  // namespace antiphon
#endif
