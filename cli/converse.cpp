// antiphon converse: one spoken turn, local or with a server.
#include <unistd.h>

#include "antiphon/event_json.h"
#include "cli/audio_file.h"
#include "cli/command.h"
#include "cli/server_turn.h"

namespace antiphon::cli {
namespace {

struct Options {
  ModelOptions models;
  std::string file, output, server, context_path, voice;
  std::vector<std::string> hotwords;
  bool json = false, endpointing = false, trace = false;
};

// Messages of the wire on standard error; pieces of audio that follow each other as one line.
class Trace {
 public:
  void add(bool sent, const std::string& message) {
    const bool audio = message.front() != '{';
    if (audio && count_ > 0 && sent == sent_) {
      ++count_;
      return;
    }
    flush();
    if (audio) {
      sent_ = sent;
      count_ = 1;
      first_ = message;
    } else {
      print(sent, message);
    }
  }
  void flush() {
    if (count_ > 0) print(sent_, "(" + first_ + (count_ > 1 ? ", " + more() : "") + ")");
    count_ = 0;
  }

 private:
  std::string more() const { return "and " + std::to_string(count_ - 1) + " more"; }
  static void print(bool sent, const std::string& text) {
    std::fprintf(stderr, "%s %s\n", sent ? "->" : "<-", text.c_str());
  }
  bool sent_ = false;
  int count_ = 0;
  std::string first_;
};

// What is heard so far: one line that is written anew on a terminal, a line each time elsewhere.
void print_partial(const std::string& text) {
  if (isatty(STDOUT_FILENO) == 1)
    std::printf("\rhearing     %s\033[K", text.c_str());
  else
    std::printf("hearing     %s\n", text.c_str());
  std::fflush(stdout);
}

Result<ConverseResult> ask_server(const Options& options, const Recording& question,
                                  const std::string& context, std::vector<HotWord> hotwords) {
  Trace trace;
  ServerTurnOptions server;
  server.url = options.server;
  server.context = context;
  server.voice = options.voice;
  server.endpointing = options.endpointing;
  server.hotwords = std::move(hotwords);
  if (options.trace)
    server.on_message = [&](bool sent, const std::string& m) { trace.add(sent, m); };
  else if (!options.json)
    server.on_partial = print_partial;
  auto out = converse_with_server(question, server);
  trace.flush();
  if (server.on_partial && isatty(STDOUT_FILENO) == 1) std::printf("\r\033[K");
  return out;
}

Result<ConverseResult> ask(const Options& options) {
  ANTIPHON_ASSIGN_OR_RETURN(const Recording question, read_audio(options.file));
  std::string context;
  if (!options.context_path.empty()) {
    ANTIPHON_ASSIGN_OR_RETURN(context, read_text(options.context_path));
  }
  ANTIPHON_ASSIGN_OR_RETURN(std::vector<HotWord> hotwords, parse_hotwords(options.hotwords));
  if (!options.server.empty()) return ask_server(options, question, context, std::move(hotwords));
  ANTIPHON_ASSIGN_OR_RETURN(const auto assistant, Assistant::create(options.models.config()));
  ConverseOptions local;
  local.context = context;
  local.hotwords = std::move(hotwords);
  local.synthesis.voice = options.voice;
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
              r.understanding.intent.empty() ? "(none)" : r.understanding.intent.c_str(),
              static_cast<double>(r.understanding.confidence));
  for (const Slot& slot : r.understanding.slots)
    std::printf("slot        %s = %s\n", slot.name.c_str(), slot.value.c_str());
  if (!r.understanding.answer.empty())
    std::printf("answer      %s\n", r.understanding.answer.c_str());
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
    std::printf("spoken      %s (%.2f s)\n", options.output.c_str(),
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
  sub->add_option("--hotword", options->hotwords, "WORD[:BOOST] that is likely to be said");
  sub->add_option("--voice", options->voice, "Of the answer; default: the assistant's");
  sub->add_flag("--trace", options->trace, "Show the messages of --server on standard error");
  sub->add_flag("--json", options->json, "For programs");
  options->models.add_to(*sub);
  sub->footer(
      "Example:\n  antiphon converse question.wav -o answer.wav "
      "--server ws://127.0.0.1:8080/v1/converse");
  sub->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
}

}  // namespace antiphon::cli
