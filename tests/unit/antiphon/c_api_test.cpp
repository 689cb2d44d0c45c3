// The C ABI over fake stages: what it gives, what it refuses, and a streaming conversation.
#include "antiphon/c_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <future>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>

#include "antiphon/c_handles.h"
#include "tests/support/fake_stages.h"

namespace antiphon {
namespace {

using nlohmann::json;
using testing::HasSubstr;

struct Events {
  static void take(void* user, const char* text, const float*, std::size_t num_samples) {
    auto* self = static_cast<Events*>(user);
    std::lock_guard lock(self->mutex);
    if (!text) {
      self->num_samples += num_samples;
      return;
    }
    self->messages.push_back(json::parse(text));
    if (self->messages.back()["type"] == "turn_end") self->ended.set_value();
  }
  std::vector<std::string> types() {
    std::lock_guard lock(mutex);
    std::vector<std::string> out;
    for (const json& m : messages) out.push_back(m["type"]);
    return out;
  }
  std::mutex mutex;
  std::vector<json> messages;
  std::size_t num_samples = 0;
  std::promise<void> ended;
};

struct CApi : testing::Test {
  CApi() {
    AssistantStages stages;
    stages.recognizer.reset(recognizer = new test::FakeRecognizer);
    stages.understander = std::make_unique<test::FakeUnderstander>();
    stages.dialog = std::make_unique<test::FakeDialog>();
    stages.synthesizer.reset(synthesizer = new test::FakeSynthesizer);
    handle.assistant = Assistant::with_stages(std::move(stages));
  }
  // Opens, gives the audio of a question, ends the turn and waits for its end.
  void converse(const antiphon_conversation_options& options, Events& events) {
    antiphon_conversation* conversation = antiphon_open(&handle, &options, Events::take, &events);
    ASSERT_NE(conversation, nullptr) << antiphon_last_error();
    antiphon_push(conversation, speech.data(), speech.size());
    antiphon_end(conversation);
    ASSERT_EQ(events.ended.get_future().wait_for(std::chrono::seconds(10)),
              std::future_status::ready);
    antiphon_close(conversation);
  }
  test::FakeRecognizer* recognizer = nullptr;
  test::FakeSynthesizer* synthesizer = nullptr;
  antiphon_assistant handle;
  const std::vector<float> speech = std::vector<float>(8000, 0.5f);
};

antiphon_conversation_options conversation_options() {
  antiphon_conversation_options out{};
  out.struct_bytes = sizeof(out);
  return out;
}

TEST_F(CApi, OneShotCalls) {
  char* text = nullptr;
  float* audio = nullptr;
  std::size_t num_samples = 0;
  std::int32_t rate_hz = 0;
  ASSERT_EQ(antiphon_transcribe(&handle, speech.data(), speech.size(), 16000, &text), 0);
  EXPECT_EQ(json::parse(text)[0]["text"], "two large lattes");
  antiphon_free(text);
  ASSERT_EQ(antiphon_understand(&handle, "order coffee", "It opens at nine.", &text), 0);
  EXPECT_EQ(json::parse(text)["answer"], "It opens at nine.");
  antiphon_free(text);
  ASSERT_EQ(antiphon_synthesize(&handle, "hello", &audio, &num_samples, &rate_hz), 0);
  EXPECT_EQ(num_samples, 3u * 2205);
  EXPECT_EQ(rate_hz, antiphon_reply_rate_hz(&handle));
  antiphon_free(audio);
  ASSERT_EQ(antiphon_ask(&handle, speech.data(), speech.size(), 16000, &text, &audio, &num_samples,
                         &rate_hz),
            0);
  const json turn = json::parse(text);
  EXPECT_EQ(turn[2]["text"], "You said two large lattes.");
  EXPECT_EQ(turn[3]["reply_samples"], num_samples);
  antiphon_free(text);
  antiphon_free(audio);
}

TEST_F(CApi, Voices) {
  char* text = nullptr;
  ASSERT_EQ(antiphon_voices(&handle, &text), 0);
  EXPECT_STREQ(text, R"(["fake","loud"])");
  antiphon_free(text);
  float* audio = nullptr;
  std::size_t num_samples = 0;
  std::int32_t rate_hz = 0;
  antiphon_speech_options options{};
  options.struct_bytes = sizeof(options);
  const auto speak = [&] {
    return antiphon_synthesize_with(&handle, "hello", &options, &audio, &num_samples, &rate_hz);
  };
  for (const auto& [voice, peak] : {std::pair<const char*, double>{nullptr, 0.25}, {"loud", 0.5}}) {
    options.voice = voice;
    ASSERT_EQ(speak(), 0) << antiphon_last_error();
    EXPECT_NEAR(*std::max_element(audio, audio + num_samples), peak, 0.01);
    antiphon_free(audio);
  }
  options.voice = "nobody";
  EXPECT_NE(speak(), 0);
  EXPECT_THAT(antiphon_last_error(), HasSubstr("wanted \"fake\", \"loud\", got \"nobody\""));
  options.struct_bytes = 8;
  EXPECT_NE(speak(), 0);
  EXPECT_THAT(antiphon_last_error(), HasSubstr("sizeof(antiphon_speech_options)"));
  antiphon_conversation_options conversation = conversation_options();
  conversation.voice = "nobody";
  EXPECT_EQ(antiphon_open(&handle, &conversation, Events::take, nullptr), nullptr);
  EXPECT_THAT(antiphon_last_error(), HasSubstr("got \"nobody\""));
}

TEST_F(CApi, FinalsAreWrittenAndSpoken) {
  recognizer->written = "2 large lattes.";
  Events events;
  antiphon_conversation_options options = conversation_options();
  options.push_to_talk = options.no_partials = 1;
  converse(options, events);
  char* text = nullptr;
  ASSERT_EQ(antiphon_transcribe(&handle, speech.data(), speech.size(), 16000, &text), 0);
  const json one_shot = json::parse(text)[0];
  antiphon_free(text);
  std::lock_guard lock(events.mutex);
  for (const json& heard : {events.messages[2], one_shot}) {
    EXPECT_EQ(heard["type"], "final");
    EXPECT_EQ(heard["text"], "2 large lattes.");
    EXPECT_EQ(heard["spoken"], "two large lattes");
  }
}

TEST_F(CApi, Resamples) {
  float* audio = nullptr;
  std::size_t num_samples = 0;
  ASSERT_EQ(antiphon_resample(speech.data(), 8000, 8000, 16000, &audio, &num_samples), 0);
  EXPECT_NEAR(static_cast<double>(num_samples), 16000, 2);
  EXPECT_NEAR(audio[8000], 0.5f, 1e-3);
  antiphon_free(audio);
  EXPECT_NE(antiphon_resample(speech.data(), 8000, 7, 16000, &audio, &num_samples), 0);
  EXPECT_THAT(antiphon_last_error(), HasSubstr("7 Hz"));
}

TEST_F(CApi, StreamsAConversation) {
  Events events;
  antiphon_conversation_options options = conversation_options();
  options.push_to_talk = 1;
  converse(options, events);
  EXPECT_THAT(events.types(), testing::ElementsAre("speech_start", "partial", "speech_end", "final",
                                                   "understanding", "reply", "turn_end"));
  EXPECT_EQ(events.num_samples, 3u * 2205);
  handle.assistant->wait_idle();
  EXPECT_EQ(recognizer->num_open, 0);
}

TEST_F(CApi, OptionsReachTheSession) {
  Events events;
  const antiphon_hotword word = {"latte", 0};
  antiphon_conversation_options options = conversation_options();
  options.push_to_talk = options.no_partials = 1;
  options.reply = ANTIPHON_REPLY_TEXT;
  options.context = "It opens at nine.";
  options.hotwords = &word;
  options.num_hotwords = 1;
  converse(options, events);
  EXPECT_THAT(events.types(), testing::Not(testing::Contains("partial")));
  EXPECT_EQ(events.num_samples, 0u);
  EXPECT_EQ(events.messages[3]["answer"], "It opens at nine.");
}

TEST_F(CApi, TypedAndSpokenTurns) {
  Events events;
  antiphon_conversation* conversation = antiphon_open(&handle, nullptr, Events::take, &events);
  ASSERT_NE(conversation, nullptr);
  antiphon_text(conversation, "order coffee");
  events.ended.get_future().wait();
  events.ended = std::promise<void>();
  antiphon_speak(conversation, "Good morning.");
  events.ended.get_future().wait();
  antiphon_close(conversation);
  EXPECT_THAT(events.types(), testing::ElementsAre("final", "understanding", "reply", "turn_end",
                                                   "reply", "turn_end"));
}

TEST_F(CApi, RefusesWrongConversationOptions) {
  antiphon_conversation_options options = conversation_options();
  options.reply = 3;
  EXPECT_EQ(antiphon_open(&handle, &options, Events::take, nullptr), nullptr);
  EXPECT_THAT(antiphon_last_error(), HasSubstr("reply is 3"));
  options.struct_bytes = 1;
  EXPECT_EQ(antiphon_open(&handle, &options, Events::take, nullptr), nullptr);
  EXPECT_THAT(antiphon_last_error(), HasSubstr("sizeof(antiphon_conversation_options)"));
}

TEST(CApiCreate, RefusesWrongOptions) {
  antiphon_options options{};
  EXPECT_EQ(antiphon_create(&options), nullptr);
  EXPECT_THAT(antiphon_last_error(), HasSubstr("struct_bytes is 0"));
  options.struct_bytes = sizeof(options);
  options.models_dir = "/nowhere";
  EXPECT_EQ(antiphon_create(&options), nullptr);
  EXPECT_THAT(antiphon_last_error(), HasSubstr("/nowhere"));
  EXPECT_EQ(antiphon_abi_version(), 1);
}

// A program built against the first header, whose struct ended before plan_dir.
TEST(CApiCreate, TakesTheOptionsOfAnOlderHeader) {
  constexpr std::size_t kOldBytes = offsetof(antiphon_options, plan_dir);
  antiphon_options whole{};
  whole.struct_bytes = kOldBytes;
  whole.models_dir = "/nowhere";
  std::vector<std::byte> old(kOldBytes);  // reading past it is an error that ASan finds
  std::memcpy(old.data(), &whole, kOldBytes);
  EXPECT_EQ(antiphon_create(reinterpret_cast<const antiphon_options*>(old.data())), nullptr);
  EXPECT_THAT(antiphon_last_error(), HasSubstr("/nowhere"));
}

}  // namespace
}  // namespace antiphon
