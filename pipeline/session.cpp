// The data path, top to bottom: audio → recogniser → understander → dialog → synthesizer → audio.
#include "pipeline/session.h"

#include <algorithm>
#include <utility>

namespace antiphon {
namespace {

constexpr std::int64_t kMaxPushSamples = 16000 / 2;  // in one advance(): no session fills a lane
constexpr std::int64_t kNsPerMs = 1000000;
constexpr std::int64_t kListenSlackNs = 100 * kNsPerMs;  // audio of a turn still going on may wait

}  // namespace

Result<std::shared_ptr<Session>> Session::create(const SessionConfig& config,
                                                 const SessionStages& stages,
                                                 std::shared_ptr<Executor> executor,
                                                 SessionSink& sink) {
  std::shared_ptr<Session> session(new Session(config, stages, std::move(executor), sink));
  RecognizerOptions options = config.recognizer;
  options.pauses = config.think_ahead;
  ANTIPHON_ASSIGN_OR_RETURN(session->stream_, stages.recognizer->open(options));
  return session;
}

// ---- audio in ----

void Session::push_audio(std::span<const float> pcm) {
  if (!sink_ || pcm.empty()) return;
  const auto count = static_cast<std::int64_t>(pcm.size());
  arrivals_.add(count, now_ns());
  waiting_samples_ += count;
  inputs_.push_back({InputKind::kAudio, {pcm.begin(), pcm.end()}, now_ns()});
  pump();
}

void Session::end() {
  if (!sink_) return;
  inputs_.push_back({InputKind::kEnd, {}, now_ns()});
  pump();
}

// Gives the recogniser what waits, in order, and sends it to the lane. Audio that arrives while the
// lane has the stream, or between an `end` and its final, waits here.
void Session::pump() {
  if (!sink_ || advancing_) return;
  const std::int64_t before = waiting_samples_;
  if (!feed_recognizer()) return;
  if (waiting_samples_ < before) sink_->on_audio_taken();
  if (!sink_ || !stream_->ready()) return;
  const std::int64_t due = open_ && open_->phase == Phase::kHearing && open_->clock.started()
                               ? deadline_ns()
                               : now_ns() + kListenSlackNs;
  advancing_ = true;
  const Status posted = stages_.batcher->submit(
      stream_.get(), due, [self = shared_from_this()](const Status& status) mutable {
        Executor& executor = *self->executor_;
        executor.post([self = std::move(self), status] { self->on_advanced(status); });
      });
  if (posted.ok()) return;
  advancing_ = false;
  stream_->cancel_turn();
  end_given_ = false;
  ensure_hearing();
  fail_turn(posted);
}

// False: the recogniser refused the audio and the turn has failed.
bool Session::feed_recognizer() {
  std::int64_t fed = 0;
  while (!inputs_.empty() && !end_given_ && fed < kMaxPushSamples) {
    Input& input = inputs_.front();
    if (input.kind == InputKind::kCancel) {
      stream_->cancel_turn();
      dropping_ = audio_since_final_ = false;
    } else if (input.kind == InputKind::kEnd) {
      if (!take_end(input)) break;
    } else {
      const auto count = static_cast<std::int64_t>(input.pcm.size());
      const Status pushed = stream_->push(input.pcm);
      waiting_samples_ -= count;
      fed += count;
      audio_since_final_ = true;
      if (!pushed.ok()) {
        inputs_.pop_front();
        ensure_hearing();
        stream_->cancel_turn();
        fail_turn(pushed);
        return false;
      }
    }
    inputs_.pop_front();
  }
  return true;
}

// False: the audio before this `end` must be recognised first, to know whose end it is.
bool Session::take_end(const Input& input) {
  const bool endpointing = config_.recognizer.endpointing;
  if (endpointing && stream_->ready()) return false;
  // The server ended this turn first, or the client said it twice.
  if (answering() && (endpointing || !audio_since_final_)) return true;
  ensure_hearing();
  open_->clock.start(input.arrived_ns, 0);
  end_arrived_ns_ = input.arrived_ns;
  stream_->end_turn();
  end_given_ = true;
  return true;
}

void Session::on_advanced(const Status& status) {
  advancing_ = false;
  if (!sink_) return;
  if (!status.ok()) {
    stream_->cancel_turn();
    while (stream_->pop()) continue;
    end_given_ = false;
    ensure_hearing();
    fail_turn(status.with_context("recognition"));
  }
  while (sink_) {
    std::optional<RecognizerEvent> event = stream_->pop();
    if (!event) break;
    if (!dropping_) on_event(std::move(*event));
  }
  pump();
}

// ---- recogniser: Transcript ----

void Session::on_event(RecognizerEvent event) {
  const bool idle_silence =
      event.kind == RecognizerEventKind::kNoSpeech && answering() && !end_given_;
  if (idle_silence) return;
  ensure_hearing();
  event.transcript.ref = open_->ref;
  switch (event.kind) {
    case RecognizerEventKind::kSpeechStart:
      open_->speech_started = true;
      sink_->on_speech_start(open_->ref, event.at_ms);
      break;
    case RecognizerEventKind::kPartial: sink_->on_partial(event.transcript); break;
    case RecognizerEventKind::kPause: think_ahead(std::move(event.transcript.spoken)); break;
    case RecognizerEventKind::kSpeechEnd: {
      const std::int64_t decided_ns = arrivals_.arrival_ns(event.decided_ms);
      open_->clock.start(decided_ns,
                         static_cast<double>(decided_ns - arrivals_.heard_ns(event.at_ms)) /
                             static_cast<double>(kNsPerMs));
      speech_end(event.at_ms);
      break;
    }
    case RecognizerEventKind::kFinal:
    case RecognizerEventKind::kNoSpeech: on_heard(std::move(event)); break;
  }
}

void Session::on_heard(RecognizerEvent event) {
  const bool said = event.kind == RecognizerEventKind::kFinal && !event.transcript.text.empty();
  if (end_given_ && said) {  // ended by the client: the clock started at its `end`
    const double gap_ms = static_cast<double>(end_arrived_ns_ - arrivals_.heard_ns(event.at_ms)) /
                          static_cast<double>(kNsPerMs);
    TurnClock clock;
    clock.start(end_arrived_ns_, std::max(0.0, gap_ms));
    open_->clock = clock;
  }
  end_given_ = audio_since_final_ = false;
  if (!open_->clock.started()) open_->clock.start(now_ns(), 0);
  if (open_->speech_started) speech_end(event.at_ms);
  // The understander is trained on what is said, not on how it is written.
  std::string text =
      event.transcript.spoken.empty() ? event.transcript.text : event.transcript.spoken;
  send_final(std::move(event.transcript), FinalOrigin::kHeard);
  if (!sink_ || !open_) return;
  if (!said) return finish_turn(TurnEndReason::kNoSpeech);
  understand(std::move(text));
}

void Session::text(std::string text) {
  if (!sink_) return;
  begin_turn(TurnKind::kText);
  Transcript transcript;
  transcript.text = text;
  transcript.confidence = 1;
  send_final(std::move(transcript), FinalOrigin::kTyped);
  if (sink_ && open_) understand(std::move(text));
  pump();
}

// ---- understander: Understanding ----

void Session::understand(std::string text) {
  open_->phase = Phase::kAnswering;
  const auto then = [this, ref = open_->ref](Result<Understanding> understanding) {
    on_understood(ref, std::move(understanding));
  };
  if (take_early(text)) return open_->early->understanding.take(then);
  const Status posted =
      ask_understander({open_->ref, nullptr, deadline_ns()}, std::move(text), then);
  if (!posted.ok()) fail_turn(posted);
}

void Session::on_understood(TurnRef ref, Result<Understanding> understanding) {
  if (stale(ref)) return;
  if (!understanding.ok()) return fail_turn(understanding.status().with_context("understanding"));
  understanding->ref = ref;
  sink_->on_understanding(*understanding);
  if (stale(ref)) return;
  if (config_.reply != ReplyMode::kNone) return respond(std::move(understanding).value());
  open_->clock.reply_at(now_ns());
  finish_turn(TurnEndReason::kDone);
}

// ---- dialog: Reply ----

void Session::respond(Understanding understanding) {
  const auto then = [this, ref = open_->ref](EarlyReply answer) {
    on_replied(ref, std::move(answer.reply), std::move(answer.state));
  };
  if (open_->early && open_->early->reply.begun()) return open_->early->reply.take(then);
  const Status posted =
      ask_dialog({open_->ref, nullptr, deadline_ns()}, std::move(understanding), then);
  if (!posted.ok()) fail_turn(posted);
}

void Session::on_replied(TurnRef ref, Result<Reply> reply, DialogState state) {
  if (stale(ref)) return;
  if (!reply.ok()) return fail_turn(reply.status().with_context("dialogue"));
  dialog_state_ = std::move(state);
  reply->ref = ref;
  open_->end_of_dialog = reply->end_of_dialog;
  open_->clock.reply_at(now_ns());
  sink_->on_reply(*reply);
  if (stale(ref)) return;
  if (config_.reply == ReplyMode::kText || reply->text.empty())
    return finish_turn(TurnEndReason::kDone);
  synthesize(std::move(reply->text));
}

void Session::speak(std::string text) {
  if (!sink_) return;
  begin_turn(TurnKind::kSpeak);
  send_final({}, FinalOrigin::kNone);
  open_->phase = Phase::kAnswering;
  open_->clock.reply_at(now_ns());
  Reply reply;
  reply.ref = open_->ref;
  reply.text = text;
  sink_->on_reply(reply);
  if (!stale(reply.ref)) synthesize(std::move(text));
  pump();
}

// ---- synthesizer: AudioChunk ----

void Session::synthesize(std::string text) {
  if (!open_->early || !open_->early->audio.begun()) return next_chunk(nullptr, std::move(text));
  open_->early->audio.take([this, ref = open_->ref, text = std::move(text)](EarlyAudio audio) {
    if (stale(ref)) return;
    if (!audio.stream) return next_chunk(nullptr, text);
    on_chunk(ref, std::move(audio.stream), std::move(audio.chunk));
  });
}

// One chunk is one lane task, so that replies of several sessions interleave: the first is due at
// the turn's deadline, a later one when the audio before it has been played.
void Session::next_chunk(SynthesisHandle stream, std::string text) {
  std::int64_t due_ns = deadline_ns();
  if (open_->reply_samples > 0) {
    due_ns = open_->clock.audio_ns() +
             open_->reply_samples * 1000 / stages_.synthesizer->rate_hz() * kNsPerMs;
  }
  const Status posted =
      ask_synthesizer({open_->ref, nullptr, due_ns}, std::move(stream), std::move(text),
                      [this, ref = open_->ref](EarlyAudio audio) {
                        on_chunk(ref, std::move(audio.stream), std::move(audio.chunk));
                      });
  if (!posted.ok()) fail_turn(posted);
}

void Session::on_chunk(TurnRef ref, SynthesisHandle stream, Result<AudioChunk> chunk) {
  if (stale(ref)) return;
  if (!chunk.ok()) return fail_turn(chunk.status().with_context("synthesis"));
  chunk->ref = ref;
  const bool last = chunk->is_last;
  if (!chunk->samples.empty()) open_->clock.audio_at(now_ns());
  open_->reply_samples += static_cast<std::int64_t>(chunk->samples.size());
  const bool room = sink_->on_audio(*chunk);
  if (stale(ref)) return;
  if (last) return finish_turn(TurnEndReason::kDone);
  if (!room)
    held_ = std::move(stream);
  else
    next_chunk(std::move(stream), {});
}

void Session::resume_reply() {
  if (!sink_ || !open_ || !held_) return;
  next_chunk(std::exchange(held_, nullptr), {});
}

}  // namespace antiphon
