// Arrival times of audio and the stations of a turn.
#include "pipeline/turn_clock.h"

#include <algorithm>

namespace antiphon {
namespace {

double ms_between(std::int64_t from_ns, std::int64_t to_ns) {
  return std::max(0.0, static_cast<double>(to_ns - from_ns) * 1e-6);
}

}  // namespace

void ArrivalLog::add(std::int64_t num_samples, std::int64_t now_ns) {
  end_sample_ += num_samples;
  pieces_.push_back({end_sample_, now_ns});
  if (pieces_.size() > kMaxPieces) pieces_.pop_front();
}

const ArrivalLog::Piece* ArrivalLog::piece_at(double at_ms) const {
  if (pieces_.empty()) return nullptr;
  const auto sample = static_cast<std::int64_t>(at_ms * kSamplesPerMs);
  const auto found =
      std::lower_bound(pieces_.begin(), pieces_.end(), sample,
                       [](const Piece& piece, std::int64_t s) { return piece.end_sample < s; });
  return found == pieces_.end() ? &pieces_.back() : &*found;
}

std::int64_t ArrivalLog::arrival_ns(double at_ms) const {
  const Piece* piece = piece_at(at_ms);
  return piece ? piece->arrived_ns : 0;
}

std::int64_t ArrivalLog::heard_ns(double at_ms) const {
  const Piece* piece = piece_at(at_ms);
  if (!piece) return 0;
  const double after_ms = static_cast<double>(piece->end_sample) / kSamplesPerMs - at_ms;
  return piece->arrived_ns - static_cast<std::int64_t>(std::max(0.0, after_ms) * 1e6);
}

void TurnClock::start(std::int64_t now_ns, double endpoint_ms) {
  if (started()) return;
  start_ns_ = now_ns;
  endpoint_ms_ = endpoint_ms;
}

TurnLatency TurnClock::latency() const {
  TurnLatency out;
  if (!started()) return out;
  out.endpoint_ms = endpoint_ms_;
  if (final_ns_ >= 0) out.asr_ms = ms_between(start_ns_, final_ns_);
  if (reply_ns_ >= 0) out.nlu_ms = ms_between(final_ns_ >= 0 ? final_ns_ : start_ns_, reply_ns_);
  if (audio_ns_ >= 0) out.tts_ms = ms_between(reply_ns_, audio_ns_);
  const std::int64_t last_ns = audio_ns_ >= 0 ? audio_ns_ : reply_ns_ >= 0 ? reply_ns_ : final_ns_;
  if (last_ns >= 0) out.total_ms = ms_between(start_ns_, last_ns);
  out.heard_ms = out.endpoint_ms + out.total_ms;
  return out;
}

}  // namespace antiphon
