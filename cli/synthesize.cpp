// antiphon synthesize: a text to speech.
#include "cli/audio_file.h"
#include "cli/command.h"

namespace antiphon::cli {
namespace {

struct Options {
  ModelOptions models;
  std::string text, output, file;
  SynthesisOptions synthesis;
  bool json = false, times = false;
};

int run(const Options& options) {
  std::string text = options.text;
  if (!options.file.empty() || text == "-") {
    auto read = read_text(options.file.empty() ? "-" : options.file);
    if (!read.ok()) return fail(read.status());
    text = std::move(read).value();
  }
  const auto assistant = Assistant::create(options.models.config(Stage::kSynthesize));
  if (!assistant.ok()) return fail(assistant.status());
  const auto got = (*assistant)->synthesize(text, options.synthesis);
  if (!got.ok()) return fail(got.status());
  if (const Status s = write_wav(options.output, got->samples, got->rate_hz); !s.ok())
    return fail(s);
  if (options.output == "-") return kExitOk;
  const double seconds = static_cast<double>(got->samples.size()) / got->rate_hz;
  if (options.json) {
    nlohmann::json words = nlohmann::json::array();
    for (const WordTiming& w : got->words)
      words.push_back({{"word", w.word}, {"start_ms", w.start_ms}, {"end_ms", w.end_ms}});
    std::printf("%s\n", write_json({{"output", options.output},
                                    {"rate_hz", got->rate_hz},
                                    {"seconds", seconds},
                                    {"words", words}})
                            .c_str());
    return kExitOk;
  }
  if (options.times) {
    for (const WordTiming& w : got->words)
      std::printf("%.0f\t%.0f\t%s\n", w.start_ms, w.end_ms, w.word.c_str());
  } else {
    std::printf("%s: %.2f s at %d Hz\n", options.output.c_str(), seconds, got->rate_hz);
  }
  return kExitOk;
}

}  // namespace

void add_synthesize(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("synthesize", "A text to speech");
  auto* text = sub->add_option("text", options->text, "What to say; - is stdin");
  auto* file = sub->add_option("--file", options->file, "Text file to say")->excludes(text);
  (void)file;
  sub->add_option("-o,--output", options->output, "WAV file; - is stdout")->required();
  sub->add_option("--voice", options->synthesis.voice,
                  "As `antiphon models` lists them; default: the first");
  sub->add_option("--speed", options->synthesis.speed, "2 speaks twice as fast")
      ->check(CLI::Range(0.5, 2.0));
  sub->add_flag("--ssml", options->synthesis.ssml, "The text is SSML");
  sub->add_flag("--times", options->times, "Print the times of words");
  sub->add_flag("--json", options->json, "For programs");
  options->models.add_to(*sub);
  sub->footer("Example:\n  antiphon synthesize \"Your coffee is ready.\" -o ready.wav");
  sub->callback([&chosen, options] {
    if (options->text.empty() && options->file.empty())
      throw CLI::RequiredError("synthesize: text or --file");
    chosen = [options] { return run(*options); };
  });
}

}  // namespace antiphon::cli
