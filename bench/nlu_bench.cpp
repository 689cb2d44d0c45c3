// Understanding through its stage: milliseconds a query, f32 and INT8, one thread and two. Peer:
// the same network in PyTorch and ONNX Runtime (bench/peers/nlu_peer.py).
#include <cstdio>

#include "bench/recordings.h"
#include "bench/stage_options.h"
#include "nlu/understander.h"

namespace antiphon::bench {
namespace {

constexpr int kRounds = 5;
constexpr const char* kContext =
    "The City Museum stands beside the river. It opens at nine in the morning from Tuesday to "
    "Saturday, and at eleven on Sunday. On Mondays it is closed. Tickets cost eight euros.";

Result<std::vector<double>> ask_all(Understander& understander,
                                    const std::vector<Question>& questions, const char* context) {
  std::vector<double> out;
  for (int round = -1; round < kRounds;
       ++round) {  // the first warms up: every length is bound once
    for (const Question& question : questions) {
      const double begin = now_ms();
      ANTIPHON_RETURN_IF_ERROR(
          understander.understand({.text = question.text, .context = context}).status());
      if (round >= 0) out.push_back(now_ms() - begin);
    }
  }
  return out;
}

Status measure(const StageOptions& options, const std::string& assistant,
               const std::vector<Question>& questions, const Setting& setting, Report& report,
               Figures& ours) {
  nlu::UnderstanderConfig config;
  config.pack_dir = options.models + "/nlu-en";
  if (!assistant.empty()) {
    ANTIPHON_ASSIGN_OR_RETURN(config.assistant, read_assistant(assistant));
  }
  config.precision = setting.precision;
  config.max_isa = options.isa_cap;
  config.team = setting.team.get();
  ANTIPHON_ASSIGN_OR_RETURN(const auto understander, nlu::create_understander(config));
  ANTIPHON_ASSIGN_OR_RETURN(const auto queries, ask_all(*understander, questions, ""));
  report.add(setting.line("query", "ms"), queries);
  ours[setting.key("query")] = spread_of(queries).p50;
  ANTIPHON_ASSIGN_OR_RETURN(const auto answers, ask_all(*understander, questions, kContext));
  report.add(setting.line("query with a paragraph to answer from", "ms"), answers);
  return {};
}

int run(const StageOptions& options, const std::string& assistant) {
  const auto questions = read_questions(options.questions);
  Report report("nlu", options.isa_cap);
  Figures ours;
  Status status = questions.status();
  if (status.ok())
    status = for_each_setting(options, [&](const Setting& setting) {
      return measure(options, assistant, *questions, setting, report, ours);
    });
  if (!status.ok()) {
    std::fprintf(stderr, "nlu_bench: %s\n", status.to_string().c_str());
    return 1;
  }
  compare_with_peer(report, options,
                    {"--pack", options.models + "/nlu-en", "--questions", options.questions}, ours);
  report.print_table();
  return 0;
}

}  // namespace
}  // namespace antiphon::bench

int main(int argc, char** argv) {
  antiphon::bench::StageOptions options;
  options.peer = ANTIPHON_SOURCE_DIR "/bench/peers/nlu_peer.py";
  std::string assistant = ANTIPHON_SOURCE_DIR "/models/assistants/coffee.toml";
  if (const auto code = options.parse("Speed of understanding", argc, argv, &assistant))
    return *code;
  return antiphon::bench::run(options, assistant);
}
