// Small transpositions that stay in cache: by blocks in registers where SSE2 is there.
#pragma once

#include <algorithm>
#include <cstdint>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace antiphon {

#if defined(__SSE2__)
// 16 x 16 bytes.
inline void transpose_16x16(const std::uint8_t* from, std::int64_t from_stride, std::uint8_t* to,
                            std::int64_t to_stride) {
  __m128i a[16], b[16];
  for (std::int64_t i = 0; i < 16; ++i)
    a[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i * from_stride));
  // Each stage puts row i beside row i + 8: after four of them rows are columns.
  for (int stage = 0; stage < 4; ++stage) {
    for (int i = 0; i < 8; ++i) {
      b[2 * i] = _mm_unpacklo_epi8(a[i], a[i + 8]);
      b[2 * i + 1] = _mm_unpackhi_epi8(a[i], a[i + 8]);
    }
    std::copy(b, b + 16, a);
  }
  for (std::int64_t i = 0; i < 16; ++i)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i * to_stride), a[i]);
}
#endif

// from [rows][columns] to [columns][rows]; strides in elements.
inline void transpose_bytes(const std::uint8_t* from, std::int64_t from_stride, std::int64_t rows,
                            std::int64_t columns, std::uint8_t* to, std::int64_t to_stride) {
  std::int64_t done = 0;
#if defined(__SSE2__)
  if (rows == 16)
    for (; done + 16 <= columns; done += 16)
      transpose_16x16(from + done, from_stride, to + done * to_stride, to_stride);
#endif
  for (std::int64_t c = done; c < columns; ++c)
    for (std::int64_t r = 0; r < rows; ++r) to[c * to_stride + r] = from[r * from_stride + c];
}

inline void transpose_floats(const float* from, std::int64_t from_stride, std::int64_t rows,
                             std::int64_t columns, float* to, std::int64_t to_stride) {
  std::int64_t done = 0;
#if defined(__SSE2__)
  const std::int64_t fours = rows / 4 * 4;
  for (; done + 4 <= columns; done += 4) {
    for (std::int64_t r = 0; r < fours; r += 4) {
      __m128 a = _mm_loadu_ps(from + r * from_stride + done);
      __m128 b = _mm_loadu_ps(from + (r + 1) * from_stride + done);
      __m128 c = _mm_loadu_ps(from + (r + 2) * from_stride + done);
      __m128 d = _mm_loadu_ps(from + (r + 3) * from_stride + done);
      _MM_TRANSPOSE4_PS(a, b, c, d);
      _mm_storeu_ps(to + done * to_stride + r, a);
      _mm_storeu_ps(to + (done + 1) * to_stride + r, b);
      _mm_storeu_ps(to + (done + 2) * to_stride + r, c);
      _mm_storeu_ps(to + (done + 3) * to_stride + r, d);
    }
    for (std::int64_t r = fours; r < rows; ++r)
      for (std::int64_t i = 0; i < 4; ++i)
        to[(done + i) * to_stride + r] = from[r * from_stride + done + i];
  }
#endif
  for (std::int64_t c = done; c < columns; ++c)
    for (std::int64_t r = 0; r < rows; ++r) to[c * to_stride + r] = from[r * from_stride + c];
}

}  // namespace antiphon
