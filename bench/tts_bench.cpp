// Synthesis through its stage: first audio and real-time factor, f32 and INT8, one thread and two.
// Peers: the same network in PyTorch, and espeak-ng (bench/peers/tts_peer.py).
#include "bench/stage_bench.h"
#include "tts/synthesizer.h"

namespace antiphon::bench {
namespace {

constexpr int kRounds = 3;
constexpr double kHopMs = 256.0 / 22.05;
const std::vector<std::string> kReplies = {
    "Sure.",
    "Which size: small, medium or large?",
    "What would you like to drink?",
    "That is one large latte with oat milk. Shall I order it?",
    "Thank you. Your medium flat white will be ready at the counter in a few minutes.",
    "All right, I have cancelled the order.",
    "It will be 23 degrees in London tomorrow, with a little rain in the afternoon.",
    "Your alarm is set for 6:30 in the morning.",
    "A small cappuccino is $3.20 and a large one is $4.10.",
    "We close at eight o'clock today, and we open again at seven in the morning on Monday.",
};

struct Times {
  double busy_ms = 0, audio_ms = 0;
  std::vector<double> first_ms, wall_ms;
  std::vector<int> frames;
};

Status say(Synthesizer& synthesizer, const std::string& text, Times& times) {
  const double begin = now_ms();
  ANTIPHON_ASSIGN_OR_RETURN(const auto stream, synthesizer.open(text, {}));
  double first = 0;
  std::size_t samples = 0;
  for (bool last = false; !last;) {
    ANTIPHON_ASSIGN_OR_RETURN(const AudioChunk chunk, stream->next());
    if (first == 0 && !chunk.samples.empty()) first = now_ms();
    samples += chunk.samples.size();
    last = chunk.is_last;
  }
  const double end = now_ms();
  const double audio_ms = 1e3 * static_cast<double>(samples) / synthesizer.rate_hz();
  times.busy_ms += end - begin;
  times.audio_ms += audio_ms;
  times.first_ms.push_back(first - begin);
  times.wall_ms.push_back(end - begin);
  times.frames.push_back(static_cast<int>(audio_ms / kHopMs + 0.5));
  return {};
}

// frames: of every reply as it was said last, for the peer.
Status measure(const StageOptions& options, const Setting& setting, Report& report, Figures& ours,
               std::string& frames) {
  tts::SynthesizerConfig config;
  config.tts_dir = options.models + "/tts-en";
  config.vocoder_dir = options.models + "/vocoder-en";
  config.precision = setting.precision;
  config.max_isa = options.isa_cap;
  config.team = setting.team.get();
  ANTIPHON_ASSIGN_OR_RETURN(const auto synthesizer, tts::create_synthesizer(config));
  Times warm, times;
  for (const std::string& text : kReplies) ANTIPHON_RETURN_IF_ERROR(say(*synthesizer, text, warm));
  for (int round = 0; round < kRounds; ++round)
    for (const std::string& text : kReplies)
      ANTIPHON_RETURN_IF_ERROR(say(*synthesizer, text, times));
  const double ms_per_s = 1e3 * times.busy_ms / times.audio_ms;
  auto line = setting.line("a second of speech", "ms");
  line["ours_ms"] = rounded(ms_per_s);
  line["real_time_factor"] = rounded(ms_per_s / 1000);
  line["n"] = times.first_ms.size();
  report.add(line);
  report.add(setting.line("first audio", "ms"), times.first_ms);
  ours[setting.key("a second of speech")] = ms_per_s;
  ours[setting.key("first audio")] = spread_of(times.first_ms).p50;
  frames.clear();
  for (std::size_t i = 0; i < kReplies.size(); ++i)
    frames += (i ? "," : "") + std::to_string(warm.frames[i]);
  return {};
}

std::vector<std::string> peer_arguments(const StageOptions& options, const std::string& frames) {
  std::vector<std::string> arguments = {"--tts",     options.models + "/tts-en",
                                        "--vocoder", options.models + "/vocoder-en",
                                        "--frames",  frames,
                                        "--texts"};
  arguments.insert(arguments.end(), kReplies.begin(), kReplies.end());
  return arguments;
}

}  // namespace
}  // namespace antiphon::bench

int main(int argc, char** argv) {
  using namespace antiphon::bench;
  std::string frames;
  return stage_main(
      {.name = "tts",
       .about = "Speed of synthesis",
       .peer = ANTIPHON_SOURCE_DIR "/bench/peers/tts_peer.py",
       .measure = [&](const StageOptions& options, const std::vector<Question>&,
                      const Setting& setting, Report& report,
                      Figures& ours) { return measure(options, setting, report, ours, frames); },
       .peer_arguments =
           [&](const StageOptions& options) { return peer_arguments(options, frames); }},
      argc, argv);
}
