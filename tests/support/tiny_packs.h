// Packs of synthesis with tiny networks, for tests that want real speech in a moment.
#pragma once

#include <zstd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace antiphon::test {

inline std::string read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}
inline void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// dir/tts and dir/vocoder, which can say "the cat sat". weights: of tests/golden/tts; tts_keys: of
// the section [tts], beside `symbols`.
inline void write_tiny_packs(const std::string& dir, const std::string& weights,
                             const std::string& tts_keys) {
  std::filesystem::create_directories(dir + "/tts");
  std::filesystem::create_directories(dir + "/vocoder");
  const std::string golden = ANTIPHON_SOURCE_DIR "/tests/golden/tts/";
  write_bytes(dir + "/tts/weights.safetensors", read_bytes(golden + weights));
  write_bytes(dir + "/vocoder/weights.safetensors",
              read_bytes(golden + "tiny_vocoder.safetensors"));
  const std::string lines = "a.\tæ\ncat\tkæt\nsat\tsæt\nthe\tðə\nthe(c)\tðə\n";
  std::string packed(ZSTD_compressBound(lines.size()), ' ');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), lines.data(), lines.size(), 3));
  write_bytes(dir + "/tts/lexicon.tsv.zst", packed);
  write_bytes(dir + "/tts/manifest.toml",
              "kind = \"tts\"\n[tts]\nsymbols = \"^$ kætsðə.d\"\n" + tts_keys);
  write_bytes(dir + "/vocoder/manifest.toml",
              "kind = \"vocoder\"\n[vocoder]\nflows = 2\nlayers = 5\nchannels = 8\nsigma = 0.1\n");
}

}  // namespace antiphon::test
