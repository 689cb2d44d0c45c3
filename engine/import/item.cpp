// Items made and read.
#include "engine/import/item.h"

#include <cstring>

namespace antiphon::onnx {
namespace {

template <typename T>
T element_at(const Constant& c, std::int64_t i) {
  T value;
  std::memcpy(&value, static_cast<const char*>(c.data) + static_cast<std::size_t>(i) * sizeof(T),
              sizeof(T));
  return value;
}

Number number_at(const Constant& c, DType storage, std::int64_t i) {
  Number n;
  switch (storage) {
    case DType::kF32: n.real = static_cast<double>(element_at<float>(c, i)); break;
    case DType::kI64: n.whole = element_at<std::int64_t>(c, i); break;
    case DType::kI32: n.whole = element_at<std::int32_t>(c, i); break;
    case DType::kI8: n.whole = element_at<std::int8_t>(c, i); break;
    default: n.whole = element_at<std::uint8_t>(c, i); break;
  }
  return n;
}

}  // namespace

std::int64_t num_elements(const Dims& dims) {
  std::int64_t n = 1;
  for (const std::int64_t d : dims) n *= d;
  return n;
}

bool Known::all_numbers() const {
  for (const Number& n : values)
    if (!n.whole.is_number()) return false;
  return true;
}

double Known::as_real(std::size_t i) const {
  return is_real(type) ? values[i].real : static_cast<double>(values[i].whole.number().value_or(0));
}

Item Item::of(ValueRef value, Element type) {
  Item item;
  item.kind = Kind::kValue;
  item.type = type;
  item.value = value;
  return item;
}

Item Item::of(Known known) {
  Item item;
  item.kind = Kind::kKnown;
  item.type = known.type;
  item.known = std::make_shared<const Known>(std::move(known));
  return item;
}

Item Item::of(std::shared_ptr<const Constant> constant) {
  Item item;
  item.kind = Kind::kConstant;
  item.type = constant->type;
  const std::int64_t count = num_elements(constant->dims);
  if (count <= kMaxKnown) {
    Known known{constant->type, constant->dims, {}};
    known.values.reserve(static_cast<std::size_t>(count));
    const DType storage = storage_of(constant->type).value_or(DType::kF32);
    for (std::int64_t i = 0; i < count; ++i)
      known.values.push_back(number_at(*constant, storage, i));
    item.known = std::make_shared<const Known>(std::move(known));
  }
  item.constant = std::move(constant);
  return item;
}

}  // namespace antiphon::onnx
