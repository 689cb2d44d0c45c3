// Hysteresis over voice probabilities.
#include "asr/endpointer.h"

namespace antiphon::asr {

void Endpointer::reset() { *this = Endpointer(config_); }

EndpointEvent Endpointer::push(float probability) {
  const double start_ms = now_ms_;
  now_ms_ += config_.chunk_ms;
  if (!in_speech_) {
    run_ = probability >= config_.begin_above ? run_ + 1 : 0;
    if (run_ == 1) begin_ms_ = start_ms;
    if (run_ >= config_.begin_chunks) {
      in_speech_ = true;
      voiced_end_ms_ = now_ms_;
      return EndpointEvent::kSpeechStart;
    }
    if (config_.no_speech_ms > 0 && run_ == 0 && now_ms_ >= config_.no_speech_ms)
      return EndpointEvent::kNoSpeech;
    return EndpointEvent::kNone;
  }
  if (probability >= config_.end_below) voiced_end_ms_ = now_ms_;
  const bool silent = now_ms_ - voiced_end_ms_ >= config_.min_silence_ms;
  const bool too_long = now_ms_ - begin_ms_ >= config_.max_turn_ms;
  return silent || too_long ? EndpointEvent::kSpeechEnd : EndpointEvent::kNone;
}

}  // namespace antiphon::asr
