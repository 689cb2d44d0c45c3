// The C ABI over Assistant: no exception and no C++ object crosses it.
#include "antiphon/c_api.h"

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>

#include "antiphon/c_calls.h"
#include "antiphon/c_handles.h"
#include "antiphon/event_json.h"
#include "antiphon/resampler.h"

namespace {

using namespace antiphon;

using c::give;
using c::guarded;
using c::read_options;
using c::text_of;

Status give(std::span<const float> audio, float** samples, std::size_t* count) {
  *samples = static_cast<float*>(std::malloc(audio.size_bytes() + 1));
  if (!*samples) return exhausted("out of memory");
  if (!audio.empty()) std::memcpy(*samples, audio.data(), audio.size_bytes());
  *count = audio.size();
  return {};
}

Status give(const SpokenAudio& audio, float** samples, std::size_t* count, int32_t* rate_hz) {
  *rate_hz = audio.rate_hz;
  return give(audio.samples, samples, count);
}

Result<SessionConfig> session_config(const antiphon_conversation_options* given) {
  ANTIPHON_ASSIGN_OR_RETURN(
      const antiphon_conversation_options options,
      read_options(given, sizeof(antiphon_conversation_options), "antiphon_conversation_options"));
  SessionConfig out;
  if (options.reply < ANTIPHON_REPLY_AUDIO || options.reply > ANTIPHON_REPLY_NONE)
    return invalid_argument("reply is " + std::to_string(options.reply) +
                            ", wanted ANTIPHON_REPLY_AUDIO, _TEXT or _NONE");
  out.reply = static_cast<ReplyMode>(options.reply);
  out.recognizer.endpointing = options.push_to_talk == 0;
  out.recognizer.partials = options.no_partials == 0;
  out.recognizer.written = options.spoken_text == 0;
  out.context = text_of(options.context);
  out.synthesis.voice = text_of(options.voice);
  for (std::size_t i = 0; i < options.num_hotwords; ++i) {
    HotWord word;
    word.text = text_of(options.hotwords[i].text);
    if (options.hotwords[i].boost != 0) word.boost = options.hotwords[i].boost;
    out.recognizer.hotwords.push_back(std::move(word));
  }
  return out;
}

class CallbackSink final : public SessionSink {
 public:
  CallbackSink(antiphon_event event, void* user) : event_(event), user_(user) {}
  void on_speech_start(TurnRef ref, double at_ms) override {
    json(speech_json(true, ref.turn, at_ms));
  }
  void on_speech_end(TurnRef ref, double at_ms) override {
    json(speech_json(false, ref.turn, at_ms));
  }
  void on_partial(const Transcript& transcript) override { json(partial_json(transcript)); }
  void on_final(const Transcript& transcript, FinalOrigin origin) override {
    if (origin != FinalOrigin::kNone) json(final_json(transcript));
  }
  void on_understanding(const Understanding& u) override { json(understanding_json(u)); }
  void on_reply(const Reply& reply) override { json(reply_json(reply)); }
  bool on_audio(const AudioChunk& chunk) override {
    event_(user_, nullptr, chunk.samples.data(), chunk.samples.size());
    return true;
  }
  void on_error(TurnRef, const Status& status) override { json(error_json(status, false)); }
  void on_turn_end(const TurnEnd& end) override { json(turn_end_json(end)); }

 private:
  void json(const std::string& text) { event_(user_, text.c_str(), nullptr, 0); }
  antiphon_event event_;
  void* user_;
};

}  // namespace

struct antiphon_conversation {
  std::unique_ptr<CallbackSink> sink;
  std::unique_ptr<antiphon::Conversation> conversation;  // goes first
};

