// antiphon transcribe: recordings to text.
#include "cli/audio_file.h"
#include "cli/command.h"
#include "cli/server_turn.h"
#include "cli/transcript_format.h"

namespace antiphon::cli {
namespace {

struct Options {
  ModelOptions models;
  std::vector<std::string> files, hotwords;
  std::string format = "text", server;
  bool json = false, spoken = false;
};

Result<std::vector<Transcript>> transcribe_one(Assistant* assistant, const std::string& file,
                                               const RecognizerOptions& recognizer,
                                               const Options& options) {
  ANTIPHON_ASSIGN_OR_RETURN(const Recording recording, read_audio(file));
  if (assistant) {
    Progress progress(file);
    const double seconds = static_cast<double>(recording.samples.size()) / recording.rate_hz;
    return assistant->transcribe(recording.samples, recording.rate_hz, recognizer,
                                 [&](double done_s) { progress.at(done_s / seconds); });
  }
  ServerTurnOptions server;
  server.url = options.server;
  server.speak_reply = server.real_time = false;
  server.written = recognizer.written;
  server.timeout_s = 600;
  server.hotwords = recognizer.hotwords;
  ANTIPHON_ASSIGN_OR_RETURN(ConverseResult turn, converse_with_server(recording, server));
  return std::vector<Transcript>{std::move(turn.transcript)};
}

int run(const Options& options) {
  RecognizerOptions recognizer;
  recognizer.partials = false;
  recognizer.written = !options.spoken;
  Result<std::vector<HotWord>> words = parse_hotwords(options.hotwords);
  if (!words.ok()) return fail(words.status());
  recognizer.hotwords = std::move(words).value();
  std::unique_ptr<Assistant> assistant;
  if (options.server.empty()) {
    auto created = Assistant::create(options.models.config(Stage::kRecognize));
    if (!created.ok()) return fail(created.status());
    assistant = std::move(created).value();
  }
  int exit_code = kExitOk;
  for (const std::string& file : options.files) {
    const auto got = transcribe_one(assistant.get(), file, recognizer, options);
    if (!got.ok()) {  // the other files are done all the same
      exit_code = std::max(exit_code, fail(got.status()));
      continue;
    }
    std::fputs(format_transcripts(*got, options.json ? "json" : options.format, file).c_str(),
               stdout);
  }
  return exit_code;
}

}  // namespace

void add_transcribe(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("transcribe", "Recordings to text");
  sub->add_option("files", options->files,
                  "Recordings of any format, rate and channels; - is stdin")
      ->required();
  sub->add_option("--format", options->format, "Of the output")
      ->check(CLI::IsMember({"text", "json", "srt", "vtt", "tsv"}))
      ->capture_default_str();
  sub->add_flag("--json", options->json, "The same as --format json");
  sub->add_option("--hotword", options->hotwords, "WORD[:BOOST] that is likely to be said");
  sub->add_flag("--spoken", options->spoken,
                "The words as said, in lower case: \"twenty two\", not \"22\"");
  sub->add_option("--server", options->server,
                  "ws://host:port/v1/converse instead of local models");
  options->models.add_to(*sub);
  sub->footer("Example:\n  antiphon transcribe meeting.flac --format srt > meeting.srt");
  sub->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
}

}  // namespace antiphon::cli
