// Counting, and the two methods that read counts.
#include "engine/calibrate/histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace antiphon::calibration {
namespace {

// A step that would hold nothing of what the reference holds: not zero, since its logarithm is
// taken.
constexpr double kNothing = 1e-12;

// KL divergence between the first `n` bins, the rest counted into the last, and the same after
// quantisation: the bins of a step share its count alike, but for those that are empty.
double divergence(std::span<const std::int64_t> counts, std::size_t n, std::int64_t kept,
                  std::int64_t total, int levels) {
  const std::int64_t outliers = total - kept;
  double sum = 0;
  for (int level = 0; level < levels; ++level) {
    const std::size_t begin =
        n * static_cast<std::size_t>(level) / static_cast<std::size_t>(levels);
    const std::size_t end =
        n * static_cast<std::size_t>(level + 1) / static_cast<std::size_t>(levels);
    std::int64_t step = 0, filled = 0;
    for (std::size_t i = begin; i < end; ++i) {
      step += counts[i];
      filled += counts[i] != 0 ? 1 : 0;
    }
    const double share = filled == 0 ? 0
                                     : static_cast<double>(step) / static_cast<double>(filled) /
                                           static_cast<double>(kept);
    for (std::size_t i = begin; i < end; ++i) {
      const std::int64_t count = counts[i] + (i + 1 == n ? outliers : 0);
      if (count == 0) continue;
      const double p = static_cast<double>(count) / static_cast<double>(total);
      sum += p * std::log(p / (counts[i] == 0 ? kNothing : share));
    }
  }
  return sum;
}

}  // namespace

void Histogram::add(std::span<const float> values) {
  const auto bins = static_cast<std::int64_t>(counts.size());
  const double factor = high > low ? static_cast<double>(bins) / (high - low) : 0;
  for (const float value : values) {
    if (magnitudes && value == 0) continue;
    const double x = magnitudes ? std::abs(static_cast<double>(value)) : value;
    const auto bin = static_cast<std::int64_t>((x - low) * factor);
    ++counts[static_cast<std::size_t>(std::clamp<std::int64_t>(bin, 0, bins - 1))];
  }
}

double entropy_threshold(const Histogram& histogram, int levels) {
  const std::int64_t total =
      std::accumulate(histogram.counts.begin(), histogram.counts.end(), std::int64_t{0});
  if (total == 0) return histogram.high;
  const std::size_t bins = histogram.counts.size();
  double least = std::numeric_limits<double>::infinity();
  std::size_t best = bins;
  std::int64_t kept = 0;
  for (std::size_t n = 1; n <= bins; ++n) {
    kept += histogram.counts[n - 1];
    if (n < static_cast<std::size_t>(levels) || kept == 0) continue;
    const double now = divergence(histogram.counts, n, kept, total, levels);
    if (now < least) {
      least = now;
      best = n;
    }
  }
  return histogram.high * static_cast<double>(best) / static_cast<double>(bins);
}

TensorRange percentile_range(const Histogram& histogram, double share) {
  const std::vector<std::int64_t>& counts = histogram.counts;
  const double total =
      static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));
  const double cut = (1 - share) / 2 * total;
  std::size_t first = 0, end = counts.size();
  for (double below = 0; first + 1 < end; ++first) {
    below += static_cast<double>(counts[first]);
    if (below > cut) break;
  }
  for (double above = 0; end > first + 1; --end) {
    above += static_cast<double>(counts[end - 1]);
    if (above > cut) break;
  }
  const double width = (histogram.high - histogram.low) / static_cast<double>(counts.size());
  return {static_cast<float>(histogram.low + static_cast<double>(first) * width),
          static_cast<float>(histogram.low + static_cast<double>(end) * width), ""};
}

}  // namespace antiphon::calibration
