// Sums of the u8 x s8 product to bytes by AVX-512, where no value needs care.
#if defined(__x86_64__)
#if !defined(__clang__)  // warnings of gcc 12's own intrinsics header
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "engine/kernels/cpu/gemm_u8_tiles.h"

namespace antiphon {

__attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl"))) void finish_plain_bytes_vnni(
    const std::int32_t* sums, const U8Outputs& to) {
  const auto wanted = static_cast<__mmask16>((1u << to.outputs) - 1u);
  const __m512 factor = _mm512_mul_ps(_mm512_loadu_ps(to.scales), _mm512_set1_ps(to.rows->scale));
  const __m512 bias = to.bias ? _mm512_maskz_loadu_ps(wanted, to.bias) : _mm512_setzero_ps();
  const __m512i share =
      _mm512_mullo_epi32(_mm512_set1_epi32(to.rows->zero), _mm512_loadu_si512(to.of_weights));
  const __m512 step = _mm512_set1_ps(to.numbers.scale), inverse = _mm512_set1_ps(to.inverse);
  // Narrowing saturates to signed bytes, whose highest bit then turns.
  const __m512i zero = _mm512_set1_epi32(to.numbers.zero - 128);
  const __m128i turned = _mm_set1_epi8(-128);
  const std::int64_t num_rows = to.num_rows, stride = to.stride;
  const std::int32_t* places = to.places;
  std::uint8_t* bytes = to.bytes;
  for (std::int64_t i = 0; i < num_rows; ++i, sums += kPanelRows) {
    const std::int64_t place = places ? places[i] : i;
    if (place < 0) continue;
    const __m512i sum = _mm512_sub_epi32(_mm512_load_si512(sums), share);
    __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), factor);
    asm("" : "+v"(v));  // or the compiler makes one step, one rounding, of this and the next
    v = _mm512_add_ps(v, bias);
    const __m512 about = _mm512_mul_ps(v, inverse);  // rounds as a division does
    v = _mm512_fmadd_ps(_mm512_fnmadd_ps(about, step, v), inverse, about);
    const __m512i whole = _mm512_add_epi32(_mm512_cvtps_epi32(v), zero);
    const __m128i q = _mm_xor_si128(_mm512_cvtsepi32_epi8(whole), turned);
    auto* y = reinterpret_cast<__m128i*>(bytes + place * stride);
    if (wanted == 0xffff)
      _mm_storeu_si128(y, q);  // a masked store takes several times as long on some cores
    else
      _mm_mask_storeu_epi8(y, wanted, q);
  }
}

}  // namespace antiphon
#endif
