// antiphon::Assistant in a C++ program: it says a question, hears it, understands it and answers.
//
//   one_turn [TEXT] [MODELS_DIR] [ASSISTANT.toml]     writes question.raw and answer.raw (mono f32)
#include <cstdio>
#include <string>
#include <vector>

#include "antiphon/assistant.h"

namespace {

int fail(const char* step, const antiphon::Status& status) {
  std::fprintf(stderr, "one_turn: %s: %s\n", step, status.to_string().c_str());
  return 1;
}

void write_raw(const char* path, const antiphon::SpokenAudio& audio) {
  std::FILE* file = std::fopen(path, "wb");
  if (!file) return;
  std::fwrite(audio.samples.data(), sizeof(float), audio.samples.size(), file);
  std::fclose(file);
  std::printf("%s: ffplay -f f32le -ar %d -ac 1 %s\n", path, audio.rate_hz, path);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string text = argc > 1 ? argv[1] : "Can I get a large latte, please?";
  antiphon::AssistantConfig config;
  config.models_dir = argc > 2 ? argv[2] : MODELS_DIR;
  config.assistant_path = argc > 3 ? argv[3] : config.models_dir + "/assistants/coffee.toml";

  // Loads the packs and builds their plans: some seconds, once. Every later call is thread-safe.
  const auto assistant = antiphon::Assistant::create(config);
  if (!assistant.ok()) return fail("create", assistant.status());

  const auto question = (*assistant)->synthesize(text);
  if (!question.ok()) return fail("synthesize", question.status());
  write_raw("question.raw", *question);

  const auto heard = (*assistant)->transcribe(question->samples, question->rate_hz);
  if (!heard.ok()) return fail("transcribe", heard.status());
  for (const antiphon::Transcript& utterance : *heard)
    std::printf("heard: %s\n", utterance.text.c_str());

  const auto meant = (*assistant)->understand(text);
  if (!meant.ok()) return fail("understand", meant.status());
  std::printf("intent: %s\n", meant->in_scope ? meant->intent.c_str() : "(none)");
  for (const antiphon::Slot& slot : meant->slots)
    std::printf("  %s = %s\n", slot.name.c_str(), slot.value.c_str());

  // All of it as one turn: the way a conversation goes.
  const auto turn = (*assistant)->ask(question->samples, question->rate_hz);
  if (!turn.ok()) return fail("ask", turn.status());
  std::printf("reply: %s\n", turn->reply.text.c_str());
  std::printf("first audio after %.0f ms\n", turn->latency.total_ms);
  write_raw("answer.raw", turn->answer);
  return 0;
}
