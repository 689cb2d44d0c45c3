// antiphon bench: real-time factors and turn latency of this machine, one JSON object a line.
#include <algorithm>
#include <chrono>

#include "cli/audio_file.h"
#include "cli/command.h"
#include "engine/machine.h"

namespace antiphon::cli {
namespace {

struct Options {
  ModelOptions models;
  std::string file = "models/demo/question.wav";
  int turns = 100;
  bool json = true;
};

double now_ms() {
  return std::chrono::duration<double, std::milli>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

double percentile(std::vector<double> values, double p) {
  std::sort(values.begin(), values.end());
  const auto at = static_cast<std::size_t>(p * static_cast<double>(values.size() - 1) + 0.5);
  return values[at];
}

void print_line(const Options& options, const char* name, const char* unit,
                const std::vector<double>& values) {
  nlohmann::json line = {{"bench", "turn"},
                         {"case", name},
                         {"unit", unit},
                         {"p50", percentile(values, 0.5)},
                         {"p95", percentile(values, 0.95)},
                         {"p99", percentile(values, 0.99)},
                         {"n", values.size()},
                         {"threads", options.models.config().team_size()},
                         {"precision", options.models.precision},
                         {"isa", *isa_under(options.models.max_isa)},  // the option was checked
                         {"machine", machine_name()}};
  std::printf("%s\n", write_json(line).c_str());
}

int run(const Options& options) {
  const auto question = read_audio(options.file);
  if (!question.ok()) return fail(question.status());
  const auto assistant = Assistant::create(options.models.config());
  if (!assistant.ok()) return fail(assistant.status());
  const double audio_ms = 1e3 * static_cast<double>(question->samples.size()) / question->rate_hz;
  std::vector<double> asr_rtf, tts_rtf, nlu, tts;
  Progress progress("turns");
  for (int i = -2; i < options.turns; ++i) {  // two to warm up
    progress.at(static_cast<double>(i + 2) / (options.turns + 2));
    const double begin = now_ms();
    const auto text = (*assistant)->transcribe(question->samples, question->rate_hz);
    if (!text.ok()) return fail(text.status());
    const double heard = now_ms();
    const auto turn = (*assistant)->ask(question->samples, question->rate_hz);
    if (!turn.ok()) return fail(turn.status());
    const double asked = now_ms();
    const auto said = (*assistant)->synthesize(turn->reply.text);
    if (!said.ok()) return fail(said.status());
    if (i < 0 || turn->reason != TurnEndReason::kDone) continue;
    asr_rtf.push_back((heard - begin) / audio_ms);
    if (!said->samples.empty())
      tts_rtf.push_back((now_ms() - asked) * said->rate_hz / 1e3 /
                        static_cast<double>(said->samples.size()));
    nlu.push_back(turn->latency.nlu_ms);
    tts.push_back(turn->latency.tts_ms);
  }
  if (nlu.empty() || tts_rtf.empty())
    return fail(not_found(options.file + ": no turn ended with a spoken answer"));
  print_line(options, "asr_real_time_factor", "ratio", asr_rtf);
  print_line(options, "tts_real_time_factor", "ratio", tts_rtf);
  print_line(options, "understand_and_reply", "ms", nlu);
  print_line(options, "reply_to_first_audio", "ms", tts);
  return kExitOk;
}

}  // namespace

void add_bench(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("bench", "How fast is this machine?");
  sub->add_option("file", options->file, "A spoken question")->capture_default_str();
  sub->add_option("--turns", options->turns, "How many are measured")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  sub->add_flag("--json", options->json, "The output is JSON lines anyway");
  options->models.add_to(*sub);
  sub->footer("Example:\n  antiphon bench models/demo/question.wav --turns 100 --threads 2");
  sub->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
}

}  // namespace antiphon::cli
