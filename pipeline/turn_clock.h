// Maps audio time to the time at which that audio arrived, and measures a turn.
#pragma once

#include <cstdint>
#include <deque>

#include "pipeline/session_events.h"

namespace antiphon {

// Remembers when each piece of audio arrived. Not thread-safe.
class ArrivalLog {
 public:
  static constexpr double kSamplesPerMs = 16.0;

  void add(std::int64_t num_samples, std::int64_t now_ns);
  // When the piece that holds audio time `at_ms` arrived; the last one's where it is later.
  std::int64_t arrival_ns(double at_ms) const;
  // When the sound at `at_ms` ended in real time: pieces arrive when their last sample was heard.
  std::int64_t heard_ns(double at_ms) const;
  double total_ms() const { return static_cast<double>(end_sample_) / kSamplesPerMs; }

 private:
  struct Piece {
    std::int64_t end_sample = 0;
    std::int64_t arrived_ns = 0;
  };
  const Piece* piece_at(double at_ms) const;

  static constexpr std::size_t kMaxPieces = 4096;
  std::deque<Piece> pieces_;
  std::int64_t end_sample_ = 0;
};

// The stations of one turn. A station passed twice keeps its first time.
class TurnClock {
 public:
  void start(std::int64_t now_ns, double endpoint_ms);
  void final_at(std::int64_t now_ns) { set(final_ns_, now_ns); }
  void reply_at(std::int64_t now_ns) { set(reply_ns_, now_ns); }
  void audio_at(std::int64_t now_ns) { set(audio_ns_, now_ns); }
  bool started() const { return start_ns_ >= 0; }
  std::int64_t start_ns() const { return start_ns_; }
  std::int64_t audio_ns() const { return audio_ns_; }
  TurnLatency latency() const;

 private:
  static void set(std::int64_t& station, std::int64_t now_ns) {
    if (station < 0) station = now_ns;
  }
  std::int64_t start_ns_ = -1, final_ns_ = -1, reply_ns_ = -1, audio_ns_ = -1;
  double endpoint_ms_ = 0;
};

}  // namespace antiphon
