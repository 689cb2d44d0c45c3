// The data path on a fake clock: turns, barge-in, cancel, text, latency.
#include "pipeline/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/session_rig.h"

namespace antiphon {
namespace {

using test::SessionRig;
using testing::ElementsAre;
using Lines = std::vector<std::string>;

SessionConfig push_to_talk() {
  SessionConfig config;
  config.recognizer.endpointing = false;
  return config;
}

const Lines kWholeTurn = {"speech_start 1",      "partial 1 two large lattes",
                          "speech_end 1",        "final 1 heard two large lattes",
                          "understanding 1 two", "reply 1 You said two large lattes.",
                          "audio 1 2205",        "audio 1 2205",
                          "audio 1 2205",        "turn_end 1 done"};

TEST(Session, TakesAudioToAudio) {
  SessionRig rig;
  rig.hear(300, 0.5f);
  rig.hear(600, 0);
  EXPECT_EQ(rig.take(), kWholeTurn);
  EXPECT_FALSE(rig.session->busy());
  EXPECT_EQ(rig.synthesizer.num_open, 0);
  ASSERT_EQ(rig.log.ends.size(), 1u);
  EXPECT_EQ(rig.log.ends[0].reply_samples, 3 * 2205);
}

TEST(Session, UnderstandsWhatIsSaidAndSendsWhatIsWritten) {
  SessionRig rig;
  rig.recognizer.text = "twenty lattes";
  rig.recognizer.written = "20 lattes.";
  rig.hear(300, 0.5f);
  rig.hear(600, 0);
  const Lines got = rig.take();
  EXPECT_THAT(got, testing::Contains("final 1 heard 20 lattes."));
  EXPECT_THAT(got, testing::Contains("understanding 1 twenty"));
}

TEST(Session, ClockStartsAtTheChunkThatDecidesTheEndpoint) {
  SessionConfig config;
  config.recognizer.min_silence_ms = 500;
  SessionRig rig(config);
  rig.hear(300, 0.5f);
  rig.hear(500, 0);
  const TurnLatency got = rig.log.ends.at(0).latency;
  // One lane task each of 10 ms: recognise; understand and answer; synthesise.
  EXPECT_NEAR(got.asr_ms, 10, 0.01);
  EXPECT_NEAR(got.nlu_ms, 20, 0.01);
  EXPECT_NEAR(got.tts_ms, 10, 0.01);
  EXPECT_NEAR(got.total_ms, 40, 0.01);
  // 500 ms of silence came in five chunks, each 100 ms + 10 ms on the lane after the one before.
  EXPECT_NEAR(got.endpoint_ms, 550, 0.5);
  EXPECT_NEAR(got.heard_ms, got.endpoint_ms + got.total_ms, 0.01);
  EXPECT_FALSE(rig.log.ends[0].late);
}

TEST(Session, ClockStartsAtEnd) {
  SessionRig rig(push_to_talk());
  rig.hear(300, 0.5f);
  rig.clock.advance_ms(70);
  rig.session->end();
  rig.settle();
  EXPECT_EQ(rig.take(), kWholeTurn);
  EXPECT_NEAR(rig.log.ends.at(0).latency.total_ms, 40, 0.01);
  EXPECT_NEAR(rig.log.ends.at(0).latency.endpoint_ms, 80, 0.5);  // 10 ms of lane and 70
}

TEST(Session, LateTurnsAreMarked) {
  SessionConfig config;
  config.deadline_ms = 35;
  SessionRig rig(config);
  rig.hear(300, 0.5f);
  rig.hear(500, 0);
  EXPECT_TRUE(rig.log.ends.at(0).late);
}

TEST(Session, SpeechDuringTheReplyInterruptsIt) {
  SessionRig rig;
  rig.synthesizer.num_chunks = 1000;
  rig.log.room = false;  // the reply stops after its first chunk
  rig.hear(300, 0.5f);
  rig.hear(500, 0);
  EXPECT_EQ(rig.take().back(), "audio 1 2205");
  EXPECT_TRUE(rig.session->busy());
  rig.hear(100, 0.5f);
  EXPECT_THAT(rig.take(), ElementsAre("turn_end 1 interrupted", "speech_start 2",
                                      "partial 2 two large lattes"));
  EXPECT_EQ(rig.synthesizer.num_open, 0);
  rig.session->resume_reply();  // of a turn that is gone
  rig.settle();
  EXPECT_TRUE(rig.take().empty());
}

TEST(Session, QueuedWorkOfAnInterruptedTurnDoesNotRun) {
  SessionRig rig;
  rig.hear(300, 0.5f);
  rig.nlu_lane.full = false;
  rig.session->text("one");
  ASSERT_EQ(rig.nlu_lane.tasks.size(), 1u);
  rig.session->text("two");
  rig.settle();
  EXPECT_EQ(rig.understander.num_calls, 1);
  EXPECT_EQ(rig.log.ends.at(0).reason, TurnEndReason::kInterrupted);
  EXPECT_EQ(rig.log.ends.at(1).reason, TurnEndReason::kInterrupted);
  EXPECT_EQ(rig.log.ends.at(2).reason, TurnEndReason::kDone);
}

TEST(Session, ResultsThatComeBackLateAreDropped) {
  SessionRig rig;
  rig.session->text("one");
  rig.nlu_lane.run_one();  // understood; its result waits on the strand
  EXPECT_TRUE(rig.session->cancel(1));
  rig.settle();
  EXPECT_THAT(rig.take(), ElementsAre("final 1 typed one", "turn_end 1 cancelled"));
}

TEST(Session, TextTurnInterruptsHearingAndDropsItsAudio) {
  SessionRig rig;
  rig.hear(300, 0.5f);
  rig.take();
  rig.session->text("hello there");
  rig.settle();
  const Lines got = rig.take();
  EXPECT_EQ(got[0], "final 1 none");
  EXPECT_EQ(got[1], "turn_end 1 interrupted");
  EXPECT_EQ(got[2], "final 2 typed hello there");
  EXPECT_EQ(got.back(), "turn_end 2 done");
  rig.hear(700, 0);  // the speech before the text does not come back
  EXPECT_TRUE(rig.take().empty());
}

TEST(Session, SpeakOnlySpeaks) {
  SessionRig rig;
  rig.synthesizer.num_chunks = 1;
  rig.session->speak("Good morning.");
  rig.settle();
  EXPECT_THAT(rig.take(), ElementsAre("final 1 none", "reply 1 Good morning.", "audio 1 2205",
                                      "turn_end 1 done"));
  EXPECT_NEAR(rig.log.ends[0].latency.total_ms, 10, 0.01);
}

TEST(Session, CancelWhileHearingForgetsTheSpeech) {
  SessionRig rig;
  rig.hear(300, 0.5f);
  rig.take();
  EXPECT_TRUE(rig.session->cancel(1));
  rig.settle();
  EXPECT_THAT(rig.take(), ElementsAre("final 1 none", "turn_end 1 cancelled"));
  rig.hear(700, 0);
  EXPECT_TRUE(rig.take().empty());
  rig.hear(100, 0.5f);
  EXPECT_EQ(rig.take().at(0), "speech_start 2");
}

TEST(Session, CancelOfAnotherTurn) {
  SessionRig rig;
  rig.session->text("one");
  rig.settle();
  rig.session->text("two");
  EXPECT_TRUE(rig.session->cancel(1));   // over: nothing to do
  EXPECT_FALSE(rig.session->cancel(7));  // never was
  rig.settle();
  EXPECT_EQ(rig.log.ends.back().reason, TurnEndReason::kDone);
}

TEST(Session, SilenceIsAnAnswer) {
  SessionRig rig(push_to_talk());
  rig.hear(500, 0);
  rig.session->end();
  rig.settle();
  EXPECT_THAT(rig.take(), ElementsAre("final 1 heard ", "turn_end 1 no_speech"));
}

TEST(Session, SilenceUnderEndpointingOpensNoTurn) {
  SessionRig rig;
  rig.hear(3000, 0);
  EXPECT_TRUE(rig.take().empty());
  EXPECT_FALSE(rig.session->busy());
}

TEST(Session, EndTwiceIsOneTurn) {
  SessionRig rig(push_to_talk());
  rig.hear(300, 0.5f);
  rig.session->end();
  rig.session->end();
  rig.settle();
  EXPECT_EQ(rig.take(), kWholeTurn);
}

TEST(Session, EndAfterTheServerEndedTheTurnChangesNothing) {
  SessionRig rig;
  rig.hear(300, 0.5f);
  rig.clock.advance_ms(500);
  rig.session->push_audio(std::vector<float>(8000, 0.0f));
  rig.session->end();
  rig.settle();
  EXPECT_EQ(rig.take(), kWholeTurn);
}

TEST(Session, AudioAfterEndBeginsTheNextTurn) {
  SessionRig rig(push_to_talk());
  rig.hear(300, 0.5f);
  rig.take();
  rig.session->end();
  rig.session->push_audio(std::vector<float>(1600, 0.5f));  // before the final is there
  EXPECT_GT(rig.session->audio_waiting_ms(), 99);
  rig.settle();
  const Lines got = rig.take();
  EXPECT_EQ(got[1], "final 1 heard two large lattes");
  EXPECT_THAT(got, testing::Contains("speech_start 2"));
  EXPECT_EQ(rig.session->audio_waiting_ms(), 0);
}

TEST(Session, RepliesAsTextOrNotAtAll) {
  SessionConfig config;
  config.reply = ReplyMode::kText;
  SessionRig text(config);
  text.session->text("hi");
  text.settle();
  EXPECT_THAT(text.take(), ElementsAre("final 1 typed hi", "understanding 1 hi",
                                       "reply 1 You said hi.", "turn_end 1 done"));
  config.reply = ReplyMode::kNone;
  SessionRig none(config);
  none.session->text("hi");
  none.settle();
  EXPECT_THAT(none.take(),
              ElementsAre("final 1 typed hi", "understanding 1 hi", "turn_end 1 done"));
}

TEST(Session, ReplyWaitsForRoom) {
  SessionRig rig;
  rig.log.room = false;
  rig.session->speak("A long text.");
  rig.settle();
  EXPECT_EQ(rig.take().back(), "audio 1 2205");
  rig.log.room = true;
  rig.session->resume_reply();
  rig.settle();
  EXPECT_THAT(rig.take(), ElementsAre("audio 1 2205", "audio 1 2205", "turn_end 1 done"));
}

TEST(Session, DialogueStateLivesAcrossTurns) {
  SessionRig rig;
  for (const char* text : {"one", "two", "three"}) {
    rig.session->text(text);
    rig.settle();
  }
  EXPECT_EQ(rig.log.ends.size(), 3u);
  EXPECT_EQ(rig.log.ends[2].ref.turn, 3u);
}

TEST(Session, NothingComesAfterClose) {
  SessionRig rig;
  rig.hear(300, 0.5f);
  rig.session->push_audio(std::vector<float>(1600, 0.5f));  // the lane has the stream
  rig.take();
  rig.session->close();
  rig.session->push_audio(std::vector<float>(1600, 0.5f));
  rig.session->text("hello");
  rig.session.reset();
  EXPECT_EQ(rig.recognizer.num_open, 1);
  rig.settle();
  EXPECT_EQ(rig.recognizer.num_open, 0);
  EXPECT_TRUE(rig.take().empty());
}

}  // namespace
}  // namespace antiphon
