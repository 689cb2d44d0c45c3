// TensorProto to bytes of the storage type.
#include "engine/import/tensors.h"

#include <bit>
#include <cstring>
#include <limits>
#include <new>

namespace antiphon::onnx {

using onnx_wire::TensorProto;

namespace {

static_assert(std::endian::native == std::endian::little, "raw_data is little-endian");

constexpr std::int64_t kMaxElements = std::int64_t{1} << 34;

Result<std::int64_t> count_elements(const TensorProto& tensor) {
  std::int64_t count = 1;
  for (const std::int64_t dim : tensor.dims())
    if (dim < 0 || __builtin_mul_overflow(count, dim, &count) || count > kMaxElements)
      return invalid_argument("dims: " + std::to_string(dim) + " is negative or too large");
  if (tensor.dims_size() > 64) return invalid_argument("dims: more than 64 axes");
  return count;
}

// Element i of the file as a number of type T: from raw bytes, or from a typed list.
template <typename T>
T raw_at(const std::string& raw, std::int64_t i) {
  T value;
  std::memcpy(&value, raw.data() + static_cast<std::size_t>(i) * sizeof(T), sizeof(T));
  return value;
}

// The bits of element i, for types of 2 to 16 bits.
std::uint32_t bits_at(const TensorProto& t, int bits, std::int64_t i) {
  const std::int64_t per_word = bits >= 8 ? 1 : 8 / bits;
  std::uint32_t word = 0;
  if (!t.has_raw_data())
    word = static_cast<std::uint32_t>(t.int32_data(static_cast<int>(i / per_word)));
  else if (bits == 16)
    word = raw_at<std::uint16_t>(t.raw_data(), i);
  else
    word = raw_at<std::uint8_t>(t.raw_data(), i / per_word);
  return (word >> (i % per_word * bits)) & ((1u << bits) - 1);
}

double real_at(const TensorProto& t, Element type, std::int64_t i) {
  const bool raw = t.has_raw_data();
  const int k = static_cast<int>(i);
  if (const auto format = small_float_of(type))
    return ir::decode_small(*format, bits_at(t, element_bits(type), i));
  if (type == Element::kDouble) return raw ? raw_at<double>(t.raw_data(), i) : t.double_data(k);
  return static_cast<double>(raw ? raw_at<float>(t.raw_data(), i) : t.float_data(k));
}

std::int64_t whole_at(const TensorProto& t, Element type, std::int64_t i) {
  const int k = static_cast<int>(i), bits = element_bits(type);
  if (bits < 8) {
    const std::int64_t value = bits_at(t, bits, i), half = std::int64_t{1} << (bits - 1);
    const bool is_signed = type == Element::kInt4 || type == Element::kInt2;
    return is_signed && value >= half ? value - 2 * half : value;
  }
  if (!t.has_raw_data()) {
    if (type == Element::kInt64) return t.int64_data(k);
    if (type == Element::kUInt32 || type == Element::kUInt64)
      return static_cast<std::int64_t>(t.uint64_data(k));
    return t.int32_data(k);
  }
  const std::string& raw = t.raw_data();
  switch (type) {
    case Element::kUInt8:
    case Element::kBool: return raw_at<std::uint8_t>(raw, i);
    case Element::kInt8: return raw_at<std::int8_t>(raw, i);
    case Element::kUInt16: return raw_at<std::uint16_t>(raw, i);
    case Element::kInt16: return raw_at<std::int16_t>(raw, i);
    case Element::kInt32: return raw_at<std::int32_t>(raw, i);
    case Element::kUInt32: return raw_at<std::uint32_t>(raw, i);
    default: return raw_at<std::int64_t>(raw, i);
  }
}

std::int64_t listed(const TensorProto& t, Element type) {
  switch (type) {
    case Element::kFloat: return t.float_data_size();
    case Element::kDouble: return t.double_data_size();
    case Element::kInt64: return t.int64_data_size();
    case Element::kUInt32:
    case Element::kUInt64: return t.uint64_data_size();
    default: return t.int32_data_size();
  }
}

Status check_size(const TensorProto& t, Element type, std::int64_t count) {
  const std::int64_t bits = element_bits(type), words = bits >= 8 ? count : (count * bits + 7) / 8;
  if (t.has_raw_data()) {
    const std::size_t wanted = static_cast<std::size_t>((count * bits + 7) / 8);
    if (t.raw_data().size() == wanted) return {};
    return invalid_argument("raw_data: wanted " + std::to_string(wanted) + " bytes, got " +
                            std::to_string(t.raw_data().size()));
  }
  if (listed(t, type) == words) return {};
  return invalid_argument("data: wanted " + std::to_string(words) + " elements, got " +
                          std::to_string(listed(t, type)));
}

void fill(const TensorProto& t, Element type, DType storage, std::int64_t count, char* out) {
  const bool as_is = t.has_raw_data() && type != Element::kBool && !small_float_of(type) &&
                     static_cast<std::size_t>(element_bits(type)) == 8 * dtype_bytes(storage);
  if (as_is) {
    if (count != 0) std::memcpy(out, t.raw_data().data(), t.raw_data().size());
    return;
  }
  for (std::int64_t i = 0; i < count; ++i) {
    char* to = out + static_cast<std::size_t>(i) * dtype_bytes(storage);
    if (storage == DType::kF32) {
      const auto value = static_cast<float>(real_at(t, type, i));
      std::memcpy(to, &value, sizeof value);
      continue;
    }
    std::int64_t value = whole_at(t, type, i);
    if (type == Element::kBool) value = value != 0;
    std::memcpy(to, &value, dtype_bytes(storage));  // little-endian: the low bytes
  }
}

}  // namespace

std::shared_ptr<void> aligned_memory(std::size_t bytes) {
  constexpr std::align_val_t kAlignment{64};
  void* memory = ::operator new(bytes + 64, kAlignment, std::nothrow);
  if (!memory) return nullptr;
  return {memory, [](void* p) { ::operator delete(p, kAlignment); }};
}

Result<std::shared_ptr<const Constant>> read_tensor(const TensorProto& tensor) {
  const auto type = static_cast<Element>(tensor.data_type());
  const std::optional<DType> storage = storage_of(type);
  if (!storage)
    return unsupported("elements of type " + element_name(tensor.data_type()) +
                       " are not supported");
  ANTIPHON_ASSIGN_OR_RETURN(const std::int64_t count, count_elements(tensor));
  ANTIPHON_RETURN_IF_ERROR(check_size(tensor, type, count));
  auto out = std::make_shared<Constant>();
  out->type = type;
  out->dims.assign(tensor.dims().begin(), tensor.dims().end());
  out->bytes = static_cast<std::size_t>(count) * dtype_bytes(*storage);
  std::shared_ptr<void> memory = aligned_memory(out->bytes);
  if (!memory) return exhausted("no memory for " + std::to_string(out->bytes) + " bytes");
  fill(tensor, type, *storage, count, static_cast<char*>(memory.get()));
  out->data = memory.get();
  out->owner = std::move(memory);
  return std::shared_ptr<const Constant>(std::move(out));
}

}  // namespace antiphon::onnx
