// Linear interpolation between frames.
#include "tts/acoustic/time_scale.h"

#include <algorithm>

namespace antiphon::tts {

void TimeScale::begin(float speed) {
  speed_ = speed;
  made_ = first_ = 0;
  held_.clear();
}

void TimeScale::push(std::vector<float>& mel, bool last, std::vector<float>& out) {
  held_.insert(held_.end(), mel.begin(), mel.end());
  mel.clear();
  const std::size_t count = held_.size() / bins_;
  for (;; ++made_) {
    const double at = static_cast<double>(made_) * speed_ - static_cast<double>(first_);
    const auto low = static_cast<std::size_t>(at);
    const auto part = static_cast<float>(at - static_cast<double>(low));
    const bool ready = part > 0 ? low + 1 < count : low < count;
    if (!ready && !(last && low < count)) break;
    const std::size_t high = std::min(low + 1, count - 1);
    for (std::size_t k = 0; k < bins_; ++k) {
      const float a = held_[low * bins_ + k];
      out.push_back(a + part * (held_[high * bins_ + k] - a));
    }
  }
  const auto next = static_cast<std::size_t>(static_cast<double>(made_) * speed_);
  const std::size_t drop = std::min(next - std::min(next, first_), count);
  held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(drop * bins_));
  first_ += drop;
}

}  // namespace antiphon::tts
