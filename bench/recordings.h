// Recorded questions: one audio file and a table `id, speaker, start_sample, num_samples, text`.
#pragma once

#include <string>
#include <vector>

#include "engine/base/status.h"

namespace antiphon::bench {

constexpr int kRecordingRateHz = 16000;

struct Question {
  std::string id, text;
  std::vector<float> pcm;  // mono, kRecordingRateHz
  double seconds() const { return static_cast<double>(pcm.size()) / kRecordingRateHz; }
};

// TABLE.tsv, and TABLE.opus, .flac or .wav beside it. kNotFound, kInvalidArgument: the file and
// line.
Result<std::vector<Question>> read_questions(const std::string& table);

}  // namespace antiphon::bench
