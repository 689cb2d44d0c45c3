// Element types of ONNX, and the engine's type that holds each.
//
// The engine computes in f32 and whole numbers of 8, 32 and 64 bits. The other types are held in
// the next one that takes their values: double (which loses precision), f16, bf16 and smaller reals
// in f32, 16-bit whole numbers in i32, unsigned 32- and 64-bit ones in i64, 4- and 2-bit ones in 8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "engine/ir/small_float.h"
#include "engine/tensor.h"

namespace antiphon::onnx {

// The numbers are ONNX's TensorProto.DataType.
enum class Element : std::int32_t {
  kUndefined = 0,
  kFloat = 1,
  kUInt8 = 2,
  kInt8 = 3,
  kUInt16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kString = 8,
  kBool = 9,
  kFloat16 = 10,
  kDouble = 11,
  kUInt32 = 12,
  kUInt64 = 13,
  kBFloat16 = 16,
  kFloat8E4M3 = 17,
  kFloat8E4M3Fnuz = 18,
  kFloat8E5M2 = 19,
  kFloat8E5M2Fnuz = 20,
  kUInt4 = 21,
  kInt4 = 22,
  kFloat4E2M1 = 23,
  kUInt2 = 25,
  kInt2 = 26
};

std::string element_name(std::int32_t type);  // "float16"
// The type that holds it; nothing for strings and complex numbers.
std::optional<DType> storage_of(Element type);
int element_bits(Element type);  // in a file; 0: unknown
// The format below f32 that the type is, if it is one.
std::optional<ir::SmallFloat> small_float_of(Element type);
bool is_real(Element type);
// The element type that a value of the engine's type is taken for.
Element element_of(DType dtype);

}  // namespace antiphon::onnx
