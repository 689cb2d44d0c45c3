// Recordings in every format that libsndfile reads, and WAV out.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/base/status.h"

namespace antiphon::cli {

struct Recording {
  int rate_hz = 0;
  std::vector<float> samples;  // mono: channels are averaged
};

// "-" is standard input. kNotFound: no such file. kInvalidArgument: not audio, or without samples.
Result<Recording> read_audio(const std::string& path);
// PCM16, mono. "-" is standard output.
Status write_wav(const std::string& path, std::span<const float> samples, int rate_hz);

// A whole text: of the file, or of standard input for "-".
Result<std::string> read_text(const std::string& path);

}  // namespace antiphon::cli
