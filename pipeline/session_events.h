// What a session tells its owner: the events of a turn and how it ended.
#pragma once

#include <cstdint>

#include "engine/base/status.h"
#include "pipeline/messages.h"

namespace antiphon {

enum class TurnKind { kAudio, kText, kSpeak };
enum class TurnEndReason { kDone, kCancelled, kInterrupted, kNoSpeech, kError };
// kHeard: recognised. kTyped: a text turn's own text. kNone: the turn ended without one; it is
// given so that every turn has exactly one final.
enum class FinalOrigin { kHeard, kTyped, kNone };

// The turn clock, milliseconds; 0 where a stage was not used.
struct TurnLatency {
  double asr_ms = 0;    // clock start to final transcript
  double nlu_ms = 0;    // final transcript to reply text
  double tts_ms = 0;    // reply text to first reply sample
  double total_ms = 0;  // clock start to first reply sample (to the reply where nothing is spoken)
  double endpoint_ms = 0;  // end of the last voiced sample to clock start
  double heard_ms = 0;     // endpoint + total: what the user waits
};

struct TurnEnd {
  TurnRef ref;
  TurnKind kind = TurnKind::kAudio;
  TurnEndReason reason = TurnEndReason::kDone;
  std::int64_t reply_samples = 0;  // given to the sink
  double played_ms = 0;            // of the reply, as the client told
  TurnLatency latency;
  bool late = false;  // total is over the turn's deadline
  bool end_of_dialog = false;
  bool ahead = false;            // its answer was begun in the pause that ended it
  std::int32_t num_in_vain = 0;  // answers begun in its pauses and given up
};

// Called on the session's strand, never from within the constructor of the session. on_final comes
// once a turn, on_turn_end last. Must outlive the session's close().
class SessionSink {
 public:
  virtual ~SessionSink() = default;
  // at_ms: audio time of the session.
  virtual void on_speech_start(TurnRef ref, double at_ms) = 0;
  virtual void on_speech_end(TurnRef ref, double at_ms) = 0;
  virtual void on_partial(const Transcript& transcript) = 0;
  virtual void on_final(const Transcript& transcript, FinalOrigin origin) = 0;
  virtual void on_understanding(const Understanding& understanding) = 0;
  virtual void on_reply(const Reply& reply) = 0;
  // False: no room; the next chunk waits for Session::resume_reply().
  virtual bool on_audio(const AudioChunk& chunk) = 0;
  virtual void on_error(TurnRef ref, const Status& status) = 0;
  virtual void on_turn_end(const TurnEnd& end) = 0;
  // Audio was taken off the session's queue: audio_waiting_ms() is lower than it was.
  virtual void on_audio_taken() {}
};

}  // namespace antiphon
