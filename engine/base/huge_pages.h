// Memory of large tensors: on huge pages where the system gives them, since walking hundreds of
// thousands of small ones costs more than reading what they hold.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace antiphon {

// 64-byte aligned; from some megabytes on aligned to huge pages and marked for them. Null: there is
// not so much. Any thread.
void* allocate_huge(std::size_t bytes);
void free_huge(void* memory, std::size_t bytes);

template <typename T>
struct HugePageAllocator {
  using value_type = T;
  HugePageAllocator() = default;
  template <typename U>
  HugePageAllocator(const HugePageAllocator<U>&) {}  // NOLINT: conversions as std::allocator's
  T* allocate(std::size_t n) {
    void* memory = allocate_huge(n * sizeof(T));
    if (!memory) throw std::bad_alloc();
    return static_cast<T*>(memory);
  }
  void deallocate(T* p, std::size_t n) { free_huge(p, n * sizeof(T)); }
  bool operator==(const HugePageAllocator&) const { return true; }
};
using HugeFloats = std::vector<float, HugePageAllocator<float>>;

}  // namespace antiphon
