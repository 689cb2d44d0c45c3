// Recordings of every kind, and what is not one.
#include "cli/audio_file.h"

#include <gtest/gtest.h>
#include <sndfile.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>

namespace antiphon::cli {
namespace {

std::string path_of(const char* name) {
  return testing::TempDir() + std::to_string(getpid()) + "_" + name;
}

std::string write_file(const char* name, int format, int rate_hz, int channels) {
  const std::string path = path_of(name);
  SF_INFO info{};
  info.samplerate = rate_hz;
  info.channels = channels;
  info.format = format;
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
  EXPECT_NE(file, nullptr);
  std::vector<float> frames(static_cast<std::size_t>(rate_hz / 10 * channels));
  for (std::size_t i = 0; i < frames.size(); ++i)
    frames[i] = 0.5f * static_cast<float>(std::sin(
                           0.05 * static_cast<double>(i / static_cast<std::size_t>(channels))));
  sf_writef_float(file, frames.data(), rate_hz / 10);
  sf_close(file);
  return path;
}

struct FileKind {
  const char* name;
  int format, rate_hz, channels;
  double tolerance;  // of the sample format
};

class AudioFiles : public testing::TestWithParam<FileKind> {};

TEST_P(AudioFiles, AreReadAsMono) {
  const FileKind& kind = GetParam();
  const std::string path = write_file(kind.name, kind.format, kind.rate_hz, kind.channels);
  const auto got = read_audio(path);
  ASSERT_TRUE(got.ok()) << got.status().message();
  EXPECT_EQ(got->rate_hz, kind.rate_hz);
  ASSERT_EQ(got->samples.size(), static_cast<std::size_t>(kind.rate_hz / 10));
  for (std::size_t i = 0; i < got->samples.size(); ++i)
    ASSERT_NEAR(got->samples[i], 0.5 * std::sin(0.05 * static_cast<double>(i)), kind.tolerance);
  std::filesystem::remove(path);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, AudioFiles,
    testing::Values(FileKind{"u8.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_U8, 16000, 1, 0.01},
                    FileKind{"s16.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 8000, 1, 1e-4},
                    FileKind{"s24.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, 48000, 1, 1e-6},
                    FileKind{"f32.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 16000, 1, 1e-7},
                    FileKind{"stereo.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 44100, 2, 1e-4},
                    FileKind{"five.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 48000, 5, 1e-4},
                    FileKind{"ulaw.wav", SF_FORMAT_WAV | SF_FORMAT_ULAW, 8000, 1, 0.02},
                    FileKind{"x.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 22050, 1, 1e-4},
                    FileKind{"x.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16, 16000, 2, 1e-4}),
    [](const auto& info) {
      std::string name = info.param.name;
      std::replace(name.begin(), name.end(), '.', '_');
      return name;
    });

TEST(AudioFile, RefusesWhatIsNotAudio) {
  EXPECT_EQ(read_audio("/nowhere.wav").status().code(), StatusCode::kNotFound);
  const std::string path = path_of("bad.wav");
  for (const std::string& bytes : {std::string(), std::string("hello, this is text"),
                                   std::string("RIFF\x24\0\0\0WAVEfmt ", 16)}) {
    std::ofstream(path, std::ios::binary) << bytes;
    const auto got = read_audio(path);
    ASSERT_FALSE(got.ok());
    EXPECT_EQ(got.status().code(), StatusCode::kInvalidArgument);
    EXPECT_NE(got.status().message().find(path), std::string::npos);
  }
  std::filesystem::remove(path);
}

TEST(AudioFile, EveryTruncationIsSafe) {
  const std::string path = write_file("cut.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 8000, 1);
  const auto whole = read_text(path);
  ASSERT_TRUE(whole.ok());
  for (std::size_t count = 0; count < 120; ++count) {
    std::ofstream(path, std::ios::binary) << whole->substr(0, count);
    const auto got = read_audio(path);
    if (!got.ok()) EXPECT_FALSE(got.status().message().empty());
  }
  std::filesystem::remove(path);
}

TEST(AudioFile, WritesWhatItReads) {
  const std::string path = path_of("out.wav");
  ASSERT_TRUE(write_wav(path, std::vector<float>{0, 0.5f, -0.5f, 2.0f}, 22050).ok());
  const auto got = read_audio(path);
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->samples.size(), 4u);
  EXPECT_NEAR(got->samples[1], 0.5f, 1e-4);
  EXPECT_NEAR(got->samples[3], 1.0f, 1e-4);
  EXPECT_FALSE(write_wav("/nowhere/x.wav", {}, 22050).ok());
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace antiphon::cli
