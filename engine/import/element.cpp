// Facts about ONNX's element types.
#include "engine/import/element.h"

#include <array>

namespace antiphon::onnx {

std::string element_name(std::int32_t type) {
  static constexpr std::array<const char*, 27> kNames = {
      "undefined",      "float",    "uint8",        "int8",           "uint16",
      "int16",          "int32",    "int64",        "string",         "bool",
      "float16",        "double",   "uint32",       "uint64",         "complex64",
      "complex128",     "bfloat16", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2",
      "float8e5m2fnuz", "uint4",    "int4",         "float4e2m1",     "float8e8m0",
      "uint2",          "int2"};
  if (type < 0 || static_cast<std::size_t>(type) >= kNames.size())
    return "type " + std::to_string(type);
  return kNames[static_cast<std::size_t>(type)];
}

std::optional<DType> storage_of(Element type) {
  switch (type) {
    case Element::kFloat:
    case Element::kFloat16:
    case Element::kBFloat16:
    case Element::kDouble:
    case Element::kFloat8E4M3:
    case Element::kFloat8E4M3Fnuz:
    case Element::kFloat8E5M2:
    case Element::kFloat8E5M2Fnuz:
    case Element::kFloat4E2M1: return DType::kF32;
    case Element::kUInt4:
    case Element::kUInt2:
    case Element::kUInt8: return DType::kU8;
    case Element::kInt4:
    case Element::kInt2:
    case Element::kInt8: return DType::kI8;
    case Element::kBool: return DType::kBool;
    case Element::kUInt16:
    case Element::kInt16:
    case Element::kInt32: return DType::kI32;
    case Element::kInt64:
    case Element::kUInt32:
    case Element::kUInt64: return DType::kI64;
    default: return std::nullopt;
  }
}

int element_bits(Element type) {
  switch (type) {
    case Element::kUInt2:
    case Element::kInt2: return 2;
    case Element::kUInt4:
    case Element::kInt4:
    case Element::kFloat4E2M1: return 4;
    case Element::kUInt8:
    case Element::kInt8:
    case Element::kBool:
    case Element::kFloat8E4M3:
    case Element::kFloat8E4M3Fnuz:
    case Element::kFloat8E5M2:
    case Element::kFloat8E5M2Fnuz: return 8;
    case Element::kUInt16:
    case Element::kInt16:
    case Element::kFloat16:
    case Element::kBFloat16: return 16;
    case Element::kFloat:
    case Element::kInt32:
    case Element::kUInt32: return 32;
    case Element::kInt64:
    case Element::kUInt64:
    case Element::kDouble: return 64;
    default: return 0;
  }
}

std::optional<ir::SmallFloat> small_float_of(Element type) {
  switch (type) {
    case Element::kFloat16: return ir::SmallFloat::kF16;
    case Element::kBFloat16: return ir::SmallFloat::kBf16;
    case Element::kFloat8E4M3: return ir::SmallFloat::kF8E4M3;
    case Element::kFloat8E4M3Fnuz: return ir::SmallFloat::kF8E4M3Fnuz;
    case Element::kFloat8E5M2: return ir::SmallFloat::kF8E5M2;
    case Element::kFloat8E5M2Fnuz: return ir::SmallFloat::kF8E5M2Fnuz;
    case Element::kFloat4E2M1: return ir::SmallFloat::kF4E2M1;
    default: return std::nullopt;
  }
}

bool is_real(Element type) {
  return type == Element::kFloat || type == Element::kDouble || small_float_of(type).has_value();
}

Element element_of(DType dtype) {
  switch (dtype) {
    case DType::kF32: return Element::kFloat;
    case DType::kF16: return Element::kFloat16;
    case DType::kI8: return Element::kInt8;
    case DType::kU8: return Element::kUInt8;
    case DType::kI32: return Element::kInt32;
    case DType::kI64: return Element::kInt64;
    case DType::kBool: return Element::kBool;
  }
  return Element::kUndefined;
}

}  // namespace antiphon::onnx
