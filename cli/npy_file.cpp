// Reading and writing of .npy files.
#include "cli/npy_file.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>

namespace antiphon::cli {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::int64_t kMaxElements = std::int64_t{1} << 34;

struct Header {
  std::string type;  // "f4", "i8", "b1"
  std::vector<std::int64_t> dims;
  std::size_t data_at = 0;
};

// The text behind 'key': in the header's dictionary.
std::string_view field(std::string_view text, std::string_view key) {
  const std::size_t at = text.find("'" + std::string(key) + "':");
  return at == std::string_view::npos ? std::string_view() : text.substr(at + key.size() + 3);
}

bool read_dims(std::string_view text, std::vector<std::int64_t>& dims) {
  const std::size_t open = text.find('('), close = text.find(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open)
    return false;
  const char* p = text.data() + open + 1;
  const char* end = text.data() + close;
  std::int64_t count = 1;
  while (p < end) {
    if (*p == ' ' || *p == ',') {
      ++p;
      continue;
    }
    std::int64_t dim = 0;
    const auto read = std::from_chars(p, end, dim);
    if (read.ec != std::errc() || dim < 0 || __builtin_mul_overflow(count, dim, &count) ||
        count > kMaxElements)
      return false;
    dims.push_back(dim);
    p = read.ptr;
  }
  return true;
}

Result<Header> read_header(std::string_view bytes) {
  if (bytes.size() < 12 || bytes.substr(0, 6) != kMagic) return invalid_argument("not a .npy file");
  const bool wide = bytes[6] >= 2;
  std::uint32_t length = 0;
  std::memcpy(&length, bytes.data() + 8, wide ? 4 : 2);
  Header out;
  out.data_at = (wide ? 12 : 10) + std::size_t{length};
  if (out.data_at > bytes.size()) return invalid_argument("the header is cut off");
  const std::string_view text = bytes.substr(wide ? 12 : 10, length);
  const std::string_view descr = field(text, "descr");
  const std::size_t quote = descr.find('\'');
  if (quote == std::string_view::npos || descr.size() < quote + 5)
    return invalid_argument("descr is missing");
  if (descr[quote + 1] == '>') return invalid_argument("big-endian data");
  out.type = std::string(descr.substr(quote + 2, 2));
  if (field(text, "fortran_order").substr(0, 5).find("True") != std::string_view::npos)
    return invalid_argument("column-major data");
  if (!read_dims(field(text, "shape"), out.dims)) return invalid_argument("shape is malformed");
  return out;
}

template <typename From, typename To>
void convert(std::string_view from, std::int64_t count, HostTensor& out) {
  out.bytes.resize(static_cast<std::size_t>(count) * sizeof(To));
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    From value;
    std::memcpy(&value, from.data() + i * sizeof(From), sizeof(From));
    const To wide = static_cast<To>(value);
    std::memcpy(out.bytes.data() + i * sizeof(To), &wide, sizeof(To));
  }
}

struct Half {
  std::uint16_t bits;
  explicit operator float() const {
    const int exponent = (bits >> 10) & 31, mantissa = bits & 1023;
    const float sign = bits & 0x8000 ? -1.0f : 1.0f;
    if (exponent == 31)
      return sign * (mantissa ? std::numeric_limits<float>::quiet_NaN()
                              : std::numeric_limits<float>::infinity());
    if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), -24);
    return sign * std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
  }
};

struct NpyType {
  const char* name;
  DType dtype;
  std::size_t bytes;
  void (*convert)(std::string_view, std::int64_t, HostTensor&);
};
constexpr NpyType kTypes[] = {{"f4", DType::kF32, 4, convert<float, float>},
                              {"f8", DType::kF32, 8, convert<double, float>},
                              {"f2", DType::kF32, 2, convert<Half, float>},
                              {"i1", DType::kI8, 1, convert<std::int8_t, std::int8_t>},
                              {"u1", DType::kU8, 1, convert<std::uint8_t, std::uint8_t>},
                              {"b1", DType::kBool, 1, convert<std::uint8_t, std::uint8_t>},
                              {"i2", DType::kI32, 2, convert<std::int16_t, std::int32_t>},
                              {"u2", DType::kI32, 2, convert<std::uint16_t, std::int32_t>},
                              {"i4", DType::kI32, 4, convert<std::int32_t, std::int32_t>},
                              {"u4", DType::kI64, 4, convert<std::uint32_t, std::int64_t>},
                              {"i8", DType::kI64, 8, convert<std::int64_t, std::int64_t>},
                              {"u8", DType::kI64, 8, convert<std::int64_t, std::int64_t>}};

const char* name_of(DType dtype) {
  switch (dtype) {
    case DType::kF32: return "<f4";
    case DType::kF16: return "<f2";
    case DType::kI8: return "|i1";
    case DType::kU8: return "|u1";
    case DType::kI32: return "<i4";
    case DType::kI64: return "<i8";
    case DType::kBool: return "|b1";
  }
  return "|u1";
}

}  // namespace

Result<HostTensor> parse_npy(std::string_view bytes) {
  ANTIPHON_ASSIGN_OR_RETURN(const Header header, read_header(bytes));
  std::int64_t count = 1;
  for (const std::int64_t dim : header.dims) count *= dim;
  for (const NpyType& type : kTypes) {
    if (header.type != type.name) continue;
    const std::size_t wanted = static_cast<std::size_t>(count) * type.bytes;
    if (bytes.size() - header.data_at != wanted)
      return invalid_argument("wanted " + std::to_string(wanted) + " bytes of data, got " +
                              std::to_string(bytes.size() - header.data_at));
    HostTensor out;
    out.dtype = type.dtype;
    out.dims = header.dims;
    type.convert(bytes.substr(header.data_at), count, out);
    return out;
  }
  return invalid_argument("elements of type '" + header.type + "' are not taken");
}

Result<HostTensor> read_npy(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return not_found(path + ": no such file");
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  auto tensor = parse_npy(bytes);
  return tensor.ok() ? std::move(tensor) : Result<HostTensor>(tensor.status().with_context(path));
}

Status write_npy(const std::string& path, const TensorView& tensor) {
  std::string shape;
  for (const std::int64_t dim : tensor.dims) shape += std::to_string(dim) + ",";
  std::string header = "{'descr': '" + std::string(name_of(tensor.dtype)) +
                       "', 'fortran_order': False, 'shape': (" + shape + "), }";
  while ((header.size() + 11) % 64 != 0) header += ' ';
  header += '\n';
  const auto length = static_cast<std::uint16_t>(header.size());
  std::ofstream file(path, std::ios::binary);
  file.write(kMagic.data(), static_cast<std::streamsize>(kMagic.size()));
  file.write("\x01\x00", 2);
  file.write(reinterpret_cast<const char*>(&length), 2);
  file.write(header.data(), static_cast<std::streamsize>(header.size()));
  file.write(static_cast<const char*>(tensor.data),
             static_cast<std::streamsize>(static_cast<std::size_t>(tensor.num_elements()) *
                                          dtype_bytes(tensor.dtype)));
  file.close();
  return file ? Status() : not_found(path + ": cannot be written");
}

}  // namespace antiphon::cli
