// The input of a fuzzer as a file, for readers that take a path.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace antiphon::fuzz {

// A file in memory. path() leads to it as long as this lives.
class InputFile {
 public:
  explicit InputFile(std::span<const std::uint8_t> bytes) : fd_(memfd_create("fuzzed", 0)) {
    if (fd_ < 0) __builtin_trap();
    for (std::size_t done = 0; done < bytes.size();) {
      const ssize_t count = ::write(fd_, bytes.data() + done, bytes.size() - done);
      if (count <= 0) __builtin_trap();
      done += static_cast<std::size_t>(count);
    }
  }
  ~InputFile() { ::close(fd_); }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

// An error that a reader gives has to say something.
template <typename T>
void check_error(const T& result) {
  if (!result.ok() && result.status().message().empty()) __builtin_trap();
}

}  // namespace antiphon::fuzz
