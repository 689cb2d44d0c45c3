// PCM16, float32, G.711 mu-law and A-law.
#include "server/audio_codec.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace antiphon::server {
namespace {

// ITU-T G.711; results are on the scale of 16 bits.
int mulaw_to_linear(std::uint8_t byte) {
  byte = static_cast<std::uint8_t>(~byte);
  const int magnitude = ((((byte & 0x0f) << 3) + 0x84) << ((byte & 0x70) >> 4)) - 0x84;
  return byte & 0x80 ? -magnitude : magnitude;
}

int alaw_to_linear(std::uint8_t byte) {
  byte ^= 0x55;
  const int exponent = (byte & 0x70) >> 4;
  int magnitude = ((byte & 0x0f) << 4) + 8;
  if (exponent > 0) magnitude = (magnitude + 0x100) << (exponent - 1);
  return byte & 0x80 ? magnitude : -magnitude;
}

}  // namespace

Result<Encoding> parse_encoding(std::string_view name) {
  if (name == "pcm16") return Encoding::kPcm16;
  if (name == "float32") return Encoding::kFloat32;
  if (name == "mulaw") return Encoding::kMulaw;
  if (name == "alaw") return Encoding::kAlaw;
  return invalid_argument("encoding is \"" + std::string(name) +
                          "\", wanted pcm16, float32, mulaw or alaw");
}

std::size_t sample_bytes(Encoding encoding) {
  switch (encoding) {
    case Encoding::kPcm16: return 2;
    case Encoding::kFloat32: return 4;
    case Encoding::kMulaw:
    case Encoding::kAlaw: return 1;
  }
  return 1;
}

Result<std::vector<float>> decode_audio(Encoding encoding, std::string_view bytes) {
  const std::size_t width = sample_bytes(encoding);
  if (bytes.size() % width != 0)
    return invalid_argument("audio frame of " + std::to_string(bytes.size()) +
                            " bytes does not hold whole samples of " + std::to_string(width));
  std::vector<float> out(bytes.size() / width);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const char* at = bytes.data() + i * width;
    if (encoding == Encoding::kFloat32) {
      std::memcpy(&out[i], at, sizeof(float));
      if (!std::isfinite(out[i])) return invalid_argument("audio sample is not a finite number");
      out[i] = std::clamp(out[i], -1.0f, 1.0f);
    } else if (encoding == Encoding::kPcm16) {
      std::int16_t sample = 0;
      std::memcpy(&sample, at, sizeof(sample));
      out[i] = static_cast<float>(sample) / 32768.0f;
    } else {
      const auto byte = static_cast<std::uint8_t>(*at);
      const int linear =
          encoding == Encoding::kMulaw ? mulaw_to_linear(byte) : alaw_to_linear(byte);
      out[i] = static_cast<float>(linear) / 32768.0f;
    }
  }
  return out;
}

std::string encode_pcm16(std::span<const float> pcm) {
  std::string out(pcm.size() * 2, '\0');
  for (std::size_t i = 0; i < pcm.size(); ++i) {
    const float scaled = std::clamp(pcm[i], -1.0f, 1.0f) * 32767.0f;
    const auto sample = static_cast<std::int16_t>(std::lrint(scaled));
    std::memcpy(out.data() + 2 * i, &sample, 2);
  }
  return out;
}

}  // namespace antiphon::server
