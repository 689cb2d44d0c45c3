// Reads safetensors: 8 bytes of header length, a JSON header, then the tensors' bytes.
#include "engine/weights.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/network/missing_tensor.h"

namespace antiphon {
namespace {

using Json = nlohmann::json;

// The format's own limit on the header.
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;

// Bytes of a file or of a copy; unmapped when the last user goes.
struct Bytes {
  std::shared_ptr<const void> owner;
  const char* data = nullptr;
  std::size_t count = 0;
};

struct DTypeName {
  const char* name;
  DType dtype;
};
constexpr DTypeName kDTypes[] = {{"F32", DType::kF32},  {"F16", DType::kF16}, {"I8", DType::kI8},
                                 {"U8", DType::kU8},    {"I32", DType::kI32}, {"I64", DType::kI64},
                                 {"BOOL", DType::kBool}};

struct Range {
  std::uint64_t begin = 0, end = 0;
  std::string name;
};

class MappedWeights final : public Weights {
 public:
  MappedWeights(std::string path, Bytes bytes) : path_(std::move(path)), bytes_(std::move(bytes)) {}

  // Reads the header; the message names the tensor and the field.
  Status read();

  std::vector<std::string> names() const override {
    std::vector<std::string> out;
    for (const auto& [name, view] : tensors_) out.push_back(name);
    return out;
  }
  bool has(std::string_view name) const override { return tensors_.find(name) != tensors_.end(); }
  Result<TensorView> tensor(std::string_view name) const override;
  const std::string& path() const override { return path_; }

 private:
  Status read_tensor(const std::string& name, const Json& entry, std::uint64_t data_begin);
  Status check_ranges() const;
  // `data`, or a copy of it where the file does not align it for its type.
  const void* aligned(const char* data, std::size_t count, std::size_t alignment);

