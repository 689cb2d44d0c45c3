// The u8 x s8 tiles for AVX2 (vpmaddubsw, vpmaddwd) and AVX-512 VNNI (vpdpbusd), and the
// quantisation of a row.
#if defined(__x86_64__)
#if !defined(__clang__)  // warnings of gcc 12's own intrinsics header
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/kernels/cpu/gemm_u8_tiles.h"

#define ANTIPHON_AVX2 __attribute__((target("avx2,fma")))
#define ANTIPHON_VNNI \
  __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))

namespace antiphon {
namespace {

// Four neighbouring bytes in every 32-bit lane.
ANTIPHON_AVX2 inline __m256i four256(const std::uint8_t* x) {
  std::int32_t four;
  std::memcpy(&four, x, sizeof(four));
  return _mm256_set1_epi32(four);
}
ANTIPHON_VNNI inline __m512i four512(const std::uint8_t* x) {
  std::int32_t four;
  std::memcpy(&four, x, sizeof(four));
  return _mm512_set1_epi32(four);
}

// round(v / scale) + zero, within 0..levels. The quotient is a product with the inverse and one
// step of Newton's, which rounds as a division does at a quarter of its time.
struct ByteSteps {
  __m256 scale, inverse, low, high;
  __m256i zero;
  ANTIPHON_AVX2 ByteSteps(const U8Row& row, std::int32_t levels)
      : scale(_mm256_set1_ps(row.scale)),
        inverse(_mm256_set1_ps(1.0f / row.scale)),
        low(_mm256_set1_ps(static_cast<float>(-row.zero) * row.scale)),
        high(_mm256_set1_ps(static_cast<float>(levels - row.zero) * row.scale)),
        zero(_mm256_set1_epi32(row.zero)) {}
  ANTIPHON_AVX2 __m256i of(__m256 v) const {
    v = _mm256_and_ps(v, _mm256_cmp_ps(v, v, _CMP_ORD_Q));  // NaN to 0
    v = _mm256_min_ps(_mm256_max_ps(v, low), high);
    const __m256 about = _mm256_mul_ps(v, inverse);
    v = _mm256_fmadd_ps(_mm256_fnmadd_ps(about, scale, v), inverse, about);
    return _mm256_add_epi32(_mm256_cvtps_epi32(v), zero);
  }
};

template <int kRows>
ANTIPHON_AVX2 void tile_avx2(const std::int8_t* w, const TappedRows<std::uint8_t>& x,
                             std::int32_t* out) {
  __m256i sum[kRows][2];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
  const __m256i ones = _mm256_set1_epi16(1);
  for (int tap = 0; tap < x.taps; ++tap) {
    const std::uint8_t* row = x.x + tap * x.tap_stride;
    for (std::int64_t c = 0; c < x.tap_cols; c += 4, w += 64) {
      const __m256i low = _mm256_load_si256(reinterpret_cast<const __m256i*>(w));
      const __m256i high = _mm256_load_si256(reinterpret_cast<const __m256i*>(w + 32));
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const __m256i value = four256(row + r * x.row_stride + c);
        // At most 2 * 127 * 128 < 2^15.
        const __m256i a = _mm256_maddubs_epi16(value, low), b = _mm256_maddubs_epi16(value, high);
        sum[r][0] = _mm256_add_epi32(sum[r][0], _mm256_madd_epi16(a, ones));
        sum[r][1] = _mm256_add_epi32(sum[r][1], _mm256_madd_epi16(b, ones));
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(out + r * kPanelRows), sum[r][0]);
    _mm256_store_si256(reinterpret_cast<__m256i*>(out + r * kPanelRows + 8), sum[r][1]);
  }
}

template <int kRows>
ANTIPHON_VNNI void tile_vnni(const std::int8_t* w, const TappedRows<std::uint8_t>& x,
                             std::int32_t* out) {
  constexpr int kChains = kRows == 1 ? 4 : kRows <= 5 ? 2 : 1;  // vpdpbusd takes 5 cycles
  __m512i sum[kChains][kRows];
#pragma GCC unroll 16
  for (int i = 0; i < kChains * kRows; ++i) sum[i / kRows][i % kRows] = _mm512_setzero_si512();
  for (int tap = 0; tap < x.taps; ++tap) {
    const std::uint8_t* row = x.x + tap * x.tap_stride;
    std::int64_t c = 0;
    const auto step = [&](int chain) ANTIPHON_VNNI __attribute__((always_inline)) {
      const __m512i weight = _mm512_load_si512(w);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r)
        sum[chain][r] =
            _mm512_dpbusd_epi32(sum[chain][r], four512(row + r * x.row_stride + c), weight);
      c += 4;
      w += 64;
    };
    while (c + 4 * kChains <= x.tap_cols) {
#pragma GCC unroll 4
      for (int chain = 0; chain < kChains; ++chain) step(chain);
    }
    while (c < x.tap_cols) step(0);
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    __m512i total = sum[0][r];
#pragma GCC unroll 4
    for (int chain = 1; chain < kChains; ++chain) total = _mm512_add_epi32(total, sum[chain][r]);
    _mm512_store_si512(out + r * kPanelRows, total);
  }
}

// Two panels beside each other: a value that was loaded meets both.
template <int kRows>
ANTIPHON_VNNI void wide_vnni(const std::int8_t* w, const std::int8_t* second,
                             const TappedRows<std::uint8_t>& x, std::int32_t* out) {
  constexpr int kBases = (kRows + 2) / 3;  // three rows share an address register
  __m512i sum[2][kRows];
#pragma GCC unroll 24
  for (int i = 0; i < 2 * kRows; ++i) sum[i / kRows][i % kRows] = _mm512_setzero_si512();
  const std::int64_t stride = x.row_stride, apart = second - w;
  for (int tap = 0; tap < x.taps; ++tap) {
    const std::uint8_t* base[kBases];
#pragma GCC unroll 4
    for (int b = 0; b < kBases; ++b) base[b] = x.x + tap * x.tap_stride + 3 * b * stride;
    for (std::int64_t c = 0; c < x.tap_cols; c += 4, w += 64) {
      const __m512i weight = _mm512_load_si512(w), beside = _mm512_load_si512(w + apart);
      // The next two panels, while all rows pass these: weights come from far away in a network.
      _mm_prefetch(w + 2 * apart, _MM_HINT_T1);
      _mm_prefetch(w + 2 * apart + apart, _MM_HINT_T1);
#pragma GCC unroll 12
      for (int r = 0; r < kRows; ++r) {
        const __m512i value = four512(base[r / 3] + (r % 3) * stride);
        sum[0][r] = _mm512_dpbusd_epi32(sum[0][r], value, weight);
        sum[1][r] = _mm512_dpbusd_epi32(sum[1][r], value, beside);
        // Row after row: values of all rows at once leave the sums no registers.
        asm volatile("" : "+v"(sum[0][r]), "+v"(sum[1][r]));
      }
#pragma GCC unroll 4
      for (int b = 0; b < kBases; ++b) base[b] += 4;
    }
  }
#pragma GCC unroll 24
  for (int i = 0; i < 2 * kRows; ++i)
    _mm512_store_si512(out + i * kPanelRows, sum[i / kRows][i % kRows]);
}

ANTIPHON_VNNI void finish_vnni(const std::int32_t* sums, const U8Outputs& to) {
  if (to.plain_bytes) return finish_plain_bytes_vnni(sums, to);
  if (to.bytes && to.inverse == 0) return finish_u8_portable(sums, to);
  const auto wanted = static_cast<__mmask16>((1u << to.outputs) - 1u);
  const __m512 none = _mm512_setzero_ps();
  const __m512 bias = to.bias ? _mm512_maskz_loadu_ps(wanted, to.bias) : none;
  const __m512 step = _mm512_set1_ps(to.numbers.scale), inverse = _mm512_set1_ps(to.inverse);
  const __m512 low = _mm512_set1_ps(static_cast<float>(-to.numbers.zero) * to.numbers.scale);
  const __m512 high =
      _mm512_set1_ps(static_cast<float>(to.levels - to.numbers.zero) * to.numbers.scale);
  __m512i share = _mm512_setzero_si512();
  __m512 factor = none;
  for (std::int64_t i = 0; i < to.num_rows; ++i, sums += kPanelRows) {
    const std::int64_t place = to.place(i);
    if (i == 0 || to.rows_stride != 0) {
      const U8Row& row = to.rows[i * to.rows_stride];
      share = _mm512_mullo_epi32(_mm512_set1_epi32(row.zero), _mm512_loadu_si512(to.of_weights));
      factor = _mm512_mul_ps(_mm512_loadu_ps(to.scales), _mm512_set1_ps(row.scale));
    }
    if (place < 0) continue;
    __m512i sum = _mm512_sub_epi32(_mm512_load_si512(sums), share);
    if (to.more) sum = _mm512_add_epi32(sum, _mm512_set1_epi32(to.more[i]));
    __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), factor);
    asm("" : "+v"(v));  // as in finish_u8_avx2
    if (to.bias) v = _mm512_add_ps(v, bias);
    if (to.relu) v = _mm512_max_ps(v, none);
    if (to.residual) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(wanted, to.residual_of(place)));
    if (to.relu_last) v = _mm512_max_ps(v, none);
    if (!to.bytes) {
      if (wanted == 0xffff)
        _mm512_storeu_ps(to.y + place * to.stride, v);  // masked, it takes long on some cores
      else
        _mm512_mask_storeu_ps(to.y + place * to.stride, wanted, v);
      continue;
    }
    v = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(v, v, _CMP_ORD_Q), v);  // NaN to 0
    v = _mm512_min_ps(_mm512_max_ps(v, low), high);
    const __m512 about = _mm512_mul_ps(v, inverse);  // as ByteSteps
    v = _mm512_fmadd_ps(_mm512_fnmadd_ps(about, step, v), inverse, about);
    const __m512i q = _mm512_add_epi32(_mm512_cvtps_epi32(v), _mm512_set1_epi32(to.numbers.zero));
    _mm512_mask_cvtepi32_storeu_epi8(to.bytes + place * to.stride, wanted, q);
  }
}

