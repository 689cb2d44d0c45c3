// Recognition through its stage: real-time factor and end of phrase, f32 and INT8, one thread and
// two. Peer: the same network in PyTorch and ONNX Runtime (bench/peers/asr_peer.py).
#include <algorithm>

#include "asr/recognizer.h"
#include "bench/stage_bench.h"

namespace antiphon::bench {
namespace {

constexpr std::size_t kChunkSamples = kRecordingRateHz / 10;

struct Times {
  double busy_ms = 0, audio_s = 0;
  std::vector<double> end_of_phrase_ms;
};

// The recording in chunks of 100 ms as fast as they are taken; then the end.
Status recognise(Recognizer& recognizer, RecognizerStream& stream, const Question& question,
                 Times& times) {
  RecognizerStream* const streams[] = {&stream};
  const std::span<const float> pcm = question.pcm;
  const double begin = now_ms();
  double last = begin;
  for (std::size_t at = 0; at < pcm.size(); at += kChunkSamples) {
    last = now_ms();
    const std::size_t count = std::min(kChunkSamples, pcm.size() - at);
    ANTIPHON_RETURN_IF_ERROR(stream.push(pcm.subspan(at, count)));
    if (at + count < pcm.size()) ANTIPHON_RETURN_IF_ERROR(recognizer.advance(streams));
  }
  stream.end_turn();  // with the last chunk: as the session does
  bool ended = false;
  while (!ended) {
    ANTIPHON_RETURN_IF_ERROR(recognizer.advance(streams));
    while (const auto event = stream.pop())
      ended |= event->kind == RecognizerEventKind::kFinal ||
               event->kind == RecognizerEventKind::kNoSpeech;
  }
  const double end = now_ms();
  times.busy_ms += end - begin;
  times.audio_s += question.seconds();
  times.end_of_phrase_ms.push_back(end - last);
  return {};
}

Status measure(const StageOptions& options, const std::vector<Question>& questions,
               const Setting& setting, Report& report, Figures& ours) {
  asr::RecognizerConfig config;
  config.pack_dir = options.models + "/asr-en";
  config.vad_dir = options.models + "/vad";
  config.precision = setting.precision;
  config.max_isa = options.isa_cap;
  config.team = setting.team.get();
  ANTIPHON_ASSIGN_OR_RETURN(const auto recognizer, asr::create_recognizer(config));
  RecognizerOptions turn;
  turn.endpointing = false;
  ANTIPHON_ASSIGN_OR_RETURN(const auto stream, recognizer->open(turn));
  Times warm, times;
  for (std::size_t i = 0; i < 3; ++i)
    ANTIPHON_RETURN_IF_ERROR(
        recognise(*recognizer, *stream, questions[i % questions.size()], warm));
  for (const Question& question : questions)
    ANTIPHON_RETURN_IF_ERROR(recognise(*recognizer, *stream, question, times));
  const double ms_per_s = times.busy_ms / times.audio_s;
  auto line = setting.line("a second of speech", "ms");
  line["ours_ms"] = rounded(ms_per_s);
  line["real_time_factor"] = rounded(ms_per_s / 1000);
  line["n"] = times.end_of_phrase_ms.size();
  report.add(line);
  ours[setting.key("a second of speech")] = ms_per_s;
  report.add(setting.line("end of phrase", "ms"), times.end_of_phrase_ms);
  return {};
}

}  // namespace
}  // namespace antiphon::bench

int main(int argc, char** argv) {
  using namespace antiphon::bench;
  return stage_main(
      {.name = "asr",
       .about = "Speed of recognition",
       .peer = ANTIPHON_SOURCE_DIR "/bench/peers/asr_peer.py",
       .measure = measure,
       .peer_arguments = [](const StageOptions& options) -> std::vector<std::string> {
         return {"--pack", options.models + "/asr-en", "--questions", options.questions};
       }},
      argc, argv);
}
