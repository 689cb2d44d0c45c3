// Reading of .npz files: zip archives of .npy files, stored or deflated.
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

#include "cli/npy_file.h"

namespace antiphon::cli {
namespace {

constexpr std::uint32_t kEnd = 0x06054b50, kCentral = 0x02014b50, kLocal = 0x04034b50;
constexpr std::size_t kEndBytes = 22, kCentralBytes = 46, kLocalBytes = 30;
constexpr std::uint64_t kMostRatio = 1032;  // of deflate

template <typename T>
T number_at(std::string_view bytes, std::size_t at) {
  T value{};
  if (at + sizeof value <= bytes.size()) std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

struct Entry {
  std::string name;
  std::uint16_t method = 0;
  std::uint32_t checksum = 0;
  std::uint64_t packed_bytes = 0, bytes = 0, local_at = 0;
};

// Numbers that did not fit their 32 bits stand in an extra field, in this order.
void read_wide(std::string_view extra, Entry& entry) {
  while (extra.size() >= 4) {
    const auto id = number_at<std::uint16_t>(extra, 0), length = number_at<std::uint16_t>(extra, 2);
    std::string_view field = extra.substr(4, length);
    extra.remove_prefix(std::min<std::size_t>(extra.size(), std::size_t{4} + length));
    if (id != 1) continue;
    for (std::uint64_t* value : {&entry.bytes, &entry.packed_bytes, &entry.local_at}) {
      if (*value != 0xffffffff || field.size() < 8) continue;
      *value = number_at<std::uint64_t>(field, 0);
      field.remove_prefix(8);
    }
  }
}

Result<std::vector<Entry>> read_directory(std::string_view bytes) {
  const std::string signature("PK\x05\x06");
  const std::size_t end = bytes.rfind(signature);
  if (end == std::string_view::npos || bytes.size() - end < kEndBytes ||
      number_at<std::uint32_t>(bytes, end) != kEnd)
    return invalid_argument("not a .npz file");
  const auto count = number_at<std::uint16_t>(bytes, end + 10);
  std::size_t at = number_at<std::uint32_t>(bytes, end + 16);
  std::vector<Entry> out;
  for (int i = 0; i < count; ++i) {
    if (at > end || end - at < kCentralBytes || number_at<std::uint32_t>(bytes, at) != kCentral)
      return invalid_argument("its directory is damaged");
    Entry entry;
    entry.method = number_at<std::uint16_t>(bytes, at + 10);
    entry.checksum = number_at<std::uint32_t>(bytes, at + 16);
    entry.packed_bytes = number_at<std::uint32_t>(bytes, at + 20);
    entry.bytes = number_at<std::uint32_t>(bytes, at + 24);
    entry.local_at = number_at<std::uint32_t>(bytes, at + 42);
    const std::size_t name = number_at<std::uint16_t>(bytes, at + 28),
                      extra = number_at<std::uint16_t>(bytes, at + 30),
                      comment = number_at<std::uint16_t>(bytes, at + 32);
    at += kCentralBytes;
    if (name + extra + comment > end - at) return invalid_argument("its directory is cut off");
    entry.name = bytes.substr(at, name);
    read_wide(bytes.substr(at + name, extra), entry);
    at += name + extra + comment;
    out.push_back(std::move(entry));
  }
  return out;
}

Result<std::string> inflated(std::string_view packed, std::uint64_t bytes) {
  if (bytes / kMostRatio > packed.size()) return invalid_argument("its length is damaged");
  std::string out(bytes, '\0');
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return exhausted("no memory");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  std::size_t in_left = packed.size(), out_left = out.size();
  int state = Z_OK;
  while (state == Z_OK) {  // zlib counts in 32 bits
    const uInt in_now = static_cast<uInt>(std::min<std::size_t>(in_left, 1u << 30));
    const uInt out_now = static_cast<uInt>(std::min<std::size_t>(out_left, 1u << 30));
    stream.avail_in = in_now;
    stream.avail_out = out_now;
    state = inflate(&stream, Z_NO_FLUSH);
    in_left -= in_now - stream.avail_in;
    out_left -= out_now - stream.avail_out;
  }
  inflateEnd(&stream);
  if (state != Z_STREAM_END || out_left != 0) return invalid_argument("its data is damaged");
  return out;
}

Result<HostTensor> read_entry(std::string_view bytes, const Entry& entry) {
  const std::uint64_t at = entry.local_at;
  if (at > bytes.size() || bytes.size() - at < kLocalBytes ||
      number_at<std::uint32_t>(bytes, at) != kLocal)
    return invalid_argument("its header is damaged");
  const std::uint64_t data = at + kLocalBytes + number_at<std::uint16_t>(bytes, at + 26) +
                             number_at<std::uint16_t>(bytes, at + 28);
  if (data > bytes.size() || entry.packed_bytes > bytes.size() - data)
    return invalid_argument("its data is cut off");
  std::string_view content = bytes.substr(data, entry.packed_bytes);
  std::string wide;
  if (entry.method == 8) {
    ANTIPHON_ASSIGN_OR_RETURN(wide, inflated(content, entry.bytes));
    content = wide;
  } else if (entry.method != 0) {
    return invalid_argument("packed by method " + std::to_string(entry.method) +
                            ", wanted stored or deflated");
  }
  uLong checksum = crc32(0, nullptr, 0);
  for (std::size_t i = 0; i < content.size(); i += 1u << 30)
    checksum = crc32(checksum, reinterpret_cast<const Bytef*>(content.data() + i),
                     static_cast<uInt>(std::min<std::size_t>(content.size() - i, 1u << 30)));
  if (checksum != entry.checksum) return invalid_argument("its checksum does not fit");
  return parse_npy(content);
}

}  // namespace

Result<std::map<std::string, HostTensor>> read_npz(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return not_found(path + ": no such file");
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const auto entries = read_directory(bytes);
  if (!entries.ok()) return entries.status().with_context(path);
  std::map<std::string, HostTensor> out;
  for (const Entry& entry : *entries) {
    std::string name = entry.name;
    if (name.ends_with(".npy")) name.resize(name.size() - 4);
    auto tensor = read_entry(bytes, entry);
    if (!tensor.ok()) return tensor.status().with_context(path + ": array '" + name + "'");
    out[name] = std::move(tensor).value();
  }
  return out;
}

}  // namespace antiphon::cli
