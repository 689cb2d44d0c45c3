// Plain loops compiled a second time, for AVX2. Without FMA: both give the same numbers.
#pragma once

#if defined(__x86_64__)
#define ANTIPHON_FOR_AVX2 __attribute__((target("avx2")))
#else
#define ANTIPHON_FOR_AVX2
#endif
#define ANTIPHON_INLINED [[gnu::always_inline]] inline

namespace antiphon {

inline bool has_avx2() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2");
#else
  return false;
#endif
}

}  // namespace antiphon
