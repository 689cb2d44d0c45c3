// CPU detection, and the cap of oneDNN.
#include "engine/kernels/isa.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <array>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>

namespace antiphon {
namespace {

#if defined(__x86_64__) && defined(__linux__)
// True: the CPU has tiles of bytes, and the kernel lets this process use their registers.
bool has_amx() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kAmxTile = 1u << 24, kAmxInt8 = 1u << 25;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & kAmxTile) == 0 || (d & kAmxInt8) == 0)
    return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
#else
bool has_amx() { return false; }
#endif

#if defined(__x86_64__)
// VNNI for vectors of 32 bytes without AVX-512: in processors for desktops and laptops above all.
bool has_avx_vnni() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kAvxVnni = 1u << 4;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & kAvxVnni) != 0;
}
#endif
}  // namespace

Isa detect_isa() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  // Highway's AVX3 code uses these; VNNI is for our own integer kernels.
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512vnni");
  if (avx2 && avx512) return has_amx() ? Isa::kAmxInt8 : Isa::kAvx512Vnni;
  if (avx2) return has_avx_vnni() ? Isa::kAvxVnni : Isa::kAvx2;
#endif
  return Isa::kPortable;
}

bool supports(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::kAvxVnni) return detect_isa() >= isa && has_avx_vnni();
#endif
  return isa <= detect_isa();
}

Isa highest_under(Isa cap) {
  while (!supports(cap)) cap = static_cast<Isa>(static_cast<int>(cap) - 1);
  return cap;
}

Result<Isa> parse_isa(std::string_view text) {
  for (std::size_t i = 0; i < kIsaNames.size(); ++i)
    if (kIsaNames[i] == text) return static_cast<Isa>(i);
  return invalid_argument("isa '" + std::string(text) +
                          "' is unknown; wanted portable, avx2, avx_vnni, avx512_vnni or amx_int8");
}

std::string_view isa_name(Isa isa) { return kIsaNames[static_cast<std::size_t>(isa)]; }

bool onednn_beyond(Isa isa) {
#if defined(__x86_64__)
  if (isa >= Isa::kAvx512Vnni) return false;  // its f32 code uses no more than AVX-512
  const dnnl::cpu_isa most = dnnl::get_effective_cpu_isa();
  if (most == dnnl::cpu_isa::sse41) return false;
  return isa == Isa::kPortable || (most != dnnl::cpu_isa::avx && most != dnnl::cpu_isa::avx2 &&
                                   most != dnnl::cpu_isa::avx2_vnni);
#else
  (void)isa;
  return false;
#endif
}

Status cap_onednn(Isa isa) {
#if defined(__x86_64__)
  const dnnl::cpu_isa cap = isa == Isa::kPortable  ? dnnl::cpu_isa::sse41
                            : isa <= Isa::kAvxVnni ? dnnl::cpu_isa::avx2
                                                   : dnnl::cpu_isa::avx512_core_vnni;  // f32 only
  if (dnnl::set_max_cpu_isa(cap) != dnnl::status::success && onednn_beyond(isa))
    return internal_error("oneDNN was used before its ISA was capped to " +
                          std::string(isa_name(isa)));
#else
  (void)isa;
#endif
  return {};
}

}  // namespace antiphon
