// Tries the scales that the peak's own error does not rule out.
#include "engine/network/quantize_row.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/network/avx2.h"

namespace antiphon {
namespace {

constexpr float kShares[] = {1.0f, 0.96f, 0.92f, 0.88f, 0.84f, 0.8f};
constexpr float kLeastPeak = 1e-12f;
// Added to a value below 2^22 and taken away again it leaves the nearest whole number, half to
// even.
constexpr float kRound = 12582912.0f;  // 1.5 x 2^23
constexpr std::size_t kLanes = 8;

ANTIPHON_INLINED float level(float value, float scale) {
  const float whole = (value / scale + kRound) - kRound;
  return std::min(std::max(whole, -127.0f), 127.0f);
}

ANTIPHON_INLINED float squared_error(float value, float scale) {
  const float gap = level(value, scale) * scale - value;
  return gap * gap;
}

ANTIPHON_INLINED double squared_error(std::span<const float> row, float scale) {
  double sums[kLanes] = {}, sum = 0;
  const std::size_t whole = row.size() / kLanes * kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes)
    for (std::size_t lane = 0; lane < kLanes; ++lane)
      sums[lane] += double{squared_error(row[i + lane], scale)};
  for (std::size_t i = whole; i < row.size(); ++i) sum += double{squared_error(row[i], scale)};
  for (const double part : sums) sum += part;
  return sum;
}

ANTIPHON_INLINED float peak_of(std::span<const float> row) {
  float peaks[kLanes] = {}, peak = 0;
  const std::size_t whole = row.size() / kLanes * kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes)
    for (std::size_t lane = 0; lane < kLanes; ++lane)
      peaks[lane] = std::max(peaks[lane], std::abs(row[i + lane]));
  for (std::size_t i = whole; i < row.size(); ++i) peak = std::max(peak, std::abs(row[i]));
  for (const float part : peaks) peak = std::max(peak, part);
  return peak;
}

ANTIPHON_INLINED float quantize(std::span<const float> row, std::span<std::int8_t> out) {
  const float peak = peak_of(row);
  const float range = std::max(peak, kLeastPeak);
  float best_scale = range / 127.0f;
  double least = std::numeric_limits<double>::infinity();
  for (const float share : kShares) {
    const float scale = range * share / 127.0f;
    if (double{squared_error(peak, scale)} >= least) continue;
    const double error = squared_error(row, scale);
    if (error < least) least = error, best_scale = scale;
  }
  for (std::size_t i = 0; i < row.size(); ++i)
    out[i] = static_cast<std::int8_t>(level(row[i], best_scale));
  return best_scale;
}

ANTIPHON_FOR_AVX2 float quantize_avx2(std::span<const float> row, std::span<std::int8_t> out) {
  return quantize(row, out);
}

}  // namespace

float quantize_row(std::span<const float> row, std::span<std::int8_t> out, bool use_avx2) {
  return use_avx2 ? quantize_avx2(row, out) : quantize(row, out);
}

}  // namespace antiphon
