// Element types and views of tensors, as the engine's users see them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace antiphon {

enum class DType : std::uint8_t { kF32, kF16, kI8, kU8, kI32, kI64, kBool };

// Bytes of one element.
constexpr std::size_t dtype_bytes(DType dtype) {
  switch (dtype) {
    case DType::kF32:
    case DType::kI32: return 4;
    case DType::kF16: return 2;
    case DType::kI64: return 8;
    case DType::kI8:
    case DType::kU8:
    case DType::kBool: return 1;
  }
  return 0;
}
std::string_view dtype_name(DType dtype);  // "f32"

// Borrows contiguous row-major memory for as long as its holder says.
struct TensorView {
  DType dtype = DType::kF32;
  std::vector<std::int64_t> dims;
  const void* data = nullptr;

  std::int64_t num_elements() const {
    std::int64_t n = 1;
    for (const std::int64_t d : dims) n *= d;
    return n;
  }
  std::span<const float> f32() const {
    return {static_cast<const float*>(data), static_cast<std::size_t>(num_elements())};
  }
};

}  // namespace antiphon
