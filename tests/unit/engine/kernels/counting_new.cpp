// Counts allocations of the test program, to show that running a kernel makes none.
#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/unit/engine/kernels/kernel_harness.h"

namespace {
std::atomic<long> num_allocations{0};
}  // namespace

namespace antiphon::test {
long allocations() { return num_allocations.load(); }
}  // namespace antiphon::test

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
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
