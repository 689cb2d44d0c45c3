// Sums of the u8 x s8 product of one row with many panels to f32, for AVX2 and AVX-512: what is to
// do for a panel beside its sums takes a third of their time where it is done one by one.
#if defined(__x86_64__)
#if !defined(__clang__)  // warnings of gcc 12's own intrinsics header
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <algorithm>

#include "engine/kernels/cpu/gemm_u8_tiles.h"

namespace antiphon {
namespace {

// What is the same for all outputs: the numbers of the row.
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

}  // namespace

__attribute__((target("avx2,fma"))) void finish_row_avx2(const std::int32_t* sums,
                                                         const U8Outputs& to) {
  const __m256 none = _mm256_setzero_ps(), row_scale = _mm256_set1_ps(to.rows->scale);
  const __m256i zero = _mm256_set1_epi32(to.rows->zero);
  std::int64_t o = 0;
  for (; o + 8 <= to.outputs; o += 8) {
    const __m256i share = _mm256_mullo_epi32(
        zero, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(to.of_weights + o)));
    const __m256i sum = _mm256_load_si256(reinterpret_cast<const __m256i*>(sums + o));
    const __m256 factor = _mm256_mul_ps(_mm256_loadu_ps(to.scales + o), row_scale);
    __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(sum, share)), factor);
    asm("" : "+x"(v));  // or the compiler makes one step, one rounding, of this and the next
    if (to.bias) v = _mm256_add_ps(v, _mm256_loadu_ps(to.bias + o));
    if (to.relu) v = _mm256_max_ps(v, none);
    if (to.residual) v = _mm256_add_ps(v, _mm256_loadu_ps(to.residual + o));
    if (to.relu_last) v = _mm256_max_ps(v, none);
    _mm256_storeu_ps(to.y + o, v);
  }
  if (o < to.outputs) finish_u8_portable(sums + o, after(to, o));
}

__attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl"))) void finish_row_vnni(
    const std::int32_t* sums, const U8Outputs& to) {
  const __m512 none = _mm512_setzero_ps(), row_scale = _mm512_set1_ps(to.rows->scale);
  const __m512i zero = _mm512_set1_epi32(to.rows->zero);
  for (std::int64_t o = 0; o < to.outputs; o += kPanelRows) {
    const auto wanted = static_cast<__mmask16>((1u << std::min(kPanelRows, to.outputs - o)) - 1u);
    const __m512i share = _mm512_mullo_epi32(zero, _mm512_loadu_si512(to.of_weights + o));
    const __m512i sum = _mm512_sub_epi32(_mm512_load_si512(sums + o), share);
    __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(sum),
                             _mm512_mul_ps(_mm512_loadu_ps(to.scales + o), row_scale));
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
