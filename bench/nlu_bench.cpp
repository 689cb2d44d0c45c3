// Understanding through its stage: milliseconds a query, f32 and INT8, one thread and two. Peer:
// the same network in PyTorch and ONNX Runtime (bench/peers/nlu_peer.py).
#include "bench/stage_bench.h"
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

Status measure(const StageOptions& options, const std::vector<Question>& questions,
               const Setting& setting, Report& report, Figures& ours) {
  nlu::UnderstanderConfig config;
  config.pack_dir = options.models + "/nlu-en";
  if (!options.assistant.empty()) {
    ANTIPHON_ASSIGN_OR_RETURN(config.assistant, read_assistant(options.assistant));
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

}  // namespace
}  // namespace antiphon::bench

int main(int argc, char** argv) {
  using namespace antiphon::bench;
  return stage_main(
      {.name = "nlu",
       .about = "Speed of understanding",
       .takes_assistant = true,
       .peer = ANTIPHON_SOURCE_DIR "/bench/peers/nlu_peer.py",
       .measure = measure,
       .peer_arguments = [](const StageOptions& options) -> std::vector<std::string> {
         return {"--pack", options.models + "/nlu-en", "--questions", options.questions};
       }},
      argc, argv);
}
