// antiphon converse: one spoken turn, local or with a server.
#include "antiphon/event_json.h"
#include "cli/audio_file.h"
#include "cli/command.h"
#include "cli/server_turn.h"

namespace antiphon::cli {
namespace {

struct Options {
  ModelOptions models;
  std::string file, output, server, context_path;
  bool json = false, endpointing = false;
};

Result<ConverseResult> ask(const Options& options) {
  ANTIPHON_ASSIGN_OR_RETURN(const Recording question, read_audio(options.file));
  std::string context;
  if (!options.context_path.empty()) {
    ANTIPHON_ASSIGN_OR_RETURN(context, read_text(options.context_path));
  }
  if (!options.server.empty()) {
    ServerTurnOptions server;
    server.url = options.server;
    server.context = context;
    server.endpointing = options.endpointing;
    if (!options.json)
      server.on_partial = [](const std::string& t) { std::printf("hearing     %s\n", t.c_str()); };
    return converse_with_server(question, server);
  }
  ANTIPHON_ASSIGN_OR_RETURN(const auto assistant, Assistant::create(options.models.config()));
  ConverseOptions local;
  local.context = context;
  return assistant->ask(question.samples, question.rate_hz, local);
}

void print_json(const ConverseResult& r, const std::string& output) {
  std::printf("%s\n", write_json({{"transcript", transcript_object(r.transcript)},
                                  {"understanding", understanding_object(r.understanding)},
                                  {"reply", r.reply.text},
                                  {"reason", reason_name(r.reason)},
                                  {"answer", output},
                                  {"latency_ms", latency_json(r.latency)}})
                          .c_str());
}

void print_text(const ConverseResult& r) {
  std::printf("transcript  %s\n", r.transcript.text.c_str());
  std::printf("intent      %s (%.2f)\n",
              r.understanding.in_scope ? r.understanding.intent.c_str() : "(none)",
              static_cast<double>(r.understanding.confidence));
  for (const Slot& slot : r.understanding.slots)
    std::printf("slot        %s = %s\n", slot.name.c_str(), slot.value.c_str());
  std::printf("reply       %s\n", r.reply.text.c_str());
  const TurnLatency& l = r.latency;
  std::printf(
      "latency     recognise %.1f ms, understand %.1f ms, speak %.1f ms, total %.1f ms\n"
      "            (endpoint %.1f ms before it; heard after %.1f ms)\n",
      l.asr_ms, l.nlu_ms, l.tts_ms, l.total_ms, l.endpoint_ms, l.heard_ms);
}

int run(const Options& options) {
  const auto got = ask(options);
  if (!got.ok()) return fail(got.status());
  if (!options.output.empty()) {
    const Status written = write_wav(options.output, got->answer.samples, got->answer.rate_hz);
    if (!written.ok()) return fail(written);
  }
  if (options.json)
    print_json(*got, options.output);
  else
    print_text(*got);
  if (!options.json && !options.output.empty())
    std::printf("answer      %s (%.2f s)\n", options.output.c_str(),
                static_cast<double>(got->answer.samples.size()) / std::max(1, got->answer.rate_hz));
  if (got->reason == TurnEndReason::kDone) return kExitOk;
  if (got->reason == TurnEndReason::kNoSpeech)
    return fail(not_found(options.file + ": no speech was heard in it"));
  return kExitFailure;
}

}  // namespace

void add_converse(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("converse", "One spoken turn: a question in, an answer out");
  sub->add_option("file", options->file, "The recorded question; - is stdin")->required();
  sub->add_option("-o,--output", options->output, "WAV file for the answer");
  sub->add_option("--server", options->server,
                  "ws://host:port/v1/converse: stream there in real time");
  sub->add_flag("--endpointing", options->endpointing, "Let the server find the end of speech");
  sub->add_option("--context", options->context_path, "Text file that questions are answered from");
  sub->add_flag("--json", options->json, "For programs");
  options->models.add_to(*sub);
  sub->footer(
      "Example:\n  antiphon converse question.wav -o answer.wav "
      "--server ws://127.0.0.1:8080/v1/converse");
  sub->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
}

}  // namespace antiphon::cli
