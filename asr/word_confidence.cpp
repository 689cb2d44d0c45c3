#include "asr/word_confidence.h"

#include <algorithm>
#include <cmath>

namespace antiphon::asr {
namespace {

constexpr float kSurest = 1e-4f;  // no letter is surer than one less this

float log_odds(float probability) {
  const float p = std::clamp(probability, kSurest, 1 - kSurest);
  return std::log(p / (1 - p));
}

}  // namespace

float word_confidence(const WordEvidence& e, const ConfidenceWeights& w) {
  const float sum = w.bias + w.mean * log_odds(e.mean) + w.least * log_odds(e.least) +
                    w.sentence * log_odds(e.sentence) + w.language * e.language +
                    w.letters * static_cast<float>(e.num_letters) + (e.unknown ? w.unknown : 0);
  return 1 / (1 + std::exp(-sum));
}

}  // namespace antiphon::asr
