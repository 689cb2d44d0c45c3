// Where turns begin and end.
#include "asr/endpointer.h"

#include <gtest/gtest.h>

namespace antiphon::asr {
namespace {

TEST(Endpointer, SpeechBeginsAfterTwoVoicedChunksAndEndsAfterSilence) {
  Endpointer e({.min_silence_ms = 96});
  EXPECT_EQ(e.push(0.1f), EndpointEvent::kNone);
  EXPECT_EQ(e.push(0.9f), EndpointEvent::kNone);
  EXPECT_EQ(e.push(0.1f), EndpointEvent::kNone);  // one chunk alone is a click
  EXPECT_EQ(e.push(0.9f), EndpointEvent::kNone);
  EXPECT_EQ(e.push(0.9f), EndpointEvent::kSpeechStart);
  EXPECT_DOUBLE_EQ(e.begin_ms(), 96);
  EXPECT_EQ(e.push(0.4f), EndpointEvent::kNone);  // still above end_below
  EXPECT_EQ(e.push(0.1f), EndpointEvent::kNone);
  EXPECT_EQ(e.push(0.1f), EndpointEvent::kNone);
  EXPECT_EQ(e.push(0.1f), EndpointEvent::kSpeechEnd);
  EXPECT_DOUBLE_EQ(e.voiced_end_ms(), 192);
}

TEST(Endpointer, LongTurnsAreEndedByForce) {
  Endpointer e({.max_turn_ms = 160});
  int chunks = 0;
  EndpointEvent last = EndpointEvent::kNone;
  while (last != EndpointEvent::kSpeechEnd && chunks < 100) last = e.push(1.0f), ++chunks;
  EXPECT_EQ(chunks, 5);
}

TEST(Endpointer, SilenceAloneIsReportedOnlyWhenAsked) {
  Endpointer patient({});
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(patient.push(0.0f), EndpointEvent::kNone);
  Endpointer asked({.no_speech_ms = 64});
  EXPECT_EQ(asked.push(0.0f), EndpointEvent::kNone);
  EXPECT_EQ(asked.push(0.0f), EndpointEvent::kNoSpeech);
}

}  // namespace
}  // namespace antiphon::asr
