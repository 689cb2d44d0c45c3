// Decides from voice probabilities where a turn's speech begins and ends.
#pragma once

#include <cstdint>
#include <optional>

namespace antiphon::asr {

struct EndpointerConfig {
  float begin_above = 0.5f;     // probability that starts speech
  float end_below = 0.35f;      // hysteresis: below it counts as silence
  int begin_chunks = 2;         // in a row; chunks of 32 ms
  double min_silence_ms = 480;  // of silence that ends the turn; up to whole chunks
  double max_turn_ms = 30000;
  double no_speech_ms = 0;  // 0: wait for ever
  double chunk_ms = 32;
};

enum class EndpointEvent { kNone, kSpeechStart, kSpeechEnd, kNoSpeech };

// Not thread-safe. Times are audio time since reset().
class Endpointer {
 public:
  explicit Endpointer(const EndpointerConfig& config) : config_(config) {}

  EndpointEvent push(float probability);
  bool in_speech() const { return in_speech_; }
  double begin_ms() const { return begin_ms_; }            // of the first voiced chunk
  double voiced_end_ms() const { return voiced_end_ms_; }  // end of the last voiced chunk
  double now_ms() const { return now_ms_; }
  double silence_ms() const { return in_speech_ ? now_ms_ - voiced_end_ms_ : 0; }
  void reset();

 private:
  EndpointerConfig config_;
  bool in_speech_ = false;
  int run_ = 0;  // voiced chunks in a row before speech
  double now_ms_ = 0, begin_ms_ = 0, voiced_end_ms_ = 0;
};

}  // namespace antiphon::asr
