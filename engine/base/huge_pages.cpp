// Aligned allocation and madvise.
#include "engine/base/huge_pages.h"

#include <sys/mman.h>

#include <new>

namespace antiphon {
namespace {

constexpr std::size_t kPage = 2 << 20;

std::align_val_t alignment(std::size_t bytes) {
  return std::align_val_t{bytes >= kPage ? kPage : 64};
}

}  // namespace

void* allocate_huge(std::size_t bytes) {
  void* memory = ::operator new(bytes, alignment(bytes), std::nothrow);
#if defined(MADV_HUGEPAGE)
  // Whole pages alone: a part of one would take more memory than was asked for.
  if (memory && bytes >= kPage) (void)::madvise(memory, bytes / kPage * kPage, MADV_HUGEPAGE);
#endif
  return memory;
}

void free_huge(void* memory, std::size_t bytes) { ::operator delete(memory, alignment(bytes)); }

}  // namespace antiphon
