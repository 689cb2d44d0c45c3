// The steady clock of the standard library.
#include "engine/base/clock.h"

#include <chrono>

namespace antiphon {

std::int64_t SteadyClock::now_ns() const {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace antiphon
