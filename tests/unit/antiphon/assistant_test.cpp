// The façade over fake stages: one-shot calls, and a streaming conversation.
#include "antiphon/assistant.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <thread>

#include "tests/support/fake_stages.h"

namespace antiphon {
namespace {

struct AssistantTest : testing::Test {
  AssistantTest() {
    AssistantStages stages;
    stages.recognizer.reset(recognizer = new test::FakeRecognizer);
    stages.understander.reset(understander = new test::FakeUnderstander);
    stages.dialog.reset(dialog = new test::FakeDialog);
    stages.synthesizer.reset(synthesizer = new test::FakeSynthesizer);
    assistant = Assistant::with_stages(std::move(stages));
  }
  test::FakeRecognizer* recognizer = nullptr;
  test::FakeUnderstander* understander = nullptr;
  test::FakeDialog* dialog = nullptr;
  test::FakeSynthesizer* synthesizer = nullptr;
  std::unique_ptr<Assistant> assistant;
  const std::vector<float> speech = std::vector<float>(8000, 0.5f);
};

TEST_F(AssistantTest, Transcribes) {
  const auto got = assistant->transcribe(speech, 8000);
  ASSERT_TRUE(got.ok());
  ASSERT_EQ(got->size(), 1u);
  EXPECT_EQ((*got)[0].text, "two large lattes");
  EXPECT_NEAR((*got)[0].words[0].end_ms, 1000, 2);
  EXPECT_TRUE(assistant->transcribe(std::vector<float>(8000), 8000)->empty());
  EXPECT_TRUE(assistant->transcribe({}, 8000)->empty());
  EXPECT_FALSE(assistant->transcribe(speech, 7).ok());
  EXPECT_EQ(recognizer->num_open, 0);
}

TEST_F(AssistantTest, LongRecordingsGiveSeveralUtterances) {
  std::vector<float> audio;
  for (int i = 0; i < 4; ++i) {
    audio.insert(audio.end(), 16000, 0.5f);
    audio.insert(audio.end(), 16000, 0.0f);
  }
  std::vector<double> seconds;
  const auto got =
      assistant->transcribe(audio, 16000, {}, [&](double done_s) { seconds.push_back(done_s); });
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->size(), 4u);
  EXPECT_EQ(seconds, (std::vector<double>{1, 2, 3, 4, 5, 6, 7, 8}));
}

TEST_F(AssistantTest, UnderstandsAndSpeaks) {
  EXPECT_EQ(assistant->understand("order coffee")->intent, "order");
  const auto said = assistant->synthesize("hello");
  ASSERT_TRUE(said.ok());
  EXPECT_EQ(said->rate_hz, 22050);
  EXPECT_EQ(said->samples.size(), 3u * 2205);
  EXPECT_EQ(assistant->synthesize(std::string(20001, 'a')).status().code(),
            StatusCode::kInvalidArgument);
}

TEST_F(AssistantTest, AsksOneTurn) {
  const auto got = assistant->ask(speech, 16000);
  ASSERT_TRUE(got.ok()) << got.status().message();
  EXPECT_EQ(got->reason, TurnEndReason::kDone);
  EXPECT_EQ(got->transcript.text, "two large lattes");
  EXPECT_EQ(got->reply.text, "You said two large lattes.");
  EXPECT_EQ(got->answer.samples.size(), 3u * 2205);
  EXPECT_GT(got->latency.total_ms, 0);
  EXPECT_EQ(assistant->ask(std::vector<float>(1600), 16000)->reason, TurnEndReason::kNoSpeech);
}

float peak(const std::vector<float>& samples) {
  return samples.empty() ? 0 : *std::max_element(samples.begin(), samples.end());
}

TEST_F(AssistantTest, VoicesAreChosenOrRefusedBeforeAnythingIsSaid) {
  EXPECT_EQ(assistant->voices(), (std::vector<std::string>{"fake", "loud"}));
  ConverseOptions options;
  EXPECT_NEAR(peak(assistant->ask(speech, 16000, options)->answer.samples), 0.25, 0.01);
  options.synthesis.voice = "loud";
  EXPECT_NEAR(peak(assistant->ask(speech, 16000, options)->answer.samples), 0.5, 0.01);
  EXPECT_NEAR(peak(assistant->synthesize("hello", options.synthesis)->samples), 0.5, 0.01);
  options.synthesis.voice = "nobody";
  const int heard = recognizer->num_advances;
  const Status refused = assistant->ask(speech, 16000, options).status();
  EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(refused.message(), "voice: wanted \"fake\", \"loud\", got \"nobody\"");
  EXPECT_EQ(recognizer->num_advances, heard);
}

TEST(AssistantVoice, IsTheOneOfSessionsThatAskForNone) {
  AssistantStages stages;
  stages.recognizer = std::make_unique<test::FakeRecognizer>();
  stages.understander = std::make_unique<test::FakeUnderstander>();
  stages.dialog = std::make_unique<test::FakeDialog>();
  stages.synthesizer = std::make_unique<test::FakeSynthesizer>();
  stages.voice = "loud";
  const auto assistant = Assistant::with_stages(std::move(stages));
  const std::vector<float> speech(8000, 0.5f);
  ConverseOptions options;
  EXPECT_NEAR(peak(assistant->ask(speech, 16000, options)->answer.samples), 0.5, 0.01);
  options.synthesis.voice = "fake";
  EXPECT_NEAR(peak(assistant->ask(speech, 16000, options)->answer.samples), 0.25, 0.01);
}

TEST_F(AssistantTest, AskTellsErrorsAndTimeOuts) {
  dialog->fail = true;
  EXPECT_EQ(assistant->ask(speech, 16000).status().code(), StatusCode::kTimeout);
  dialog->fail = false;
  synthesizer->num_chunks = 100000;
  synthesizer->on_chunk = [](int) { std::this_thread::sleep_for(std::chrono::milliseconds(5)); };
  ConverseOptions options;
  options.timeout_ms = 50;
  EXPECT_EQ(assistant->ask(speech, 16000, options).status().code(), StatusCode::kTimeout);
  assistant->wait_idle();
  EXPECT_EQ(synthesizer->num_open, 0);
}

TEST_F(AssistantTest, ManyThreadsAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 5; ++k) {
        const auto got = assistant->ask(speech, 16000);
        good += got.ok() && got->reason == TurnEndReason::kDone;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 20);
  EXPECT_EQ(recognizer->num_open, 0);
}

}  // namespace
}  // namespace antiphon
