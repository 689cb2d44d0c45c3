// What values of a tensor are like, and the range that a method picks from that.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/calibrate.h"

namespace antiphon::calibration {

constexpr int kEntropyBins = 2048;
constexpr int kPercentileBins = 16384;

// Counts of values in equal bins over [low, high]. `magnitudes`: of |x| for x other than 0.
struct Histogram {
  double low = 0, high = 0;
  bool magnitudes = false;
  std::vector<std::int64_t> counts;

  void add(std::span<const float> values);
};

// Upper end of the range of magnitudes [0, t] whose quantisation to `levels` steps keeps the most
// of the distribution: the least KL divergence over all t at the end of a bin from `levels` bins
// on.
double entropy_threshold(const Histogram& histogram, int levels);

// The range that keeps all but (1 - share) / 2 of the values on either side, to whole bins.
TensorRange percentile_range(const Histogram& histogram, double share);

}  // namespace antiphon::calibration
