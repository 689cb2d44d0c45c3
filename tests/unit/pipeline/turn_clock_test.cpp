// Arrival times of audio and the stations of a turn.
#include "pipeline/turn_clock.h"

#include <gtest/gtest.h>

namespace antiphon {
namespace {

constexpr std::int64_t kMs = 1000000;

TEST(ArrivalLog, FindsThePieceThatHoldsATime) {
  ArrivalLog log;
  log.add(1600, 100 * kMs);
  log.add(1600, 200 * kMs);
  EXPECT_EQ(log.arrival_ns(50), 100 * kMs);
  EXPECT_EQ(log.arrival_ns(100), 100 * kMs);
  EXPECT_EQ(log.arrival_ns(101), 200 * kMs);
  EXPECT_EQ(log.arrival_ns(999), 200 * kMs);
  EXPECT_EQ(log.heard_ns(150), 150 * kMs);
  EXPECT_EQ(log.total_ms(), 200);
}

TEST(ArrivalLog, ForgetsTheOldestPieces) {
  ArrivalLog log;
  for (int i = 1; i <= 5000; ++i) log.add(16, i * kMs);
  EXPECT_EQ(log.arrival_ns(5000), 5000 * kMs);
  EXPECT_EQ(log.arrival_ns(0), 905 * kMs);  // the oldest of 4096 that it keeps
}

TEST(ArrivalLog, EmptyGivesZero) { EXPECT_EQ(ArrivalLog().arrival_ns(10), 0); }

TEST(TurnClock, SplitsATurnByStage) {
  TurnClock clock;
  clock.start(1000 * kMs, 500);
  clock.final_at(1020 * kMs);
  clock.reply_at(1030 * kMs);
  clock.audio_at(1100 * kMs);
  clock.audio_at(1200 * kMs);  // only the first counts
  const TurnLatency got = clock.latency();
  EXPECT_DOUBLE_EQ(got.asr_ms, 20);
  EXPECT_DOUBLE_EQ(got.nlu_ms, 10);
  EXPECT_DOUBLE_EQ(got.tts_ms, 70);
  EXPECT_DOUBLE_EQ(got.total_ms, 100);
  EXPECT_DOUBLE_EQ(got.endpoint_ms, 500);
  EXPECT_DOUBLE_EQ(got.heard_ms, 600);
}

}  // namespace
}  // namespace antiphon
