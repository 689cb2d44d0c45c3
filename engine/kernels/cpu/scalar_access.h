// One element of a tensor of any type, as a number. For kernels that are not worth a fast path.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "engine/kernels/kernel.h"

namespace antiphon {

// Not for f16.
inline std::int64_t get_integer(const Tensor& t, std::int64_t i) {
  switch (t.dtype) {
    case DType::kI32: return static_cast<const std::int32_t*>(t.data)[i];
    case DType::kI64: return static_cast<const std::int64_t*>(t.data)[i];
    case DType::kI8: return static_cast<const std::int8_t*>(t.data)[i];
    case DType::kU8: return static_cast<const std::uint8_t*>(t.data)[i];
    case DType::kBool: return static_cast<const std::uint8_t*>(t.data)[i] != 0;
    default: return 0;
  }
}
inline double get_real(const Tensor& t, std::int64_t i) {
  return t.dtype == DType::kF32 ? static_cast<double>(t.f32()[i])
                                : static_cast<double>(get_integer(t, i));
}

// Integers wrap to the width of the element; bool becomes != 0.
inline void set_integer(const Tensor& t, std::int64_t i, std::int64_t value) {
  switch (t.dtype) {
    case DType::kF32: t.f32()[i] = static_cast<float>(value); break;
    case DType::kI32:
      static_cast<std::int32_t*>(t.data)[i] = static_cast<std::int32_t>(value);
      break;
    case DType::kI64: static_cast<std::int64_t*>(t.data)[i] = value; break;
    case DType::kI8: static_cast<std::int8_t*>(t.data)[i] = static_cast<std::int8_t>(value); break;
    case DType::kU8:
      static_cast<std::uint8_t*>(t.data)[i] = static_cast<std::uint8_t>(value);
      break;
    case DType::kBool: static_cast<std::uint8_t*>(t.data)[i] = value != 0; break;
    default: break;
  }
}
// Reals are truncated and saturate; NaN becomes 0.
inline void set_real(const Tensor& t, std::int64_t i, double value) {
  if (t.dtype == DType::kF32) {
    t.f32()[i] = static_cast<float>(value);
    return;
  }
  if (t.dtype == DType::kBool) {
    static_cast<std::uint8_t*>(t.data)[i] = value != 0;
    return;
  }
  double low = -9223372036854775808.0, high = 9223372036854774784.0;
  if (t.dtype == DType::kI32) low = -2147483648.0, high = 2147483647.0;
  if (t.dtype == DType::kI8) low = -128, high = 127;
  if (t.dtype == DType::kU8) low = 0, high = 255;
  if (std::isnan(value)) value = 0;
  set_integer(t, i, static_cast<std::int64_t>(std::fmin(std::fmax(value, low), high)));
}

}  // namespace antiphon
