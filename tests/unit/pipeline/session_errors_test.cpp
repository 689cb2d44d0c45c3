// What fails in one stage ends one turn with an error, and the next turn works.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/session.h"
#include "tests/support/session_rig.h"

namespace antiphon {
namespace {

using test::SessionRig;
using testing::ElementsAre;

void expect_works_again(SessionRig& rig) {
  rig.session->text("again");
  rig.settle();
  EXPECT_EQ(rig.log.ends.back().reason, TurnEndReason::kDone);
}

TEST(SessionErrors, Recognition) {
  SessionRig rig;
  rig.hear(200, 0.5f);
  rig.take();
  rig.recognizer.fail = true;
  rig.hear(100, 0.5f);
  EXPECT_THAT(rig.take(), ElementsAre("error 1 internal", "final 1 none", "turn_end 1 error"));
  EXPECT_EQ(rig.log.last_error.message(), "recognition: the acoustic model broke");
  rig.recognizer.fail = false;
  rig.hear(100, 0.5f);
  EXPECT_EQ(rig.take().at(0), "speech_start 2");
}

TEST(SessionErrors, RecogniserRefusesAudio) {
  SessionRig rig;
  rig.recognizer.refuse_audio = true;
  rig.hear(100, 0.5f);
  EXPECT_THAT(rig.take(), ElementsAre("error 1 exhausted", "final 1 none", "turn_end 1 error"));
  expect_works_again(rig);
}

TEST(SessionErrors, Understanding) {
  SessionRig rig;
  rig.understander.fail = true;
  rig.session->text("hi");
  rig.settle();
  EXPECT_THAT(rig.take(), ElementsAre("final 1 typed hi", "error 1 internal", "turn_end 1 error"));
  rig.understander.fail = false;
  expect_works_again(rig);
}

TEST(SessionErrors, Dialogue) {
  SessionRig rig;
  rig.dialog.fail = true;
  rig.session->text("hi");
  rig.settle();
  EXPECT_THAT(rig.take(), ElementsAre("final 1 typed hi", "understanding 1 hi", "error 1 timeout",
                                      "turn_end 1 error"));
  rig.dialog.fail = false;
  expect_works_again(rig);
}

TEST(SessionErrors, SynthesisInTheMiddle) {
  SessionRig rig;
  rig.synthesizer.fail_at_chunk = 1;
  rig.session->speak("hi");
  rig.settle();
  EXPECT_THAT(rig.take(), ElementsAre("final 1 none", "reply 1 hi", "audio 1 2205",
                                      "error 1 internal", "turn_end 1 error"));
  EXPECT_EQ(rig.synthesizer.num_open, 0);
  rig.synthesizer.fail_at_chunk = -1;
  expect_works_again(rig);
}

TEST(SessionErrors, SynthesisRefusesTheText) {
  SessionRig rig;
  rig.session->speak(std::string(20001, 'a'));
  rig.settle();
  EXPECT_EQ(rig.log.last_error.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(rig.log.ends.at(0).reason, TurnEndReason::kError);
}

TEST(SessionErrors, FullLanes) {
  SessionRig rig;
  rig.nlu_lane.full = true;
  rig.session->text("hi");
  EXPECT_THAT(rig.take(), ElementsAre("final 1 typed hi", "error 1 exhausted", "turn_end 1 error"));
  rig.nlu_lane.full = false;
  rig.tts_lane.full = true;
  rig.session->speak("hi");
  EXPECT_EQ(rig.take().back(), "turn_end 2 error");
  rig.tts_lane.full = false;
  rig.asr_lane.full = true;
  rig.session->push_audio(std::vector<float>(1600, 0.5f));
  EXPECT_EQ(rig.take().back(), "turn_end 3 error");
  rig.asr_lane.full = false;
  expect_works_again(rig);
}

TEST(SessionErrors, NoFreeStateSlot) {
  SessionRig rig;
  rig.recognizer.max_streams = 1;
  SessionStages stages{.recognizer = &rig.recognizer};
  const auto second = Session::create({}, stages, rig.executor, rig.log);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), StatusCode::kExhausted);
}

}  // namespace
}  // namespace antiphon
