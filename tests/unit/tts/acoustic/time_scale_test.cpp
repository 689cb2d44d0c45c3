// Resampling of mel frames in time.
#include "tts/acoustic/time_scale.h"

#include <gtest/gtest.h>

namespace antiphon::tts {
namespace {

std::vector<float> scaled(const std::vector<float>& mel, float speed, std::size_t piece) {
  TimeScale scale(1);
  scale.begin(speed);
  std::vector<float> out;
  for (std::size_t at = 0; at < mel.size(); at += piece) {
    std::vector<float> part(
        mel.begin() + static_cast<std::ptrdiff_t>(at),
        mel.begin() + static_cast<std::ptrdiff_t>(std::min(at + piece, mel.size())));
    scale.push(part, at + piece >= mel.size(), out);
    EXPECT_TRUE(part.empty());
  }
  return out;
}

TEST(TimeScale, KeepsFramesAtSpeedOne) {
  const std::vector<float> mel = {1, 5, 2, 8, 3};
  for (const std::size_t piece : {1u, 2u, 5u}) EXPECT_EQ(scaled(mel, 1.0f, piece), mel);
}

TEST(TimeScale, DoublesAndHalves) {
  EXPECT_EQ(scaled({0, 1, 2, 3, 4, 5}, 2.0f, 1), (std::vector<float>{0, 2, 4}));
  EXPECT_EQ(scaled({0, 1, 2}, 0.5f, 2), (std::vector<float>{0, 0.5f, 1, 1.5f, 2, 2}));
}

TEST(TimeScale, PiecesMakeNoDifference) {
  std::vector<float> mel(101);
  for (std::size_t i = 0; i < mel.size(); ++i) mel[i] = static_cast<float>(i % 17);
  for (const float speed : {0.5f, 0.8f, 1.1f, 1.37f, 2.0f}) {
    const auto whole = scaled(mel, speed, 1000);
    for (const std::size_t piece : {1u, 7u, 24u})
      EXPECT_EQ(scaled(mel, speed, piece), whole) << speed;
    EXPECT_NEAR(static_cast<double>(whole.size()), 101 / speed, 1.5);
  }
}

}  // namespace
}  // namespace antiphon::tts
