// Confidence of words from the evidence for them.
#include "asr/word_confidence.h"

#include <gtest/gtest.h>

#include <cmath>

namespace antiphon::asr {
namespace {

TEST(WordConfidence, IsTheMeanOfTheLettersWithoutFittedWeights) {
  for (const float mean : {0.01f, 0.3f, 0.9f, 0.999f})
    EXPECT_NEAR(word_confidence({.mean = mean, .least = 0.1f, .language = -9}, {}), mean, 1e-6);
}

TEST(WordConfidence, AddsUpLogOdds) {
  const ConfidenceWeights weights = {.bias = -0.5f,
                                     .mean = 0.8f,
                                     .least = 0.3f,
                                     .sentence = 0.6f,
                                     .language = 0.1f,
                                     .unknown = -0.7f,
                                     .letters = 0.05f};
  const WordEvidence evidence = {
      .mean = 0.9f, .least = 0.6f, .sentence = 0.8f, .language = -4, .num_letters = 6};
  const double sum =
      -0.5 + 0.8 * std::log(9.0) + 0.3 * std::log(1.5) + 0.6 * std::log(4.0) - 0.4 + 0.3;
  EXPECT_NEAR(word_confidence(evidence, weights), 1 / (1 + std::exp(-sum)), 1e-6);
  WordEvidence strange = evidence;
  strange.unknown = true;
  EXPECT_NEAR(word_confidence(strange, weights), 1 / (1 + std::exp(0.7 - sum)), 1e-6);
}

TEST(WordConfidence, IsBoundedWhereLettersAreCertainOrImpossible) {
  const ConfidenceWeights weights = {.mean = 1, .least = 1, .sentence = 1};
  const float sure = word_confidence({.mean = 1, .least = 1, .sentence = 1}, weights);
  const float never = word_confidence({}, weights);
  EXPECT_TRUE(std::isfinite(sure) && sure > 0.999f && sure <= 1) << sure;
  EXPECT_TRUE(std::isfinite(never) && never >= 0 && never < 0.001f) << never;
}

}  // namespace
}  // namespace antiphon::asr
