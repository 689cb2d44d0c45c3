// The interfaces of the four stages: what a Session calls, and what asr, nlu, dialog and tts
// implement.
//
// A model object (Recognizer, Understander, Synthesizer) is immutable, shared by all sessions and
// thread-safe but for the calls marked "lane". A stream object belongs to one session; at most one
// thread uses it at a time. Calls marked "lane" may take over 1 ms and run on a lane, never on an
// I/O thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/status.h"
#include "pipeline/messages.h"

namespace antiphon {

struct HotWord {
  std::string text;  // a word or a phrase, any case
  float boost =
      4.0f;  // added to the log score when the phrase is completed, natural log; [-20, 20]
};

// ---- recognition ----

struct RecognizerOptions {
  bool endpointing = true;  // the recogniser decides where a turn ends
  bool partials = true;
  bool pauses = false;          // emits kPause
  double min_silence_ms = 480;  // of silence after speech ends a turn; up to whole 32 ms
  double max_turn_ms = 30000;   // a longer turn is ended by force
  double no_speech_ms = 0;      // 0: wait for ever; else kNoSpeech after so much silence
  int num_alternatives = 1;
  bool written = true;  // texts as people write them; false: the spoken words in lower case
  std::vector<HotWord> hotwords;
};

enum class RecognizerEventKind { kSpeechStart, kSpeechEnd, kPartial, kPause, kFinal, kNoSpeech };

// at_ms: audio time since the stream was opened. kSpeechEnd: the endpoint was decided; `at_ms` is
// the end of the last voiced sample. kPause: a silence has begun that will end the turn if it goes
// on; `spoken` is what the final would say now; again when that changes, and in a later silence.
// kFinal and kNoSpeech close the turn: next audio begins a new one.
struct RecognizerEvent {
  RecognizerEventKind kind = RecognizerEventKind::kPartial;
  double at_ms = 0;
  double decided_ms = 0;  // kSpeechEnd: end of the audio that decided it
  Transcript transcript;  // kPartial, kPause, kFinal; ref is left for the session to fill
};

class RecognizerStream {
 public:
  virtual ~RecognizerStream() = default;
  // Queues mono 16 kHz audio, any length. kExhausted: over the input cap; nothing was taken.
  virtual Status push(std::span<const float> pcm) = 0;
  // No more audio in this turn: the next advance() emits its kFinal (or kNoSpeech).
  virtual void end_turn() = 0;
  // Drops the turn in progress and everything queued.
  virtual void cancel_turn() = 0;
  // True: advance() has work to do.
  virtual bool ready() const = 0;
  // Takes the oldest event; nothing: none is waiting.
  virtual std::optional<RecognizerEvent> pop() = 0;
};

class Recognizer {
 public:
  virtual ~Recognizer() = default;
  // kExhausted: all state slots are in use. kInvalidArgument: an option is out of range.
  virtual Result<std::unique_ptr<RecognizerStream>> open(const RecognizerOptions& options) = 0;
  // Lane. Works off the queued audio of every stream, batched across them; each stream was made by
  // this recogniser. One call at a time.
  virtual Status advance(std::span<RecognizerStream* const> streams) = 0;
};

// ---- understanding ----

// One session's memory of its dialogue: which intent is being filled, with what, and what was
// asked.
struct DialogState {
  std::string pending_intent;  // empty: none
  std::vector<Slot> filled;
  std::string asked_slot;  // the slot the last reply asked for
  bool awaiting_confirmation = false;
  int misses = 0;  // times in a row that the answer could not be used
};

struct UnderstandRequest {
  std::string_view text;
  std::string_view context;             // a text that questions are answered from; may be empty
  const DialogState* dialog = nullptr;  // may be null
};

class Understander {
 public:
  virtual ~Understander() = default;
  // Lane. kInvalidArgument: not UTF-8, or over 20,000 bytes. Empty text: out of scope.
  virtual Result<Understanding> understand(const UnderstandRequest& request) = 0;
};

// ---- dialogue ----

class Dialog {
 public:
  virtual ~Dialog() = default;
  // Lane (an HTTP dialogue waits for its peer). Changes `state` only when it succeeds.
  virtual Result<Reply> respond(const Understanding& understanding, DialogState& state) = 0;
  // True: respond() does nothing else, so a session may ask before it knows that the turn is over,
  // and forget the answer.
  virtual bool answers_only() const { return false; }
};

// ---- synthesis ----

struct SynthesisOptions {
  std::string voice;   // empty: the pack's first
  float speed = 1.0f;  // [0.5, 2]: 2 speaks twice as fast
  bool ssml = false;   // the text is SSML
};

class SynthesisStream {
 public:
  virtual ~SynthesisStream() = default;
  // Lane. Makes the next chunk of audio; the one with is_last ends the stream, and later calls
  // return kInvalidArgument. Empty samples are possible only in the last one.
  virtual Result<AudioChunk> next() = 0;
};

class Synthesizer {
 public:
  virtual ~Synthesizer() = default;
  virtual int rate_hz() const = 0;
  // Their names; the first is the default.
  virtual std::vector<std::string> voices() const = 0;
  // kInvalidArgument: not UTF-8, over 20,000 bytes, bad SSML, unknown voice, speed out of range.
  // kExhausted: all state slots are in use. Text without anything to say gives one empty last
  // chunk.
  virtual Result<std::unique_ptr<SynthesisStream>> open(std::string_view text,
                                                        const SynthesisOptions& options) = 0;
};

}  // namespace antiphon
