// Sample formats, against values of ITU-T G.711.
#include "server/audio_codec.h"

#include <gtest/gtest.h>

#include <cstring>

namespace antiphon::server {
namespace {

std::vector<float> decoded(Encoding encoding, const std::string& bytes) {
  const auto got = decode_audio(encoding, bytes);
  EXPECT_TRUE(got.ok());
  return got.ok() ? *got : std::vector<float>();
}

TEST(AudioCodec, Pcm16) {
  const std::string bytes("\x00\x00\xff\x7f\x00\x80\x01\x00", 8);
  EXPECT_EQ(decoded(Encoding::kPcm16, bytes),
            (std::vector<float>{0, 32767.0f / 32768, -1, 1.0f / 32768}));
}

TEST(AudioCodec, Mulaw) {
  // 0xff and 0x7f are the two zeros; 0x00 and 0x80 the extremes, 32124.
  const auto got = decoded(Encoding::kMulaw, std::string("\xff\x7f\x00\x80\xf0", 5));
  EXPECT_EQ(got, (std::vector<float>{0, 0, -32124.0f / 32768, 32124.0f / 32768, 120.0f / 32768}));
}

TEST(AudioCodec, Alaw) {
  // 0xd5 is the smallest positive, 8; 0xaa the largest, 32256.
  const auto got = decoded(Encoding::kAlaw, std::string("\xd5\x55\xaa\x2a", 4));
  EXPECT_EQ(got,
            (std::vector<float>{8.0f / 32768, -8.0f / 32768, 32256.0f / 32768, -32256.0f / 32768}));
}

TEST(AudioCodec, Float32IsClipped) {
  const float values[] = {0.5f, 3.0f, -7.0f};
  std::string bytes(sizeof(values), '\0');
  std::memcpy(bytes.data(), values, sizeof(values));
  EXPECT_EQ(decoded(Encoding::kFloat32, bytes), (std::vector<float>{0.5f, 1, -1}));
}

TEST(AudioCodec, RefusesHalfASample) {
  EXPECT_FALSE(decode_audio(Encoding::kPcm16, "abc").ok());
  EXPECT_FALSE(decode_audio(Encoding::kFloat32, "abcdef").ok());
  EXPECT_TRUE(decode_audio(Encoding::kMulaw, "abc").ok());
}

TEST(AudioCodec, EmptyIsEmpty) { EXPECT_TRUE(decoded(Encoding::kPcm16, "").empty()); }

TEST(AudioCodec, EncodesAndClips) {
  const float pcm[] = {0, 1, -1, 2};
  EXPECT_EQ(encode_pcm16(pcm), std::string("\x00\x00\xff\x7f\x01\x80\xff\x7f", 8));
}

}  // namespace
}  // namespace antiphon::server
