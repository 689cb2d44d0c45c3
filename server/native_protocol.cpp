// Order, limits and resampling of the native protocol.
#include "server/native_protocol.h"

#include <utility>

#include "server/error_map.h"

namespace antiphon::server {
namespace {

constexpr int kAsrRateHz = 16000;

}  // namespace

void NativeProtocol::fail(const Status& status, int code) {
  if (std::exchange(failed_, true)) return;
  metrics_.count_rejected(code);
  outbox_.send_text(error_json(status, true));
  outbox_.close(code, status.message());
}

void NativeProtocol::stop() {
  failed_ = true;
  if (!session_) return;
  session_->close();
  session_.reset();
}

void NativeProtocol::on_text_frame(std::string_view payload) {
  if (failed_) return;
  const Result<ClientMessage> message = parse_client_message(payload);
  if (message.ok()) return handle(*message);
  if (message.status().code() == StatusCode::kUnsupported)
    return fail(invalid_argument(message.status().message()), kCloseBadPayload);
  if (!session_) return fail(message.status(), kClosePolicy);
  warn(message.status());
}

void NativeProtocol::handle(const ClientMessage& message) {
  if (const auto* unknown = std::get_if<UnknownMessage>(&message)) {
    return warn(unsupported("type is \"" + unknown->type +
                            "\", wanted start, end, text, speak, cancel or played"));
  }
  if (const auto* begin = std::get_if<StartMessage>(&message)) return start(*begin);
  if (!session_) return fail(invalid_argument("the first message must be \"start\""), kClosePolicy);
  if (std::holds_alternative<EndMessage>(message)) {
    resampled_.clear();
    if (const Status s = resampler_->flush(resampled_); !s.ok()) return fail(s, kCloseInternal);
    session_->push_audio(resampled_);
    session_->end();
  } else if (const auto* text = std::get_if<TextMessage>(&message)) {
    session_->text(text->text);
  } else if (const auto* speak = std::get_if<SpeakMessage>(&message)) {
    session_->speak(speak->text);
  } else if (const auto* cancel = std::get_if<CancelMessage>(&message)) {
    if (!session_->cancel(cancel->turn))
      warn(not_found("cancel: there was no turn " + std::to_string(cancel->turn)));
  } else if (const auto* played = std::get_if<PlayedMessage>(&message)) {
    if (!session_->played(played->turn, played->ms))
      warn(not_found("played: there was no turn " + std::to_string(played->turn)));
  }
}

void NativeProtocol::start(const StartMessage& message) {
  if (session_) return fail(invalid_argument("\"start\" was sent twice"), kClosePolicy);
  start_ = message;
  Result<Resampler> resampler = Resampler::create(message.rate_hz, kAsrRateHz);
  if (!resampler.ok()) return fail(resampler.status(), kClosePolicy);
  resampler_ = std::move(resampler).value();
  SessionConfig config;
  config.recognizer.endpointing = message.endpointing;
  config.recognizer.partials = message.partials;
  config.recognizer.written = message.written;
  config.recognizer.hotwords = message.hotwords;
  config.recognizer.min_silence_ms = config_.min_silence_ms;
  config.recognizer.num_alternatives = config_.num_alternatives;
  config.reply = message.reply;
  config.synthesis.voice = message.voice;
  config.context = message.context;
  config.deadline_ms = config_.deadline_ms;
  config.think_ahead = config_.think_ahead;
  auto session = assistant_.open_session(config, executor_, *this);
  if (!session.ok())
    return fail(session.status().with_context("start"), close_code(session.status().code()));
  session_ = std::move(session).value();
  outbox_.send_text(ready_json({.session = session_->id(),
                                .reply_rate_hz = assistant_.reply_rate_hz(),
                                .models = assistant_.models(),
                                .voices = assistant_.voices(),
                                .max_message_bytes = config_.max_message_bytes,
                                .max_audio_s = config_.max_audio_s,
                                .idle_timeout_s = config_.idle_timeout_s}));
}

void NativeProtocol::on_binary_frame(std::string_view payload) {
  if (failed_) return;
  if (!session_) return fail(invalid_argument("audio came before \"start\""), kCloseWrongKind);
  const Result<std::vector<float>> pcm = decode_audio(start_.encoding, payload);
  if (!pcm.ok()) return fail(pcm.status(), kCloseBadPayload);
  audio_s_ += static_cast<double>(pcm->size()) / start_.rate_hz;
  if (audio_s_ > config_.max_audio_s)
    return fail(exhausted("a session takes at most " + std::to_string(config_.max_audio_s) +
                          " s of audio; open another one"),
                kClosePolicy);
  resampled_.clear();
  if (const Status s = resampler_->push(*pcm, resampled_); !s.ok()) return fail(s, kCloseInternal);
  session_->push_audio(resampled_);
  if (session_ && !paused_ && session_->audio_waiting_ms() > config_.max_waiting_audio_s * 1e3) {
    paused_ = true;
    outbox_.pause_reading(true);
  }
}

void NativeProtocol::on_audio_taken() {
  if (!paused_ || session_->audio_waiting_ms() > config_.max_waiting_audio_s * 500) return;
  paused_ = false;
  outbox_.pause_reading(false);
}

void NativeProtocol::on_room() {
  if (session_) session_->resume_reply();
}

// ---- session events ----

void NativeProtocol::on_speech_start(TurnRef ref, double at_ms) {
  outbox_.send_text(speech_json(true, ref.turn, at_ms));
}

void NativeProtocol::on_speech_end(TurnRef ref, double at_ms) {
  outbox_.send_text(speech_json(false, ref.turn, at_ms));
}

void NativeProtocol::on_partial(const Transcript& transcript) {
  if (start_.partials) outbox_.send_text(partial_json(transcript));
}

void NativeProtocol::on_final(const Transcript& transcript, FinalOrigin origin) {
  if (origin != FinalOrigin::kNone) outbox_.send_text(final_json(transcript));
}

void NativeProtocol::on_understanding(const Understanding& understanding) {
  outbox_.send_text(understanding_json(understanding));
}

void NativeProtocol::on_reply(const Reply& reply) { outbox_.send_text(reply_json(reply)); }

bool NativeProtocol::on_audio(const AudioChunk& chunk) {
  // No frame of the server is larger than what it takes from a client.
  const std::size_t most = config_.max_message_bytes / 2;
  for (std::size_t at = 0; at < chunk.samples.size(); at += most) {
    const std::size_t count = std::min(most, chunk.samples.size() - at);
    outbox_.send_binary(encode_pcm16(std::span(chunk.samples).subspan(at, count)));
  }
  return outbox_.has_room();
}

void NativeProtocol::on_error(TurnRef, const Status& status) {
  metrics_.count_error(status.code());
  if (status.code() == StatusCode::kDeviceLost) return fail(status, kCloseInternal);
  warn(status);
}

void NativeProtocol::on_turn_end(const TurnEnd& end) {
  metrics_.observe(end);
  outbox_.send_text(turn_end_json(end));
  if (turn_ended_) turn_ended_();
}

}  // namespace antiphon::server
