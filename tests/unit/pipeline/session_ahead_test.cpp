// Answers that are begun in the pause before a turn's end is decided: kept, given up, never sent
// early.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/session.h"
#include "tests/support/session_rig.h"

namespace antiphon {
namespace {

using test::SessionRig;
using testing::Contains;
using Lines = std::vector<std::string>;

// Hears 300 ms of speech, then `silence_ms`; the pause is told after 200 ms, the end after 480.
void speak(SessionRig& rig, double silence_ms) {
  rig.recognizer.pause_ms = 200;
  rig.hear(300, 0.5f);
  rig.hear(silence_ms, 0);
}

const Lines kAnswer = {"speech_end 1",        "final 1 heard two large lattes",
                       "understanding 1 two", "reply 1 You said two large lattes.",
                       "audio 1 2205",        "audio 1 2205",
                       "audio 1 2205",        "turn_end 1 done"};

TEST(SessionAhead, TheAnswerIsThereWhenTheTurnEnds) {
  SessionRig rig;
  speak(rig, 400);
  EXPECT_EQ(rig.take(), (Lines{"speech_start 1", "partial 1 two large lattes"}));  // nothing more
  EXPECT_EQ(rig.understander.num_calls, 1);
  EXPECT_EQ(rig.dialog.num_calls, 1);
  EXPECT_EQ(rig.synthesizer.num_opened, 1);
  rig.hear(200, 0);
  EXPECT_EQ(rig.take(), kAnswer);
  EXPECT_EQ(rig.understander.num_calls, 1);
  EXPECT_EQ(rig.dialog.num_calls, 1);
  EXPECT_EQ(rig.synthesizer.num_opened, 1);
  const TurnEnd& end = rig.log.ends.at(0);
  EXPECT_TRUE(end.ahead);
  EXPECT_EQ(end.num_in_vain, 0);
  EXPECT_NEAR(end.latency.total_ms, 10, 0.01);  // recognition's last run alone
  EXPECT_EQ(end.reply_samples, 3 * 2205);
}

TEST(SessionAhead, WhatIsStillOnItsWayIsWaitedFor) {
  for (const int steps : {0, 1, 2, 3, 4, 5}) {  // tasks of lanes and strand that ran before the end
    SessionRig rig;
    rig.recognizer.pause_ms = 200;
    rig.hear(300, 0.5f);
    rig.hear(100, 0);
    rig.clock.advance_ms(100);
    rig.session->push_audio(std::vector<float>(1600, 0.0f));
    rig.asr_lane.run_one();
    rig.executor->run_one();
    ASSERT_EQ(rig.nlu_lane.tasks.size(), 1u);
    for (int i = 0; i < steps; ++i)
      if (!rig.executor->run_one() && !rig.nlu_lane.run_one()) rig.tts_lane.run_one();
    rig.session->push_audio(std::vector<float>(8000, 0.0f));
    rig.asr_lane.run_one();
    rig.executor->run_one();
    rig.settle();
    Lines want = {"speech_start 1", "partial 1 two large lattes"};
    want.insert(want.end(), kAnswer.begin(), kAnswer.end());
    EXPECT_EQ(rig.take(), want) << steps;
    EXPECT_EQ(rig.understander.num_calls, 1) << steps;
    EXPECT_EQ(rig.dialog.num_calls, 1) << steps;
    EXPECT_EQ(rig.synthesizer.num_opened, 1) << steps;
    EXPECT_TRUE(rig.log.ends.at(0).ahead);
  }
}

TEST(SessionAhead, AnotherTextGivesItUp) {
  SessionRig rig;
  rig.recognizer.paused_text = "two large";
  speak(rig, 600);
  EXPECT_EQ(rig.understander.num_calls, 2);
  EXPECT_EQ(rig.dialog.misses_before, 0);  // the dialogue never heard of the other one
  Lines got = rig.take();
  got.erase(got.begin(), got.begin() + 2);
  EXPECT_EQ(got, kAnswer);
  EXPECT_FALSE(rig.log.ends.at(0).ahead);
  EXPECT_EQ(rig.log.ends.at(0).num_in_vain, 1);
  EXPECT_EQ(rig.synthesizer.num_open, 0);
}

TEST(SessionAhead, WhoGoesOnSpeakingIsHeardOut) {
  SessionRig rig;
  rig.recognizer.paused_text = "two large";
  speak(rig, 400);
  rig.take();
  rig.recognizer.paused_text.clear();
  rig.hear(300, 0.5f);
  EXPECT_TRUE(rig.take().empty());
  rig.hear(600, 0);
  EXPECT_EQ(rig.take(), kAnswer);
  EXPECT_TRUE(rig.log.ends.at(0).ahead);  // that of the second pause
  EXPECT_EQ(rig.log.ends.at(0).num_in_vain, 1);
  EXPECT_EQ(rig.synthesizer.num_open, 0);
}

TEST(SessionAhead, QueuedWorkOfAnAnswerThatIsGivenUpDoesNotRun) {
  SessionRig rig;
  rig.recognizer.pause_ms = 200;
  rig.hear(300, 0.5f);
  rig.recognizer.paused_text = "two large";
  rig.hear(100, 0);
  rig.session->push_audio(std::vector<float>(1600, 0.0f));
  rig.asr_lane.run_one();
  rig.executor->run_one();
  ASSERT_EQ(rig.nlu_lane.tasks.size(), 1u);
  rig.session->push_audio(std::vector<float>(8000, 0.0f));
  rig.asr_lane.run_one();
  rig.executor->run_one();  // the final says something else
  ASSERT_EQ(rig.nlu_lane.tasks.size(), 2u);
  rig.settle();
  EXPECT_EQ(rig.understander.num_calls, 1);
}

TEST(SessionAhead, DialoguesThatDoMoreThanAnswerWaitForTheEnd) {
  SessionRig rig;
  rig.dialog.answers_only_ = false;
  speak(rig, 400);
  EXPECT_EQ(rig.understander.num_calls, 1);
  EXPECT_EQ(rig.dialog.num_calls, 0);
  rig.hear(200, 0);
  EXPECT_EQ(rig.dialog.num_calls, 1);
  EXPECT_EQ(rig.log.ends.at(0).reason, TurnEndReason::kDone);
}

TEST(SessionAhead, CancelAndCloseLeaveNothingOpen) {
  SessionRig rig;
  speak(rig, 400);
  EXPECT_EQ(rig.synthesizer.num_open, 1);
  EXPECT_TRUE(rig.session->cancel(1));
  rig.settle();
  EXPECT_EQ(rig.synthesizer.num_open, 0);
  EXPECT_EQ(rig.log.ends.at(0).reason, TurnEndReason::kCancelled);
  EXPECT_EQ(rig.log.ends.at(0).num_in_vain, 1);
  speak(rig, 400);
  EXPECT_EQ(rig.synthesizer.num_open, 1);
  rig.session->close();
  EXPECT_EQ(rig.synthesizer.num_open, 0);
}

TEST(SessionAhead, NoRoomForSynthesisIsNoFailureBeforeTheEnd) {
  SessionRig rig;
  rig.synthesizer.max_streams = 0;
  speak(rig, 400);
  EXPECT_THAT(rig.take(), testing::Not(Contains("error 1 exhausted")));
  rig.synthesizer.max_streams = 1;
  rig.hear(200, 0);
  EXPECT_EQ(rig.take(), kAnswer);
}

TEST(SessionAhead, ErrorsComeWhenTheTurnEnds) {
  SessionRig rig;
  rig.understander.fail = true;
  speak(rig, 400);
  EXPECT_EQ(rig.take().size(), 2u);
  rig.hear(200, 0);
  EXPECT_THAT(rig.take(), Contains("error 1 internal"));
  EXPECT_EQ(rig.log.ends.at(0).reason, TurnEndReason::kError);
}

TEST(SessionAhead, OneFlagTurnsItOff) {
  SessionConfig config;
  config.think_ahead = false;
  config.recognizer.min_silence_ms = 500;  // all of the last chunk
  SessionRig rig(config);
  speak(rig, 400);
  EXPECT_EQ(rig.understander.num_calls, 0);
  rig.hear(200, 0);
  EXPECT_FALSE(rig.log.ends.at(0).ahead);
  EXPECT_EQ(rig.log.ends.at(0).num_in_vain, 0);
  EXPECT_NEAR(rig.log.ends.at(0).latency.total_ms, 40, 0.01);
}

}  // namespace
}  // namespace antiphon