  std::string path_;
  Bytes bytes_;
  std::map<std::string, TensorView, std::less<>> tensors_;
  std::vector<Range> ranges_;
  std::vector<std::vector<std::int64_t>> copies_;
};

const void* MappedWeights::aligned(const char* data, std::size_t count, std::size_t alignment) {
  if (count == 0 || reinterpret_cast<std::uintptr_t>(data) % alignment == 0) return data;
  copies_.emplace_back((count + 7) / 8);
  std::memcpy(copies_.back().data(), data, count);
  return copies_.back().data();
}

Result<TensorView> MappedWeights::tensor(std::string_view name) const {
  if (const auto found = tensors_.find(name); found != tensors_.end()) return found->second;
  return missing_tensor(path_, name, names());
}

Status MappedWeights::read() {
  if (bytes_.count < 8)
    return invalid_argument("header length: wanted 8 bytes, the file has " +
                            std::to_string(bytes_.count));
  std::uint64_t header_bytes = 0;
  for (int i = 7; i >= 0; --i)  // little-endian
    header_bytes = header_bytes << 8 | static_cast<unsigned char>(bytes_.data[i]);
  if (header_bytes > kMaxHeaderBytes || header_bytes > bytes_.count - 8)
    return invalid_argument("header length: " + std::to_string(header_bytes) +
                            " bytes, the file has " + std::to_string(bytes_.count - 8) +
                            " after it (at most " + std::to_string(kMaxHeaderBytes) + ")");
  const char* begin = bytes_.data + 8;
  const Json header = Json::parse(begin, begin + header_bytes, nullptr, /*allow_exceptions=*/false);
  if (header.is_discarded()) return invalid_argument("header: not JSON");
  if (!header.is_object()) return invalid_argument("header: wanted a JSON object");
  for (const auto& [name, entry] : header.items())
    if (name != "__metadata__") {
      const Status status = read_tensor(name, entry, 8 + header_bytes);
      if (!status.ok()) return status.with_context("tensor '" + name + "'");
    }
  return check_ranges();
}

// A list of numbers that are 0 or more.
bool read_numbers(const Json& entry, const char* field, std::vector<std::uint64_t>& out) {
  const auto found = entry.find(field);
  if (found == entry.end() || !found->is_array()) return false;
  for (const Json& item : *found) {
    if (!item.is_number_unsigned()) return false;
    out.push_back(item.get<std::uint64_t>());
  }
  return true;
}

Status MappedWeights::read_tensor(const std::string& name, const Json& entry,
                                  std::uint64_t data_begin) {
  if (!entry.is_object()) return invalid_argument("wanted a JSON object");
  const auto dtype = entry.find("dtype");
  if (dtype == entry.end() || !dtype->is_string())
    return invalid_argument("dtype: wanted a string");
  const auto text = dtype->get<std::string>();
  const auto* known = std::find_if(std::begin(kDTypes), std::end(kDTypes),
                                   [&](const DTypeName& d) { return text == d.name; });
  if (known == std::end(kDTypes))
    return invalid_argument("dtype: wanted F32, F16, I8, U8, I32, I64 or BOOL, got '" + text + "'");
  std::vector<std::uint64_t> shape, offsets;
  if (!read_numbers(entry, "shape", shape))
    return invalid_argument("shape: wanted a list of numbers, 0 or more");
  if (!read_numbers(entry, "data_offsets", offsets) || offsets.size() != 2)
    return invalid_argument("data_offsets: wanted two numbers, 0 or more");
  const std::uint64_t data_bytes = bytes_.count - data_begin;
  if (offsets[0] > offsets[1] || offsets[1] > data_bytes)
    return invalid_argument("data_offsets: [" + std::to_string(offsets[0]) + ", " +
                            std::to_string(offsets[1]) + "] of " + std::to_string(data_bytes) +
                            " bytes");
  TensorView view;
  view.dtype = known->dtype;
  std::uint64_t wanted = dtype_bytes(view.dtype);
  for (const std::uint64_t d : shape) {
    if (d > (std::uint64_t{1} << 40) || __builtin_mul_overflow(wanted, d, &wanted))
      return invalid_argument("shape: too large");
    view.dims.push_back(static_cast<std::int64_t>(d));
  }
  if (wanted != offsets[1] - offsets[0])
    return invalid_argument("shape: wants " + std::to_string(wanted) +
                            " bytes, data_offsets give " + std::to_string(offsets[1] - offsets[0]));
  view.data = aligned(bytes_.data + data_begin + offsets[0], wanted, dtype_bytes(view.dtype));
  if (wanted != 0) ranges_.push_back({offsets[0], offsets[1], name});
  tensors_.emplace(name, std::move(view));
  return {};
}

Status MappedWeights::check_ranges() const {
  std::vector<Range> sorted = ranges_;
  std::sort(sorted.begin(), sorted.end(),
            [](const Range& a, const Range& b) { return a.begin < b.begin; });
  for (std::size_t i = 1; i < sorted.size(); ++i)
    if (sorted[i].begin < sorted[i - 1].end)
      return invalid_argument("tensor '" + sorted[i].name + "': data_offsets overlap those of '" +
                              sorted[i - 1].name + "'");
  return {};
}

Result<std::shared_ptr<const Weights>> open(const std::string& name, Bytes bytes) {
  auto weights = std::make_shared<MappedWeights>(name, std::move(bytes));
  if (const Status status = weights->read(); !status.ok()) return status.with_context(name);
  return std::shared_ptr<const Weights>(std::move(weights));
}

}  // namespace

Result<std::shared_ptr<const Weights>> Weights::load(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return not_found(path + ": " + std::strerror(errno));
  struct stat facts = {};
  if (::fstat(file, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    ::close(file);
    return invalid_argument(path + ": not a regular file");
  }
  Bytes bytes;
  bytes.count = static_cast<std::size_t>(facts.st_size);
  if (bytes.count == 0) {
    ::close(file);
    return antiphon::open(path, std::move(bytes));
  }
  void* map = ::mmap(nullptr, bytes.count, PROT_READ, MAP_PRIVATE, file, 0);
  ::close(file);
  if (map == MAP_FAILED) return internal_error(path + ": mmap: " + std::strerror(errno));
  bytes.owner = std::shared_ptr<const void>(
      map, [count = bytes.count](const void* p) { ::munmap(const_cast<void*>(p), count); });
  bytes.data = static_cast<const char*>(map);
  return antiphon::open(path, std::move(bytes));
}

Result<std::shared_ptr<const Weights>> Weights::parse(std::string_view bytes,
                                                      const std::string& name) {
  Bytes copy;
  copy.count = bytes.size();
  auto memory = std::make_shared<std::vector<char>>(bytes.begin(), bytes.end());
  copy.data = memory->data();
  copy.owner = std::move(memory);
  return antiphon::open(name, std::move(copy));
}

}  // namespace antiphon
