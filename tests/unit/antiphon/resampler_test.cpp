// Resampling: length, tone, and that cuts do not matter.
#include "antiphon/resampler.h"

#include <gtest/gtest.h>

#include <cmath>

namespace antiphon {
namespace {

std::vector<float> tone(int rate_hz, double seconds, double hz) {
  std::vector<float> out(static_cast<std::size_t>(rate_hz * seconds));
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = 0.5f * static_cast<float>(std::sin(2 * M_PI * hz * static_cast<double>(i) / rate_hz));
  return out;
}

TEST(Resampler, EveryRateKeepsLengthAndTone) {
  for (const int rate_hz : {8000, 11025, 16000, 22050, 44100, 48000, 96000}) {
    const auto got = resample(tone(rate_hz, 1, 440), rate_hz, 16000);
    ASSERT_TRUE(got.ok());
    ASSERT_NEAR(static_cast<double>(got->size()), 16000, 2) << rate_hz;
    const auto want = tone(16000, 1, 440);
    double worst = 0;
    for (std::size_t i = 1000; i < 15000; ++i)
      worst = std::max(worst, std::abs(static_cast<double>((*got)[i] - want[i])));
    EXPECT_LT(worst, 2e-3) << rate_hz;
  }
}

TEST(Resampler, CutsDoNotMatter) {
  const auto in = tone(44100, 0.5, 700);
  const auto whole = resample(in, 44100, 16000);
  auto resampler = Resampler::create(44100, 16000);
  ASSERT_TRUE(resampler.ok());
  std::vector<float> out;
  for (std::size_t at = 0; at < in.size();) {
    const std::size_t count = std::min<std::size_t>(1 + at % 977, in.size() - at);
    ASSERT_TRUE(resampler->push(std::span(in).subspan(at, count), out).ok());
    at += count;
  }
  ASSERT_TRUE(resampler->flush(out).ok());
  ASSERT_EQ(out.size(), whole->size());
  for (std::size_t i = 0; i < out.size(); ++i) ASSERT_NEAR(out[i], (*whole)[i], 1e-6);
}

TEST(Resampler, WorksAgainAfterFlush) {
  auto resampler = Resampler::create(8000, 16000);
  ASSERT_TRUE(resampler.ok());
  for (int i = 0; i < 3; ++i) {
    std::vector<float> out;
    ASSERT_TRUE(resampler->push(tone(8000, 0.1, 300), out).ok());
    ASSERT_TRUE(resampler->flush(out).ok());
    EXPECT_NEAR(static_cast<double>(out.size()), 1600, 2);
  }
}

TEST(Resampler, RefusesImpossibleRates) {
  EXPECT_FALSE(Resampler::create(0, 16000).ok());
  EXPECT_FALSE(Resampler::create(16000, 1000000).ok());
}

}  // namespace
}  // namespace antiphon
