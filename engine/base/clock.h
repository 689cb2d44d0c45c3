// A monotonic clock as an argument, so that session logic runs on a fake one in tests.
#pragma once

#include <cstdint>

namespace antiphon {

// Nanoseconds from an arbitrary start; never goes back. now_ns() may be called from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::int64_t now_ns() const = 0;
  double now_ms() const { return static_cast<double>(now_ns()) * 1e-6; }
};

// std::chrono::steady_clock.
class SteadyClock final : public Clock {
 public:
  std::int64_t now_ns() const override;
};

// Moves only when told to. Not thread-safe.
class FakeClock final : public Clock {
 public:
  std::int64_t now_ns() const override { return now_ns_; }
  void advance_ms(double ms) { now_ns_ += static_cast<std::int64_t>(ms * 1e6); }

 private:
  std::int64_t now_ns_ = 0;
};

}  // namespace antiphon
