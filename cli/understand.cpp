// antiphon understand: a text to intent, slots and answer.
#include "cli/audio_file.h"
#include "cli/command.h"

namespace antiphon::cli {
namespace {

struct Options {
  ModelOptions models;
  std::string text, context_path;
  bool json = false;
};

int run(const Options& options) {
  std::string text = options.text, context;
  if (text == "-") {
    auto read = read_text("-");
    if (!read.ok()) return fail(read.status());
    text = std::move(read).value();
  }
  if (!options.context_path.empty()) {
    auto read = read_text(options.context_path);
    if (!read.ok()) return fail(read.status());
    context = std::move(read).value();
  }
  const auto assistant = Assistant::create(options.models.config(Stage::kUnderstand));
  if (!assistant.ok()) return fail(assistant.status());
  const auto got = (*assistant)->understand(text, context);
  if (!got.ok()) return fail(got.status());
  if (options.json) {
    std::printf("%s\n", write_json(understanding_object(*got)).c_str());
    return kExitOk;
  }
  std::printf("intent      %s\nconfidence  %.2f\n",
              got->intent.empty() ? "(none)" : got->intent.c_str(),
              static_cast<double>(got->confidence));
  for (const Slot& slot : got->slots)
    std::printf("slot        %s = %s  (\"%s\")\n", slot.name.c_str(), slot.value.c_str(),
                slot.text.c_str());
  if (!got->answer.empty()) std::printf("answer      %s\n", got->answer.c_str());
  return kExitOk;
}

}  // namespace

void add_understand(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("understand", "A text to intent, slots and answer");
  sub->add_option("text", options->text, "What was said; - is stdin")->required();
  sub->add_option("--context", options->context_path, "Text file that questions are answered from");
  sub->add_flag("--json", options->json, "For programs");
  options->models.add_to(*sub);
  sub->footer(
      "Example:\n  antiphon understand \"two large lattes, please\" "
      "--assistant models/assistants/coffee.toml");
  sub->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
}

}  // namespace antiphon::cli