constexpr U8Tile kAvx2Tiles[] = {tile_avx2<1>, tile_avx2<2>, tile_avx2<3>,
                                 tile_avx2<4>, tile_avx2<5>, tile_avx2<6>};
constexpr U8Tile kVnniTiles[] = {tile_vnni<1>,  tile_vnni<2>,  tile_vnni<3>,  tile_vnni<4>,
                                 tile_vnni<5>,  tile_vnni<6>,  tile_vnni<7>,  tile_vnni<8>,
                                 tile_vnni<9>,  tile_vnni<10>, tile_vnni<11>, tile_vnni<12>,
                                 tile_vnni<13>, tile_vnni<14>};
static_assert(sizeof kVnniTiles / sizeof *kVnniTiles == kMostU8Rows);

}  // namespace

const U8Tiles& u8_tiles_avx2() {
  static constexpr U8Tiles kTable = {
      .most_rows = 6, .tile = kAvx2Tiles, .finish = finish_u8_avx2, .row = u8_row_avx2};
  return kTable;
}
const U8Tiles& u8_tiles_vnni() {
  static constexpr U8WideTile kWide[] = {wide_vnni<6>,  wide_vnni<7>,  wide_vnni<8>, wide_vnni<9>,
                                         wide_vnni<10>, wide_vnni<11>, wide_vnni<12>};
  static constexpr U8Tiles kTable = {.most_rows = kMostU8Rows,
                                     .tile = kVnniTiles,
                                     .finish = finish_vnni,
                                     .least_wide = 6,
                                     .most_wide = kMostU8WideRows,
                                     .wide = kWide,
                                     .row = u8_row_vnni};
  return kTable;
}

