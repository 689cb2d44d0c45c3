// Options, errors and JSON that the sub-commands share.
#include "cli/command.h"

#include "antiphon/event_json.h"

namespace antiphon::cli {

void ModelOptions::add_to(CLI::App& app) {
  app.add_option("--models", models_dir, "Folder of the model packs")->capture_default_str();
  app.add_option("--assistant", assistant_path, "assistant.toml: your own intents");
  app.add_option("--precision", precision, "Of the weights")
      ->check(CLI::IsMember({"int8", "f32"}))
      ->capture_default_str();
  app.add_option("--threads", threads, "Of the models; 0: one a core, at most 2")
      ->check(CLI::Range(0, 256));
  app.add_option("--plans", plan_dir, "Folder that keeps built plans between starts");
  app.add_option("--max-isa", max_isa, "Highest SIMD path: portable, avx2, avx512_vnni")
      ->envname("ANTIPHON_MAX_ISA");
}

AssistantConfig ModelOptions::config(Stage stage) const {
  AssistantConfig out;
  out.recognize = stage == Stage::kAll || stage == Stage::kRecognize;
  out.understand = stage == Stage::kAll || stage == Stage::kUnderstand;
  out.synthesize = stage == Stage::kAll || stage == Stage::kSynthesize;
  out.models_dir = models_dir;
  out.assistant_path = assistant_path;
  out.f32 = precision == "f32";
  out.threads = threads;
  out.plan_dir = plan_dir;
  out.max_isa = max_isa;
  return out;
}

int fail(const Status& status) {
  std::fprintf(stderr, "antiphon: %s\n", status.message().c_str());
  return status.code() == StatusCode::kInvalidArgument ? kExitBadUse : kExitFailure;
}

std::string write_json(const nlohmann::json& value, int indent) {
  return value.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

namespace {

nlohmann::json without_envelope(const std::string& message) {
  nlohmann::json out = nlohmann::json::parse(message);
  out.erase("type");
  out.erase("turn");
  return out;
}

}  // namespace

nlohmann::json latency_json(const TurnLatency& latency) {
  TurnEnd end;
  end.latency = latency;
  return nlohmann::json::parse(turn_end_json(end))["latency_ms"];
}

nlohmann::json understanding_object(const Understanding& understanding) {
  return without_envelope(understanding_json(understanding));
}

nlohmann::json transcript_object(const Transcript& transcript) {
  return without_envelope(final_json(transcript));
}

}  // namespace antiphon::cli
