// The sum of two rows of bytes as bytes, in one pass.
#pragma once

#include <cstdint>

#include "engine/kernels/cpu/gemm_u8.h"

namespace antiphon {

// What a byte of a row stands for: (byte - zero) * scale.
struct AddU8 {
  U8Row a, b, to;
  bool relu = false;  // of the sum
};
// y[i] = round((a[i] + b[i]) / to.scale) + to.zero within a byte, even ties: the bits that
// dequantize_u8, an addition in f32 and quantize_u8_static make, on every ISA. y may be a or b.
using AddU8Row = void (*)(const AddU8& numbers, const std::uint8_t* a, const std::uint8_t* b,
                          std::uint8_t* y, std::int64_t n);

// Null: there is none for the level, or scales are so large or small that steps may differ.
AddU8Row add_u8_row(Isa isa, const AddU8& numbers);

}  // namespace antiphon
