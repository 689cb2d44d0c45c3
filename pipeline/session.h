// One conversation: audio → recogniser → understander → dialog → synthesizer → audio, turn by turn.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/base/clock.h"
#include "engine/base/status.h"
#include "pipeline/early.h"
#include "pipeline/executor.h"
#include "pipeline/lane.h"
#include "pipeline/messages.h"
#include "pipeline/recognizer_batcher.h"
#include "pipeline/session_events.h"
#include "pipeline/stages.h"
#include "pipeline/turn_clock.h"

namespace antiphon {

enum class ReplyMode { kAudio, kText, kNone };

struct SessionConfig {
  std::uint64_t session = 0;
  RecognizerOptions recognizer;  // `pauses` is as think_ahead says
  ReplyMode reply = ReplyMode::kAudio;
  SynthesisOptions synthesis;
  std::string context;  // a text that questions are answered from
  double deadline_ms = 300;
  // Begins an answer in the pause that may end a turn (RecognizerEventKind::kPause), so that it is
  // there when the end is decided; what is said after all gives it up.
  bool think_ahead = true;
};

// What all sessions share; everything outlives them.
struct SessionStages {
  Recognizer* recognizer = nullptr;
  RecognizerBatcher* batcher = nullptr;
  Understander* understander = nullptr;
  Dialog* dialog = nullptr;
  Synthesizer* synthesizer = nullptr;
  Lane* nlu_lane = nullptr;
  Lane* dialog_lane = nullptr;  // apart: an HTTP dialogue waits for its peer
  Lane* tts_lane = nullptr;
  const Clock* clock = nullptr;
};

// Lives on its strand: every method is called there, and every event comes from there, so it has no
// lock. shared_ptr: its owner and the tasks that it has on lanes share it.
class Session : public std::enable_shared_from_this<Session> {
 public:
  // kExhausted: no state slot is free. kInvalidArgument: an option is out of range.
  static Result<std::shared_ptr<Session>> create(const SessionConfig& config,
                                                 const SessionStages& stages,
                                                 std::shared_ptr<Executor> executor,
                                                 SessionSink& sink);

  // Mono 16 kHz audio, any length; copied. Errors come to the sink.
  void push_audio(std::span<const float> pcm);
  // No more audio in this turn.
  void end();
  // A typed turn; it interrupts what is going on.
  void text(std::string text);
  // A turn that only speaks `text`.
  void speak(std::string text);
  // Stops a turn; 0: the present one. False: there never was such a turn.
  bool cancel(std::uint32_t turn);
  // How much of a reply the user has heard. False: there never was such a turn.
  bool played(std::uint32_t turn, double ms);
  // The sink has room again after on_audio() said false.
  void resume_reply();
  // No event comes after this; queued work is dropped at the next boundary.
  void close();

  // A turn is open (heard, thought about or spoken).
  bool busy() const { return open_.has_value(); }
  // Audio that the recogniser has not been given yet.
  double audio_waiting_ms() const { return static_cast<double>(waiting_samples_) / 16.0; }
  std::uint64_t id() const { return config_.session; }

 private:
  enum class Phase { kHearing, kAnswering };
  struct Turn {
    TurnRef ref;
    TurnKind kind = TurnKind::kAudio;
    Phase phase = Phase::kHearing;
    TurnClock clock;
    bool final_sent = false, speech_started = false, speech_ended = false, end_of_dialog = false;
    std::int64_t reply_samples = 0;
    double played_ms = 0;
    std::shared_ptr<EarlyAnswer> early;  // shared with its work on lanes
    std::int32_t num_in_vain = 0;        // early ones begun and given up
  };
  // Work of a turn on a lane; `early`: of an answer that may be given up.
  struct Work {
    TurnRef ref;
    std::shared_ptr<EarlyAnswer> early;
    std::int64_t due_ns = 0;
  };
  enum class InputKind { kAudio, kEnd, kCancel };
  struct Input {
    InputKind kind = InputKind::kAudio;
    std::vector<float> pcm;
    std::int64_t arrived_ns = 0;
  };
  using SynthesisHandle = std::shared_ptr<SynthesisStream>;  // shared with its task on the lane

  Session(const SessionConfig& config, const SessionStages& stages,
          std::shared_ptr<Executor> executor, SessionSink& sink)
      : config_(config), stages_(stages), executor_(std::move(executor)), sink_(&sink) {}

  // The path, in order (session.cpp).
  void pump();
  bool feed_recognizer();
  bool take_end(const Input& input);
  void on_advanced(const Status& status);
  void on_event(RecognizerEvent event);
  void on_heard(RecognizerEvent event);
  void understand(std::string text);
  void on_understood(TurnRef ref, Result<Understanding> understanding);
  void respond(Understanding understanding);
  void on_replied(TurnRef ref, Result<Reply> reply, DialogState state);
  void synthesize(std::string text);
  void next_chunk(SynthesisHandle stream, std::string text);
  void on_chunk(TurnRef ref, SynthesisHandle stream, Result<AudioChunk> chunk);

  // Lanes, and answers begun early (session_work.cpp).
  Status run(Lane& lane, const Work& what, std::function<std::function<void()>()> work);
  Status ask_understander(const Work& what, std::string text,
                          std::function<void(Result<Understanding>)> then);
  Status ask_dialog(const Work& what, Understanding understanding,
                    std::function<void(EarlyReply)> then);
  Status ask_synthesizer(const Work& what, SynthesisHandle stream, std::string text,
                         std::function<void(EarlyAudio)> then);
  void think_ahead(std::string text);
  void early_understood(const Work& what, Result<Understanding> understanding);
  void early_replied(const Work& what, EarlyReply answer);
  bool take_early(const std::string& text);
  void drop_early();
  bool given_up(const Work& what) const { return stale(what.ref) || what.early->dropped.load(); }

  // Turns (session_turns.cpp).
  void begin_turn(TurnKind kind);
  void ensure_hearing();
  void drop_hearing();
  void speech_end(double at_ms);
  void send_final(Transcript transcript, FinalOrigin origin);
  void fail_turn(const Status& status);
  void finish_turn(TurnEndReason reason);
  bool stale(TurnRef ref) const { return !open_ || open_->ref.turn != ref.turn || !sink_; }
  std::int64_t now_ns() const { return stages_.clock->now_ns(); }
  std::int64_t deadline_ns() const;
  bool answering() const { return open_ && open_->phase == Phase::kAnswering; }

  SessionConfig config_;
  SessionStages stages_;
  std::shared_ptr<Executor> executor_;
  SessionSink* sink_;  // null after close()

  std::unique_ptr<RecognizerStream> stream_;  // not touched while advancing_
  bool advancing_ = false;                    // the lane has stream_
  bool end_given_ = false;                    // end_turn() was called, its final is not here yet
  bool dropping_ = false;  // a kCancel waits in inputs_: events are of a dead turn
  bool audio_since_final_ = false;
  std::deque<Input> inputs_;
  std::int64_t waiting_samples_ = 0;  // in inputs_
  ArrivalLog arrivals_;
  std::int64_t end_arrived_ns_ = 0;

  std::uint32_t last_turn_ = 0;
  std::optional<Turn> open_;
  std::atomic<std::uint32_t> live_turn_{0};  // what lanes compare with; 0: none
  DialogState dialog_state_;
  SynthesisHandle held_;  // waits for resume_reply()
};

}  // namespace antiphon
