// The writers of the transcript formats.
#include "cli/transcript_format.h"

#include <cmath>
#include <vector>

#include "cli/command.h"

namespace antiphon::cli {
namespace {

struct Caption {
  double start_ms = 0, end_ms = 0;
  std::string text;
};

std::vector<Caption> captions(std::span<const Transcript> transcripts) {
  std::vector<Caption> out;
  for (const Transcript& transcript : transcripts) {
    bool fresh = true;  // an utterance begins a caption
    for (const WordTiming& word : transcript.words) {
      const bool full = !fresh && (word.end_ms - out.back().start_ms > 7000 ||
                                   out.back().text.size() + word.word.size() > 80);
      if (fresh || full)
        out.push_back({word.start_ms, word.end_ms, word.word});
      else {
        out.back().text += " " + word.word;
        out.back().end_ms = word.end_ms;
      }
      fresh = false;
    }
  }
  return out;
}

std::string timestamp(double ms, char point) {
  const auto total = static_cast<long>(std::lround(std::max(0.0, ms)));
  char text[32];
  std::snprintf(text, sizeof(text), "%02ld:%02ld:%02ld%c%03ld", total / 3600000, total / 60000 % 60,
                total / 1000 % 60, point, total % 1000);
  return text;
}

}  // namespace

std::string format_transcripts(std::span<const Transcript> transcripts, std::string_view format,
                               std::string_view file) {
  std::string out;
  if (format == "json") {
    nlohmann::json utterances = nlohmann::json::array();
    std::string text;
    for (const Transcript& t : transcripts) {
      utterances.push_back(transcript_object(t));
      text += (text.empty() ? "" : " ") + t.text;
    }
    return write_json({{"file", file}, {"text", text}, {"utterances", utterances}}) + "\n";
  }
  if (format == "tsv") {
    out = "start_ms\tend_ms\tconfidence\tword\n";
    char line[80];
    for (const Transcript& t : transcripts) {
      for (const WordTiming& w : t.words) {
        std::snprintf(line, sizeof(line), "%.0f\t%.0f\t%.3f\t", w.start_ms, w.end_ms,
                      static_cast<double>(w.confidence));
        out += line + w.word + "\n";
      }
    }
    return out;
  }
  if (format == "srt" || format == "vtt") {
    const char point = format == "srt" ? ',' : '.';
    if (format == "vtt") out = "WEBVTT\n\n";
    int number = 0;
    for (const Caption& c : captions(transcripts)) {
      if (format == "srt") out += std::to_string(++number) + "\n";
      out += timestamp(c.start_ms, point) + " --> " + timestamp(c.end_ms, point) + "\n" + c.text +
             "\n\n";
    }
    return out;
  }
  for (const Transcript& t : transcripts) out += t.text + "\n";
  return out;
}

}  // namespace antiphon::cli
