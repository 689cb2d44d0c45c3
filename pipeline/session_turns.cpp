// Turns of a session: begin, interrupt, cancel, fail, finish.
#include <utility>

#include "pipeline/session.h"

namespace antiphon {

std::int64_t Session::deadline_ns() const {
  const std::int64_t start_ns =
      open_ && open_->clock.started() ? open_->clock.start_ns() : now_ns();
  return start_ns + static_cast<std::int64_t>(config_.deadline_ms * 1e6);
}

// What was going on is interrupted.
void Session::begin_turn(TurnKind kind) {
  if (open_) {
    drop_hearing();
    finish_turn(TurnEndReason::kInterrupted);
  }
  open_ = Turn();  // not emplace(): clang 14 takes Turn for not default-constructible in this class
  Turn& turn = *open_;
  turn.ref = {config_.session, ++last_turn_};
  turn.kind = kind;
  if (kind != TurnKind::kAudio) turn.clock.start(now_ns(), 0);
  live_turn_.store(turn.ref.turn);
}

// Barge-in: speech during an answer begins the next turn.
void Session::ensure_hearing() {
  if (!open_ || answering()) begin_turn(TurnKind::kAudio);
}

// The recogniser forgets the turn that is being heard, and all audio that arrived before now.
void Session::drop_hearing() {
  if (!open_ || open_->phase != Phase::kHearing) return;
  end_given_ = false;
  dropping_ = true;
  std::erase_if(inputs_, [](const Input& input) { return input.kind == InputKind::kEnd; });
  inputs_.push_back({InputKind::kCancel, {}, 0});
}

void Session::speech_end(double at_ms) {
  if (std::exchange(open_->speech_ended, true)) return;
  sink_->on_speech_end(open_->ref, at_ms);
}

void Session::send_final(Transcript transcript, FinalOrigin origin) {
  if (std::exchange(open_->final_sent, true)) return;
  transcript.ref = open_->ref;
  transcript.is_final = true;
  transcript.stable_bytes = static_cast<std::int32_t>(transcript.text.size());
  if (open_->kind == TurnKind::kAudio && origin == FinalOrigin::kHeard)
    open_->clock.final_at(now_ns());
  sink_->on_final(transcript, origin);
}

void Session::fail_turn(const Status& status) {
  sink_->on_error(open_->ref, status);
  if (sink_ && open_) finish_turn(TurnEndReason::kError);
}

void Session::finish_turn(TurnEndReason reason) {
  live_turn_.store(0);
  held_ = nullptr;
  send_final({}, FinalOrigin::kNone);
  const bool ahead = open_->early && open_->early->taken;
  drop_early();
  const Turn turn = *std::exchange(open_, std::nullopt);
  TurnEnd end;
  end.ref = turn.ref;
  end.kind = turn.kind;
  end.reason = reason;
  end.reply_samples = turn.reply_samples;
  end.played_ms = turn.played_ms;
  end.latency = turn.clock.latency();
  end.late = end.latency.total_ms > config_.deadline_ms;
  end.end_of_dialog = turn.end_of_dialog;
  end.ahead = ahead;
  end.num_in_vain = turn.num_in_vain;
  if (sink_) sink_->on_turn_end(end);
}

bool Session::cancel(std::uint32_t turn) {
  if (turn > last_turn_) return false;
  if (!sink_ || !open_ || (turn != 0 && turn != open_->ref.turn)) return true;
  drop_hearing();
  finish_turn(TurnEndReason::kCancelled);
  pump();
  return true;
}

bool Session::played(std::uint32_t turn, double ms) {
  if (turn > last_turn_) return false;
  if (open_ && open_->ref.turn == turn) open_->played_ms = ms;
  return true;
}

void Session::close() {
  sink_ = nullptr;
  live_turn_.store(0);
  drop_early();
  open_.reset();
  held_ = nullptr;
  inputs_.clear();
  waiting_samples_ = 0;
  if (!advancing_) stream_.reset();
}

}  // namespace antiphon
