// Counts allocations of the test program, to show that running a kernel or a plan makes none: every
// call of malloc and its kin, by any library; under sanitizers, which have their own malloc, those
// of operator new.
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <new>

#include "tests/unit/engine/kernels/kernel_harness.h"

namespace {
std::atomic<long> num_allocations{0};
}  // namespace

namespace antiphon::test {
long allocations() { return num_allocations.load(); }
}  // namespace antiphon::test

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define ANTIPHON_COUNT_NEW 1
#elif defined(__has_feature)  // clang
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ANTIPHON_COUNT_NEW 1
#endif
#endif

#ifdef ANTIPHON_COUNT_NEW

void* operator new(std::size_t num_bytes) {
  ++num_allocations;
  if (void* p = std::malloc(num_bytes ? num_bytes : 1)) return p;
  throw std::bad_alloc();
}
void* operator new(std::size_t num_bytes, std::align_val_t align) {
  ++num_allocations;
  void* p = nullptr;
  if (posix_memalign(&p, static_cast<std::size_t>(align), num_bytes ? num_bytes : 1) == 0) return p;
  throw std::bad_alloc();
}
// Those that do not throw too: a sanitizer has its own, and would miss its own delete.
void* operator new(std::size_t num_bytes, const std::nothrow_t&) noexcept {
  ++num_allocations;
  return std::malloc(num_bytes ? num_bytes : 1);
}
void* operator new(std::size_t num_bytes, std::align_val_t align, const std::nothrow_t&) noexcept {
  ++num_allocations;
  void* p = nullptr;
  const int error = posix_memalign(&p, static_cast<std::size_t>(align), num_bytes ? num_bytes : 1);
  return error == 0 ? p : nullptr;
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

#else

// glibc's own functions under their second names.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t num_bytes) {
  ++num_allocations;
  return __libc_malloc(num_bytes);
}
void* calloc(std::size_t count, std::size_t num_bytes) {
  ++num_allocations;
  return __libc_calloc(count, num_bytes);
}
void* realloc(void* p, std::size_t num_bytes) {
  ++num_allocations;
  return __libc_realloc(p, num_bytes);
}
void* memalign(std::size_t align, std::size_t num_bytes) {
  ++num_allocations;
  return __libc_memalign(align, num_bytes);
}
void* aligned_alloc(std::size_t align, std::size_t num_bytes) { return memalign(align, num_bytes); }
int posix_memalign(void** p, std::size_t align, std::size_t num_bytes) {
  *p = memalign(align, num_bytes);
  return *p ? 0 : ENOMEM;
}
}

#endif
