// Any rate to any rate, streaming: the one resampling at the edge.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/base/status.h"

namespace antiphon {

// Owns its filter state; its output is that of the whole signal however it is cut. Not thread-safe.
class Resampler {
 public:
  // Mono. kInvalidArgument: a rate is not in [1000, 384000].
  static Result<Resampler> create(int from_hz, int to_hz);
  Resampler(Resampler&&) noexcept;
  Resampler& operator=(Resampler&&) noexcept;
  ~Resampler();

  // Appends to `out` what is ready; some samples stay inside until more come.
  Status push(std::span<const float> pcm, std::vector<float>& out);
  // Appends the rest and begins anew.
  Status flush(std::vector<float>& out);

 private:
  struct State;
  explicit Resampler(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The whole signal at once.
Result<std::vector<float>> resample(std::span<const float> pcm, int from_hz, int to_hz);

}  // namespace antiphon
