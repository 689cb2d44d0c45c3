// Reads the table and cuts the audio.
#include "bench/recordings.h"

#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "antiphon/resampler.h"
#include "cli/audio_file.h"

namespace antiphon::bench {
namespace {

Result<std::vector<float>> read_audio_beside(const std::filesystem::path& table) {
  for (const char* end : {".opus", ".flac", ".wav"}) {
    std::filesystem::path path = table;
    path.replace_extension(end);
    if (!std::filesystem::exists(path)) continue;
    ANTIPHON_ASSIGN_OR_RETURN(const cli::Recording all, cli::read_audio(path.string()));
    if (all.rate_hz == kRecordingRateHz) return all.samples;
    return resample(all.samples, all.rate_hz, kRecordingRateHz);
  }
  return not_found(table.string() + ": there is no .opus, .flac or .wav beside it");
}

bool read_count(const std::string& text, std::size_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

Result<std::vector<Question>> read_questions(const std::string& table) {
  std::ifstream in(table);
  if (!in) return not_found(table + ": cannot be read");
  ANTIPHON_ASSIGN_OR_RETURN(const std::vector<float> audio, read_audio_beside(table));
  std::vector<Question> out;
  std::string line;
  std::getline(in, line);  // names of the columns
  for (int number = 2; std::getline(in, line); ++number) {
    std::istringstream row(line);
    Question q;
    std::string speaker, start, samples;
    std::getline(row, q.id, '\t');
    std::getline(row, speaker, '\t');
    std::getline(row, start, '\t');
    std::getline(row, samples, '\t');
    std::getline(row, q.text, '\t');
    std::size_t at = 0, count = 0;
    if (!read_count(start, at) || !read_count(samples, count) || at + count > audio.size() ||
        count == 0)
      return invalid_argument(
          table + ": line " + std::to_string(number) +
          ": wanted id, speaker, start and number of samples within the audio, text");
    q.pcm.assign(audio.begin() + static_cast<std::ptrdiff_t>(at),
                 audio.begin() + static_cast<std::ptrdiff_t>(at + count));
    out.push_back(std::move(q));
  }
  if (out.empty()) return invalid_argument(table + ": has no rows");
  return out;
}

}  // namespace antiphon::bench
