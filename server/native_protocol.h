// The native protocol over one connection: messages in, a session, messages out. Knows no socket.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "antiphon/assistant.h"
#include "antiphon/resampler.h"
#include "pipeline/session.h"
#include "server/metrics.h"
#include "server/native_messages.h"
#include "server/server_config.h"

namespace antiphon::server {

// Where a protocol's messages go. On the connection's strand.
class Outbox {
 public:
  virtual ~Outbox() = default;
  virtual void send_text(std::string_view payload) = 0;
  virtual void send_binary(std::string_view payload) = 0;
  // What was sent is written first.
  virtual void close(int code, std::string_view reason) = 0;
  virtual bool has_room() const = 0;
  virtual void pause_reading(bool pause) = 0;
};

// One a connection, on its strand. `outbox` and `assistant` outlive it.
class NativeProtocol final : public SessionSink {
 public:
  NativeProtocol(Assistant& assistant, const ServerConfig& config, Metrics& metrics,
                 std::shared_ptr<Executor> executor, Outbox& outbox)
      : assistant_(assistant),
        config_(config),
        metrics_(metrics),
        executor_(std::move(executor)),
        outbox_(outbox) {}
  ~NativeProtocol() override { stop(); }

  void on_text_frame(std::string_view payload);
  void on_binary_frame(std::string_view payload);
  void on_room();  // the outbox has room again
  bool started() const { return session_ != nullptr; }
  bool busy() const { return session_ && session_->busy(); }
  void stop();  // nothing is sent after it
  void on_drained(std::function<void()> call) { turn_ended_ = std::move(call); }

  void on_speech_start(TurnRef ref, double at_ms) override;
  void on_speech_end(TurnRef ref, double at_ms) override;
  void on_partial(const Transcript& transcript) override;
  void on_final(const Transcript& transcript, FinalOrigin origin) override;
  void on_understanding(const Understanding& understanding) override;
  void on_reply(const Reply& reply) override;
  bool on_audio(const AudioChunk& chunk) override;
  void on_error(TurnRef ref, const Status& status) override;
  void on_turn_end(const TurnEnd& end) override;
  void on_audio_taken() override;

 private:
  void start(const StartMessage& message);
  void handle(const ClientMessage& message);
  void fail(const Status& status, int code);
  void warn(const Status& status) { outbox_.send_text(error_json(status, false)); }

  Assistant& assistant_;
  const ServerConfig& config_;
  Metrics& metrics_;
  std::shared_ptr<Executor> executor_;
  Outbox& outbox_;
  std::shared_ptr<Session> session_;
  std::optional<Resampler> resampler_;
  StartMessage start_;
  double audio_s_ = 0;  // taken in this session
  bool failed_ = false, paused_ = false;
  std::vector<float> resampled_;
  std::function<void()> turn_ended_;
};

}  // namespace antiphon::server
