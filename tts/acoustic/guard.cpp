// Limits and planned alignments from predicted durations.
#include "tts/acoustic/guard.h"

#include <algorithm>
#include <cmath>

namespace antiphon::tts {

GuardLimits guard_limits(std::span<const float> log_frames, std::size_t symbols,
                         const GuardConfig& config) {
  GuardLimits g;
  double worst = 0;
  for (std::size_t i = 0; i < symbols; ++i) {
    float frames = config.default_frames;
    if (i < log_frames.size() && std::isfinite(log_frames[i]))
      frames = std::exp(std::clamp(log_frames[i], -9.0f, 6.0f));
    g.index.push_back(static_cast<float>(i));
    g.expected.push_back(frames);
    g.limit.push_back(config.stall_factor * frames + config.stall_frames);
    worst += g.limit.back();
  }
  for (std::size_t i = 0; i < symbols; ++i) {
    int reach = 1;
    float skipped = 0;
    while (reach < config.ahead && i + static_cast<std::size_t>(reach) < symbols) {
      skipped += g.expected[i + static_cast<std::size_t>(reach)];
      if (skipped > config.max_skipped_frames) break;
      ++reach;
    }
    // Near the end nothing is there to be skipped.
    g.reach.push_back(
        static_cast<float>(i + static_cast<std::size_t>(reach) >= symbols ? config.ahead : reach));
  }
  g.max_frames = static_cast<int>(std::min(2 * worst, static_cast<double>(config.max_frames)));
  return g;
}

PlannedAlignment plan_alignment(std::span<const float> expected, float width, int max_frames) {
  PlannedAlignment plan;
  std::vector<double> edges = {0};
  for (const float frames : expected) edges.push_back(edges.back() + frames);
  plan.frames = std::clamp(static_cast<int>(std::nearbyint(edges.back())), 1, max_frames);
  const std::size_t n = expected.size();
  plan.weights.resize(static_cast<std::size_t>(plan.frames) * n);
  std::size_t i = 0;
  for (int t = 0; t < plan.frames; ++t) {
    while (i + 1 < n && edges[i + 1] <= t) ++i;
    const double inside =
        std::clamp((t - edges[i]) / std::max(edges[i + 1] - edges[i], 1e-3), 0.0, 1.0);
    const double position = static_cast<double>(i) + inside;
    double sum = 0;
    float* row = plan.weights.data() + static_cast<std::size_t>(t) * n;
    for (std::size_t k = 0; k < n; ++k) {
      const double d = (static_cast<double>(k) + 0.5 - position) / width;
      row[k] = static_cast<float>(std::exp(-0.5 * d * d) + 1e-9);
      sum += row[k];
    }
    for (std::size_t k = 0; k < n; ++k) row[k] = static_cast<float>(row[k] / sum);
  }
  return plan;
}

}  // namespace antiphon::tts
