// The native protocol at the pace of speech.
#include "bench/turn_client.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <random>
#include <span>

#include "server/audio_codec.h"
#include "server/ws_client.h"

namespace antiphon::bench {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;

constexpr std::size_t kChunkSamples = kRecordingRateHz / 10;
constexpr double kPauseS = 0.3;  // between an answer and the next question

double seconds_between(Time from, Time to) {
  return std::chrono::duration<double>(to - from).count();
}
Clock::duration seconds(double s) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(s));
}

// Where playback of the answer stands: it starts with the first chunk and stops when none is there.
class Playback {
 public:
  explicit Playback(int rate_hz) : rate_hz_(rate_hz) {}

  void add(std::size_t samples, Time now, SpokenTurn& turn) {
    ++turn.chunks;
    if (turn.chunks == 1) ends_ = now;
    if (now > ends_) {
      ++turn.late_chunks;
      turn.dry_ms += 1e3 * seconds_between(ends_, now);
      ends_ = now;
    }
    ends_ += seconds(static_cast<double>(samples) / rate_hz_);
  }
  Time ends() const { return ends_; }

 private:
  int rate_hz_;
  Time ends_{};
};

class Client {
 public:
  Client(const TurnClientConfig& config, std::unique_ptr<server::WsClient> socket, int number)
      : config_(config), socket_(std::move(socket)), random_(static_cast<unsigned>(number)) {}

  Status start() {
    const json start = {
        {"type", "start"}, {"rate_hz", kRecordingRateHz}, {"endpointing", config_.endpointing}};
    ANTIPHON_RETURN_IF_ERROR(socket_->send_text(start.dump()));
    const Time give_up = Clock::now() + seconds(config_.timeout_s);
    while (rate_hz_ == 0) {
      if (Clock::now() > give_up) return timed_out("the server did not say ready");
      ANTIPHON_RETURN_IF_ERROR(take_until(Clock::now() + seconds(0.1)));
    }
    due_ = Clock::now();
    return {};
  }

  Result<SpokenTurn> speak(const Question& question) {
    turn_ = {};
    turn_.id = question.id;
    playback_ = Playback(rate_hz_);
    ended_ = false;
    if (!config_.endpointing) due_ = Clock::now();
    const std::span<const float> pcm = question.pcm;
    for (std::size_t at = 0; at < pcm.size() && !ended_; at += kChunkSamples)
      ANTIPHON_RETURN_IF_ERROR(send(pcm.subspan(at, std::min(kChunkSamples, pcm.size() - at))));
    if (!config_.endpointing && !ended_)
      ANTIPHON_RETURN_IF_ERROR(socket_->send_text(R"({"type":"end"})"));
    said_ = Clock::now();
    ANTIPHON_RETURN_IF_ERROR(wait([&] { return ended_; }));
    const Time resume = config_.listen ? std::max(playback_.ends(), Clock::now()) : Clock::now();
    ANTIPHON_RETURN_IF_ERROR(
        wait([until = resume + seconds(kPauseS)] { return Clock::now() >= until; }));
    return turn_;
  }

  void close() { socket_->close(); }

 private:
  // Sends `pcm` when its last sample would have been spoken.
  Status send(std::span<const float> pcm) {
    due_ += seconds(static_cast<double>(pcm.size()) / kRecordingRateHz);
    ANTIPHON_RETURN_IF_ERROR(take_until(due_));
    return socket_->send_binary(server::encode_pcm16(pcm));
  }

  // The microphone stays open where the server listens for ends: a faint noise goes on.
  template <typename Done>
  Status wait(const Done& done) {
    const Time give_up = Clock::now() + seconds(config_.timeout_s + 60 * config_.listen);
    std::vector<float> room(kChunkSamples);
    std::normal_distribution<float> noise(0, 5e-4f);
    while (!done()) {
      if (Clock::now() > give_up) return timed_out(turn_.id + ": the turn did not end");
      if (config_.endpointing) {
        for (float& x : room) x = noise(random_);
        ANTIPHON_RETURN_IF_ERROR(send(room));
      } else {
        ANTIPHON_RETURN_IF_ERROR(take_until(Clock::now() + seconds(0.01)));
      }
    }
    return {};
  }

  Status take_until(Time time) {
    while (true) {
      const double left = seconds_between(Clock::now(), time);
      if (left <= 0) return {};
      ANTIPHON_ASSIGN_OR_RETURN(const auto message, socket_->receive(left));
      if (message) ANTIPHON_RETURN_IF_ERROR(take(*message, Clock::now()));
    }
  }

  Status take(const server::WsMessage& message, Time now) {
    if (!message.is_text) {
      if (turn_.chunks == 0) turn_.first_audio_ms = 1e3 * seconds_between(said_, now);
      playback_.add(message.payload.size() / 2, now, turn_);
      return {};
    }
    const json m = json::parse(message.payload, nullptr, /*allow_exceptions=*/false);
    if (!m.is_object())
      return internal_error("the server sent what is not JSON: " + message.payload);
    const std::string type = m.value("type", "");
    if (type == "ready") rate_hz_ = m.value("reply_rate_hz", 0);
    if (type == "final") turn_.heard = m.value("text", "");
    if (type == "understanding") turn_.intent = m.value("intent", "");
    if (type == "reply") turn_.reply = m.value("text", "");
    if (type == "error") return internal_error("the server says: " + m.value("message", ""));
    if (type != "turn_end") return {};
    const json l = m.value("latency_ms", json::object());
    turn_.latency = {l.value("asr", 0.0),   l.value("nlu", 0.0),      l.value("tts", 0.0),
                     l.value("total", 0.0), l.value("endpoint", 0.0), l.value("heard", 0.0)};
    turn_.reason = m.value("reason", "");
    turn_.ahead = m.value("ahead", false);
    if (turn_.reason == "interrupted") {  // ended within the question, whose rest began a new turn
      ++turn_.interrupted;
      playback_ = Playback(rate_hz_);
      turn_.chunks = turn_.late_chunks = 0;
      return {};
    }
    ended_ = true;
    return {};
  }

  const TurnClientConfig& config_;
  std::unique_ptr<server::WsClient> socket_;
  std::mt19937 random_;
  SpokenTurn turn_;
  Playback playback_{1};
  int rate_hz_ = 0;
  bool ended_ = false;
  Time due_{}, said_{};
};

}  // namespace

Result<std::vector<SpokenTurn>> speak_turns(const TurnClientConfig& config,
                                            const std::vector<Question>& questions,
                                            std::atomic<int>& next, int count, int client) {
  ANTIPHON_ASSIGN_OR_RETURN(auto socket, server::WsClient::connect(config.url, 10));
  Client user(config, std::move(socket), client);
  ANTIPHON_RETURN_IF_ERROR(user.start());
  std::vector<SpokenTurn> out;
  const auto question = [&](int n) -> const Question& {
    return questions[static_cast<std::size_t>(n) % questions.size()];
  };
  for (int i = 0; i < config.warm_up_turns; ++i)
    ANTIPHON_RETURN_IF_ERROR(user.speak(question(7 * client + i)).status());
  for (int n = next++; n < count; n = next++) {
    ANTIPHON_ASSIGN_OR_RETURN(SpokenTurn turn, user.speak(question(n)));
    out.push_back(std::move(turn));
  }
  user.close();
  return out;
}

}  // namespace antiphon::bench
