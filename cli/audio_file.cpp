// libsndfile over memory, so that pipes work as files do.
#include "cli/audio_file.h"

#include <sndfile.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>

namespace antiphon::cli {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{1} << 31;

struct Memory {
  std::string bytes;
  sf_count_t at = 0;
};

sf_count_t length(void* user) {
  return static_cast<sf_count_t>(static_cast<Memory*>(user)->bytes.size());
}
sf_count_t seek(sf_count_t offset, int whence, void* user) {
  auto* memory = static_cast<Memory*>(user);
  const sf_count_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? memory->at : length(user);
  memory->at = std::max<sf_count_t>(0, from + offset);
  return memory->at;
}
sf_count_t read(void* out, sf_count_t count, void* user) {
  auto* memory = static_cast<Memory*>(user);
  const sf_count_t got = std::clamp<sf_count_t>(length(user) - memory->at, 0, count);
  std::memcpy(out, memory->bytes.data() + memory->at, static_cast<std::size_t>(got));
  memory->at += got;
  return got;
}
sf_count_t write(const void* in, sf_count_t count, void* user) {
  auto* memory = static_cast<Memory*>(user);
  const auto end = static_cast<std::size_t>(memory->at + count);
  if (memory->bytes.size() < end) memory->bytes.resize(end);
  std::memcpy(memory->bytes.data() + memory->at, in, static_cast<std::size_t>(count));
  memory->at += count;
  return count;
}
sf_count_t tell(void* user) { return static_cast<Memory*>(user)->at; }

SF_VIRTUAL_IO kMemoryIo = {length, seek, read, write, tell};

Result<std::string> read_bytes(const std::string& path) {
  if (path == "-") return std::string(std::istreambuf_iterator<char>(std::cin), {});
  std::ifstream file(path, std::ios::binary);
  if (!file) return not_found(path + ": cannot be read: " + std::strerror(errno));
  std::string bytes(std::istreambuf_iterator<char>(file), {});
  if (file.bad()) return not_found(path + ": cannot be read: is it a folder?");
  if (bytes.size() > kMaxFileBytes) return invalid_argument(path + ": is over 2 GiB; cut it");
  return bytes;
}

}  // namespace

Result<std::string> read_text(const std::string& path) { return read_bytes(path); }

Result<Recording> read_audio(const std::string& path) {
  Memory memory;
  ANTIPHON_ASSIGN_OR_RETURN(memory.bytes, read_bytes(path));
  if (memory.bytes.empty()) return invalid_argument(path + ": is empty; wanted a recording");
  SF_INFO info{};
  SNDFILE* file = sf_open_virtual(&kMemoryIo, SFM_READ, &info, &memory);
  if (!file)
    return invalid_argument(path + ": is not audio that can be read (" + sf_strerror(nullptr) +
                            "); wanted WAV, FLAC, Ogg, MP3, AIFF, …");
  Recording out;
  out.rate_hz = info.samplerate;
  const auto channels = static_cast<std::size_t>(std::max(1, info.channels));
  std::vector<float> frames(4096 * channels);
  sf_count_t got = 0;
  while ((got = sf_readf_float(file, frames.data(), 4096)) > 0) {
    for (std::size_t i = 0; i < static_cast<std::size_t>(got); ++i) {
      float sum = 0;
      for (std::size_t c = 0; c < channels; ++c) sum += frames[i * channels + c];
      const float mean = sum / static_cast<float>(channels);
      out.samples.push_back(std::isfinite(mean) ? std::clamp(mean, -1.0f, 1.0f) : 0.0f);
    }
  }
  sf_close(file);
  if (out.samples.empty()) return invalid_argument(path + ": holds no samples");
  return out;
}

Status write_wav(const std::string& path, std::span<const float> samples, int rate_hz) {
  Memory memory;
  SF_INFO info{};
  info.samplerate = rate_hz;
  info.channels = 1;
  info.format = SF_FORMAT_WAV | SF_FORMAT_PCM_16;
  SNDFILE* file = sf_open_virtual(&kMemoryIo, SFM_WRITE, &info, &memory);
  if (!file) return internal_error(path + ": " + sf_strerror(nullptr));
  sf_command(file, SFC_SET_CLIPPING, nullptr, SF_TRUE);
  sf_writef_float(file, samples.data(), static_cast<sf_count_t>(samples.size()));
  sf_close(file);
  if (path == "-") {
    std::fwrite(memory.bytes.data(), 1, memory.bytes.size(), stdout);
    return {};
  }
  std::ofstream out(path, std::ios::binary);
  out.write(memory.bytes.data(), static_cast<std::streamsize>(memory.bytes.size()));
  out.close();
  if (!out) return not_found(path + ": cannot be written: " + std::strerror(errno));
  return {};
}

}  // namespace antiphon::cli
