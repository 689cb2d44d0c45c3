// The instruction sets that our Highway files are compiled for; include it before Highway.
#pragma once

// Isa::kPortable is Highway's static target, kAvx2 and kAvxVnni its AVX2, kAvx512Vnni and
// kAmxInt8 its AVX3.
#if defined(__x86_64__)
#define HWY_DISABLED_TARGETS (HWY_AVX3_DL | HWY_SSE4 | HWY_SSSE3)
#else
#define HWY_COMPILE_ONLY_STATIC 1
#endif

// ANTIPHON_BY_ISA(isa, table): returns `table()` of the namespace that was compiled for the level.
// Use it after HWY_ONCE inside a function; levels that are missing fall through to the static one.
#if defined(__x86_64__)
#define ANTIPHON_BY_ISA(isa, table)                        \
  do {                                                     \
    if ((isa) >= Isa::kAvx512Vnni) return N_AVX3::table(); \
    if ((isa) >= Isa::kAvx2) return N_AVX2::table();       \
    return HWY_STATIC_DISPATCH(table)();                   \
  } while (false)
#else
#define ANTIPHON_BY_ISA(isa, table)      \
  do {                                   \
    (void)(isa);                         \
    return HWY_STATIC_DISPATCH(table)(); \
  } while (false)
#endif