ANTIPHON_AVX2 void finish_u8_avx2(const std::int32_t* sums, const U8Outputs& to) {
  if (to.outputs < kPanelRows || (to.bytes && to.inverse == 0)) return finish_u8_portable(sums, to);
  const ByteSteps steps(to.numbers, to.levels);
  const __m256 none = _mm256_setzero_ps();
  __m256i share[2];
  __m256 factor[2], values[2];
  for (std::int64_t i = 0; i < to.num_rows; ++i, sums += kPanelRows) {
    const std::int64_t place = to.place(i);
    if (i == 0 || to.rows_stride != 0) {
      const U8Row& row = to.rows[i * to.rows_stride];
#pragma GCC unroll 2
      for (int k = 0; k < 2; ++k) {
        share[k] = _mm256_mullo_epi32(
            _mm256_set1_epi32(row.zero),
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(to.of_weights + 8 * k)));
        factor[k] = _mm256_mul_ps(_mm256_loadu_ps(to.scales + 8 * k), _mm256_set1_ps(row.scale));
      }
    }
    if (place < 0) continue;
    const float* residual = to.residual_of(place);
#pragma GCC unroll 2
    for (int k = 0; k < 2; ++k) {
      __m256i sum = _mm256_load_si256(reinterpret_cast<const __m256i*>(sums + 8 * k));
      sum = _mm256_sub_epi32(sum, share[k]);
      if (to.more) sum = _mm256_add_epi32(sum, _mm256_set1_epi32(to.more[i]));
      __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), factor[k]);
      asm("" : "+x"(v));  // or the compiler makes one step, one rounding, of this and the next
      if (to.bias) v = _mm256_add_ps(v, _mm256_loadu_ps(to.bias + 8 * k));
      if (to.relu) v = _mm256_max_ps(v, none);
      if (residual) v = _mm256_add_ps(v, _mm256_loadu_ps(residual + 8 * k));
      if (to.relu_last) v = _mm256_max_ps(v, none);
      values[k] = v;
    }
    if (!to.bytes) {
      _mm256_storeu_ps(to.y + place * to.stride, values[0]);
      _mm256_storeu_ps(to.y + place * to.stride + 8, values[1]);
      continue;
    }
    const __m256i words = _mm256_packs_epi32(steps.of(values[0]), steps.of(values[1]));
    const __m128i low = _mm256_castsi256_si128(words), high = _mm256_extracti128_si256(words, 1);
    const __m128i bytes = _mm_packus_epi16(low, high);  // quads 0, 2, 1, 3
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to.bytes + place * to.stride),
                     _mm_shuffle_epi32(bytes, 0xd8));
  }
}