extern "C" {

int32_t antiphon_abi_version(void) { return 1; }
const char* antiphon_last_error(void) { return c::last_error().c_str(); }
void antiphon_free(void* memory) { std::free(memory); }

antiphon_assistant* antiphon_create(const antiphon_options* options) {
  antiphon_assistant* out = nullptr;
  guarded([&]() -> Status {
    ANTIPHON_ASSIGN_OR_RETURN(
        const antiphon_options given,
        read_options(options, offsetof(antiphon_options, plan_dir), "antiphon_options"));
    AssistantConfig config;
    if (given.models_dir) config.models_dir = given.models_dir;
    config.assistant_path = text_of(given.assistant_path);
    config.f32 = given.f32 != 0;
    config.threads = given.threads;
    if (given.max_sessions > 0) config.max_sessions = given.max_sessions;
    config.plan_dir = text_of(given.plan_dir);
    config.max_isa = text_of(given.max_isa);
    ANTIPHON_ASSIGN_OR_RETURN(auto assistant, Assistant::create(config));
    out = new antiphon_assistant{std::move(assistant)};
    return {};
  });
  return out;
}

void antiphon_destroy(antiphon_assistant* assistant) { delete assistant; }

int32_t antiphon_transcribe(antiphon_assistant* assistant, const float* samples, size_t num_samples,
                            int32_t rate_hz, char** json) {
  return guarded([&]() -> Status {
    ANTIPHON_ASSIGN_OR_RETURN(const auto finals,
                              assistant->assistant->transcribe({samples, num_samples}, rate_hz));
    std::string out = "[";
    for (const Transcript& final : finals) out += (out.size() > 1 ? "," : "") + final_json(final);
    return give(out + "]", json);
  });
}

int32_t antiphon_understand(antiphon_assistant* assistant, const char* text, const char* context,
                            char** json) {
  return guarded([&]() -> Status {
    ANTIPHON_ASSIGN_OR_RETURN(const Understanding out,
                              assistant->assistant->understand(text, context ? context : ""));
    return give(understanding_json(out), json);
  });
}

int32_t antiphon_synthesize(antiphon_assistant* assistant, const char* text, float** samples,
                            size_t* num_samples, int32_t* rate_hz) {
  return antiphon_synthesize_with(assistant, text, nullptr, samples, num_samples, rate_hz);
}

int32_t antiphon_synthesize_with(antiphon_assistant* assistant, const char* text,
                                 const antiphon_speech_options* options, float** samples,
                                 size_t* num_samples, int32_t* rate_hz) {
  return guarded([&]() -> Status {
    ANTIPHON_ASSIGN_OR_RETURN(
        const antiphon_speech_options given,
        read_options(options, sizeof(antiphon_speech_options), "antiphon_speech_options"));
    SynthesisOptions how;
    how.voice = text_of(given.voice);
    if (given.speed != 0) how.speed = given.speed;
    how.ssml = given.ssml != 0;
    ANTIPHON_ASSIGN_OR_RETURN(const SpokenAudio out, assistant->assistant->synthesize(text, how));
    return give(out, samples, num_samples, rate_hz);
  });
}

int32_t antiphon_voices(antiphon_assistant* assistant, char** json) {
  return guarded([&] { return give(names_json(assistant->assistant->voices()), json); });
}

int32_t antiphon_ask(antiphon_assistant* assistant, const float* samples, size_t num_samples,
                     int32_t rate_hz, char** json, float** answer, size_t* num_answer_samples,
                     int32_t* answer_rate_hz) {
  return guarded([&]() -> Status {
    ANTIPHON_ASSIGN_OR_RETURN(const ConverseResult out,
                              assistant->assistant->ask({samples, num_samples}, rate_hz));
    TurnEnd end;
    end.ref = out.transcript.ref;
    end.reason = out.reason;
    end.latency = out.latency;
    end.reply_samples = static_cast<int64_t>(out.answer.samples.size());
    ANTIPHON_RETURN_IF_ERROR(give("[" + final_json(out.transcript) + "," +
                                      understanding_json(out.understanding) + "," +
                                      reply_json(out.reply) + "," + turn_end_json(end) + "]",
                                  json));
    return give(out.answer, answer, num_answer_samples, answer_rate_hz);
  });
}

int32_t antiphon_resample(const float* samples, size_t num_samples, int32_t from_hz, int32_t to_hz,
                          float** resampled, size_t* num_resampled) {
  return guarded([&]() -> Status {
    ANTIPHON_ASSIGN_OR_RETURN(const auto out, resample({samples, num_samples}, from_hz, to_hz));
    return give(out, resampled, num_resampled);
  });
}

int32_t antiphon_reply_rate_hz(antiphon_assistant* assistant) {
  return assistant->assistant->reply_rate_hz();
}

antiphon_conversation* antiphon_open(antiphon_assistant* assistant,
                                     const antiphon_conversation_options* options,
                                     antiphon_event event, void* user) {
  antiphon_conversation* out = nullptr;
  guarded([&]() -> Status {
    ANTIPHON_ASSIGN_OR_RETURN(const SessionConfig config, session_config(options));
    auto sink = std::make_unique<CallbackSink>(event, user);
    ANTIPHON_ASSIGN_OR_RETURN(auto conversation, assistant->assistant->converse(config, *sink));
    out = new antiphon_conversation{std::move(sink), std::move(conversation)};
    return {};
  });
  return out;
}

void antiphon_push(antiphon_conversation* conversation, const float* samples, size_t num_samples) {
  conversation->conversation->push_audio({samples, samples + num_samples});
}
void antiphon_end(antiphon_conversation* conversation) { conversation->conversation->end(); }
void antiphon_text(antiphon_conversation* conversation, const char* text) {
  conversation->conversation->text(text_of(text));
}
void antiphon_speak(antiphon_conversation* conversation, const char* text) {
  conversation->conversation->speak(text_of(text));
}
void antiphon_cancel(antiphon_conversation* conversation) { conversation->conversation->cancel(); }
void antiphon_close(antiphon_conversation* conversation) { delete conversation; }

}  // extern "C"
