// Little-endian fields of plan files: a writer, and a reader that refuses what does not fit by
// name.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "engine/base/status.h"

namespace antiphon::plan {

class ByteWriter {
 public:
  template <typename T>
  void number(T value) {
    static_assert(std::is_arithmetic_v<T> || std::is_enum_v<T>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void text(std::string_view value) {
    number(static_cast<std::uint32_t>(value.size()));
    bytes_.append(value);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// The first error sticks; later reads give zero values. Check status() at the end of a section.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}

  template <typename T>
  T number(const char* field) {
    T value{};
    if (take(sizeof value, field))
      std::memcpy(&value, bytes_.data() + at_ - sizeof value, sizeof value);
    return value;
  }
  std::string text(const char* field) {
    const std::uint32_t length = number<std::uint32_t>(field);
    if (!take(length, field)) return {};
    return std::string(bytes_.substr(at_ - length, length));
  }
  // A count of things that take at least `least_bytes` each: refuses one that cannot fit.
  std::uint32_t count(const char* field, std::size_t least_bytes) {
    const std::uint32_t n = number<std::uint32_t>(field);
    if (status_.ok() && static_cast<std::uint64_t>(n) * least_bytes > bytes_.size() - at_) {
      status_ = invalid_argument(std::string(field) + ": " + std::to_string(n) + " do not fit in " +
                                 std::to_string(bytes_.size() - at_) + " bytes");
      return 0;
    }
    return status_.ok() ? n : 0;
  }
  void fail(const char* field, const std::string& why) {
    if (status_.ok()) status_ = invalid_argument(std::string(field) + ": " + why);
  }
  std::size_t position() const { return at_; }
  const Status& status() const { return status_; }

 private:
  bool take(std::size_t n, const char* field) {
    if (!status_.ok()) return false;
    if (n > bytes_.size() - at_) {
      status_ = invalid_argument(std::string(field) + ": the file ends at byte " +
                                 std::to_string(bytes_.size()) + ", wanted " + std::to_string(n) +
                                 " more at " + std::to_string(at_));
      return false;
    }
    at_ += n;
    return true;
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
  Status status_;
};

}  // namespace antiphon::plan