ANTIPHON_AVX2 void range_avx2(const float* x, std::int64_t n, float* low, float* high) {
  __m256 least = _mm256_set1_ps(*low), most = _mm256_set1_ps(*high);
  __m256 second_least = least, second_most = most;
  const auto take = [](const float* from, __m256& to_least, __m256& to_most) ANTIPHON_AVX2 {
    // In this order a NaN of x is dropped.
    to_least = _mm256_min_ps(_mm256_loadu_ps(from), to_least);
    to_most = _mm256_max_ps(_mm256_loadu_ps(from), to_most);
  };
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    take(x + i, least, most);
    take(x + i + 8, second_least, second_most);
  }
  if (i + 8 <= n) {
    take(x + i, least, most);
    i += 8;
  }
  least = _mm256_min_ps(least, second_least);
  most = _mm256_max_ps(most, second_most);
  alignas(32) float lanes[16];
  _mm256_store_ps(lanes, least);
  _mm256_store_ps(lanes + 8, most);
  for (int k = 0; k < 8; ++k) {
    *low = std::min(*low, lanes[k]);
    *high = std::max(*high, lanes[k + 8]);
  }
  for (; i < n; ++i) {
    *low = x[i] < *low ? x[i] : *low;
    *high = x[i] > *high ? x[i] : *high;
  }
}

ANTIPHON_AVX2 void to_u8_avx2(const float* x, std::int64_t n, float inverse, std::int32_t zero,
                              std::int32_t levels, std::uint8_t* values) {
  const float least = static_cast<float>(-zero), most = static_cast<float>(levels - zero);
  const __m256 factor = _mm256_set1_ps(inverse), low = _mm256_set1_ps(least),
               high = _mm256_set1_ps(most);
  const __m256i shift = _mm256_set1_epi32(zero);
  const auto eight = [&](const float* from) ANTIPHON_AVX2 {
    __m256 v = _mm256_mul_ps(_mm256_loadu_ps(from), factor);
    v = _mm256_and_ps(v, _mm256_cmp_ps(v, v, _CMP_ORD_Q));  // NaN to 0
    v = _mm256_min_ps(_mm256_max_ps(v, low), high);
    return _mm256_add_epi32(_mm256_cvtps_epi32(v), shift);
  };
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  std::int64_t i = 0;
  for (; i + 32 <= n; i += 32) {
    const __m256i a = _mm256_packs_epi32(eight(x + i), eight(x + i + 8));
    const __m256i b = _mm256_packs_epi32(eight(x + i + 16), eight(x + i + 24));
    const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(a, b), order);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(values + i), bytes);
  }
  for (; i < n; ++i) {
    const float scaled = std::nearbyint(x[i] * inverse);
    const float kept = std::isnan(scaled) ? 0.0f : std::clamp(scaled, least, most);
    values[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(kept) + zero);
  }
}

ANTIPHON_AVX2 void to_u8_static_avx2(const float* x, std::int64_t n, const U8Row& row,
                                     std::int32_t levels, std::uint8_t* values) {
  const ByteSteps steps(row, levels);
  const auto eight = [&](const float* from)
                         ANTIPHON_AVX2 { return steps.of(_mm256_loadu_ps(from)); };
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const auto store = [&](const float* from, std::uint8_t* to) ANTIPHON_AVX2 {
    const __m256i a = _mm256_packs_epi32(eight(from), eight(from + 8));
    const __m256i b = _mm256_packs_epi32(eight(from + 16), eight(from + 24));
    const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(a, b), order);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), bytes);
  };
  std::int64_t i = 0;
  for (; i + 32 <= n; i += 32) store(x + i, values + i);
  if (i == n) return;
  float rest[32] = {};
  std::uint8_t bytes[32];
  std::copy_n(x + i, n - i, rest);
  store(rest, bytes);
  std::copy_n(bytes, n - i, values + i);
}

ANTIPHON_AVX2 std::int64_t from_u8_avx2(const std::uint8_t* values, std::int64_t n,
                                        const U8Row& row, float* y) {
  const __m256 scale = _mm256_set1_ps(row.scale);
  const __m256i zero = _mm256_set1_epi32(row.zero);
  std::int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(values + i));
    const __m256i centred = _mm256_sub_epi32(_mm256_cvtepu8_epi32(bytes), zero);
    _mm256_storeu_ps(y + i, _mm256_mul_ps(_mm256_cvtepi32_ps(centred), scale));
  }
  return i;
}

}  // namespace antiphon
#endif
