// partial_times: after how much audio each partial result came.
//
//   partial_times MODELS f32|int8 TABLE.tsv
//
// TABLE.tsv: id, speaker, start_sample, num_samples, text beside its audio (recordings.h). The
// audio is given in chunks of 20 ms, each worked off before the next comes, so the times are of
// audio and the machine's speed has no part in them. Prints lines of id, milliseconds of the
// utterance that had been given, and the spoken words of the partial, between tabs; the final is
// left out. training/asr/partial_times.py says how late words are.
#include <cstdio>

#include "asr/recognizer.h"
#include "bench/recordings.h"

namespace antiphon::bench {
namespace {

constexpr std::size_t kChunkSamples = kRecordingRateHz / 50;

Status recognise(Recognizer& recognizer, RecognizerStream& stream, const Question& question) {
  RecognizerStream* const streams[] = {&stream};
  const std::span<const float> pcm = question.pcm;
  bool ended = false;
  for (std::size_t at = 0; !ended;) {
    const std::size_t count = std::min(kChunkSamples, pcm.size() - at);
    at += count;
    if (count > 0) ANTIPHON_RETURN_IF_ERROR(stream.push(pcm.subspan(at - count, count)));
    if (count == 0) stream.end_turn();
    ANTIPHON_RETURN_IF_ERROR(recognizer.advance(streams));
    while (const auto event = stream.pop()) {
      ended |= event->kind == RecognizerEventKind::kFinal ||
               event->kind == RecognizerEventKind::kNoSpeech;
      if (event->kind == RecognizerEventKind::kPartial)
        std::printf("%s\t%zu\t%s\n", question.id.c_str(), 1000 * at / kRecordingRateHz,
                    event->transcript.text.c_str());
    }
  }
  return {};
}

Status run(const std::string& models, Precision precision, const std::string& table) {
  asr::RecognizerConfig config;
  config.pack_dir = models + "/asr-en";
  config.vad_dir = models + "/vad";
  config.precision = precision;
  ANTIPHON_ASSIGN_OR_RETURN(const auto recognizer, asr::create_recognizer(config));
  RecognizerOptions turn;
  turn.endpointing = turn.written = false;
  ANTIPHON_ASSIGN_OR_RETURN(const auto stream, recognizer->open(turn));
  ANTIPHON_ASSIGN_OR_RETURN(const std::vector<Question> questions, read_questions(table));
  for (const Question& question : questions)
    ANTIPHON_RETURN_IF_ERROR(recognise(*recognizer, *stream, question));
  return {};
}

}  // namespace
}  // namespace antiphon::bench

int main(int argc, char** argv) {
  const std::string precision = argc == 4 ? argv[2] : "";
  if (precision != "f32" && precision != "int8") {
    std::fprintf(stderr,
                 "usage: partial_times MODELS f32|int8 TABLE.tsv\n"
                 "example: partial_times models int8 bench/recordings/questions.tsv\n");
    return 2;
  }
  using antiphon::Precision;
  const antiphon::Status status = antiphon::bench::run(
      argv[1], precision == "f32" ? Precision::kF32 : Precision::kInt8, argv[3]);
  if (status.ok()) return 0;
  std::fprintf(stderr, "partial_times: %s\n", status.to_string().c_str());
  return 1;
}
