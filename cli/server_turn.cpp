// The native protocol from the client's side.
#include "cli/server_turn.h"

#include <chrono>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <span>
#include <thread>

#include "antiphon/resampler.h"
#include "cli/command.h"
#include "server/audio_codec.h"
#include "server/ws_client.h"

namespace antiphon::cli {
namespace {

using nlohmann::json;
using Time = std::chrono::steady_clock::time_point;

constexpr double kChunkMs = 100;
constexpr int kMaxRateHz = 48000;
constexpr double kSilenceS = 3;  // after which a server that heard no end is told

double seconds_until(Time time) {
  return std::max(0.0,
                  std::chrono::duration<double>(time - std::chrono::steady_clock::now()).count());
}

struct Turn {
  ConverseResult result;
  Status error;
  bool ready = false, heard = false, ended = false;
};

void read_final(const json& m, Transcript& out) {
  out.text = m.value("text", "");
  out.spoken = m.value("spoken", out.text);
  out.is_final = true;
  out.confidence = m.value("confidence", 0.0f);
  for (const json& w : m.value("words", json::array()))
    out.words.push_back({w.value("word", ""), w.value("start_ms", 0.0), w.value("end_ms", 0.0),
                         w.value("confidence", 0.0f)});
}

void read_understanding(const json& m, Understanding& out) {
  out.intent = m.value("intent", "");
  out.confidence = m.value("confidence", 0.0f);
  out.in_scope = m.value("in_scope", false);
  out.answer = m.value("answer", "");
  for (const json& s : m.value("slots", json::array()))
    out.slots.push_back({s.value("name", ""), s.value("value", ""), s.value("text", ""),
                         s.value("start", 0), s.value("end", 0)});
}

void read_end(const json& m, ConverseResult& out) {
  const json l = m.value("latency_ms", json::object());
  out.latency = {l.value("asr", 0.0),   l.value("nlu", 0.0),      l.value("tts", 0.0),
                 l.value("total", 0.0), l.value("endpoint", 0.0), l.value("heard", 0.0)};
  const std::string reason = m.value("reason", "error");
  out.reason = reason == "done"        ? TurnEndReason::kDone
               : reason == "no_speech" ? TurnEndReason::kNoSpeech
                                       : TurnEndReason::kError;
}

Status take(const server::WsMessage& message, const ServerTurnOptions& options, Turn& turn) {
  if (!message.is_text) {
    ANTIPHON_ASSIGN_OR_RETURN(const auto pcm,
                              server::decode_audio(server::Encoding::kPcm16, message.payload));
    auto& samples = turn.result.answer.samples;
    samples.insert(samples.end(), pcm.begin(), pcm.end());
    return {};
  }
  try {
    const json m = json::parse(message.payload);
    const std::string type = m.value("type", "");
    if (type == "ready") {
      turn.ready = true;
      turn.result.answer.rate_hz = m.value("reply_rate_hz", 0);
    } else if (type == "partial" && options.on_partial) {
      options.on_partial(m.value("text", ""));
    } else if (type == "final") {
      read_final(m, turn.result.transcript);
      turn.heard = true;
    } else if (type == "understanding") {
      read_understanding(m, turn.result.understanding);
    } else if (type == "reply") {
      turn.result.reply.text = m.value("text", "");
    } else if (type == "turn_end") {
      read_end(m, turn.result);
      turn.heard = turn.ended = true;
    } else if (type == "error") {
      turn.error = internal_error("the server says: " + m.value("message", ""));
    }
  } catch (const json::exception& error) {
    return internal_error(std::string("the server sent a message that is not understood: ") +
                          error.what());
  }
  return {};
}

// One connection for one turn.
class TurnClient {
 public:
  TurnClient(server::WsClient& client, const ServerTurnOptions& options)
      : client_(client), options_(options) {}

  Status begin(int rate_hz) {
    json start = {{"type", "start"},
                  {"rate_hz", rate_hz},
                  {"endpointing", options_.endpointing},
                  {"written", options_.written},
                  {"reply", options_.speak_reply ? "audio" : "none"}};
    if (!options_.context.empty()) start["context"] = options_.context;
    if (!options_.voice.empty()) start["voice"] = options_.voice;
    for (const HotWord& word : options_.hotwords)
      start["hotwords"].push_back({{"text", word.text}, {"boost", word.boost}});
    ANTIPHON_RETURN_IF_ERROR(send(start));
    return take_until(after(options_.timeout_s), turn_.ready);
  }

  // In chunks until `done`, each when its last sample would have been spoken.
  Status send_audio(std::span<const float> pcm, int rate_hz, const bool& done) {
    const auto chunk = static_cast<std::size_t>(rate_hz * kChunkMs / 1000);
    Time due = std::chrono::steady_clock::now();
    for (std::size_t at = 0; at < pcm.size() && !done; at += chunk) {
      const std::size_t count = std::min(chunk, pcm.size() - at);
      if (options_.real_time)
        due += std::chrono::microseconds(
            static_cast<std::int64_t>(1e6 * static_cast<double>(count) / rate_hz));
      ANTIPHON_RETURN_IF_ERROR(take_until(due, done));
      const std::string bytes = server::encode_pcm16(pcm.subspan(at, count));
      show(true, std::to_string(bytes.size()) + " bytes of audio");
      ANTIPHON_RETURN_IF_ERROR(client_.send_binary(bytes));
    }
    return {};
  }

  Status end() { return turn_.heard ? Status() : send({{"type", "end"}}); }

  Result<ConverseResult> finish() {
    ANTIPHON_RETURN_IF_ERROR(take_until(after(options_.timeout_s), turn_.ended));
    if (!turn_.ended) return timed_out("the turn did not end in time");
    return std::move(turn_.result);
  }

  const bool& heard() const { return turn_.heard; }
  const bool& ended() const { return turn_.ended; }

 private:
  static Time after(double seconds) {
    return std::chrono::steady_clock::now() +
           std::chrono::microseconds(static_cast<std::int64_t>(seconds * 1e6));
  }
  void show(bool sent, const std::string& message) const {
    if (options_.on_message) options_.on_message(sent, message);
  }
  Status send(const json& message) {
    show(true, write_json(message));
    return client_.send_text(write_json(message));
  }
  // Takes messages until `time`, or until `done`.
  Status take_until(Time time, const bool& done) {
    do {
      ANTIPHON_ASSIGN_OR_RETURN(const auto message, client_.receive(seconds_until(time)));
      if (message) {
        show(false, message->is_text ? message->payload
                                     : std::to_string(message->payload.size()) + " bytes of audio");
        ANTIPHON_RETURN_IF_ERROR(take(*message, options_, turn_));
      }
      if (!turn_.error.ok() && (turn_.ended || !turn_.ready)) return turn_.error;
    } while (!done && seconds_until(time) > 0);
    return {};
  }

  server::WsClient& client_;
  const ServerTurnOptions& options_;
  Turn turn_;
};

}  // namespace

Result<ConverseResult> converse_with_server(const Recording& question,
                                            const ServerTurnOptions& options) {
  int rate_hz = question.rate_hz;
  std::vector<float> pcm = question.samples;
  if (rate_hz < 8000 || rate_hz > kMaxRateHz) {  // what the protocol takes
    ANTIPHON_ASSIGN_OR_RETURN(pcm, resample(pcm, rate_hz, 16000));
    rate_hz = 16000;
  }
  ANTIPHON_ASSIGN_OR_RETURN(auto client, server::WsClient::connect(options.url, 10));
  TurnClient turn(*client, options);
  ANTIPHON_RETURN_IF_ERROR(turn.begin(rate_hz));
  ANTIPHON_RETURN_IF_ERROR(turn.send_audio(pcm, rate_hz, turn.ended()));
  if (options.endpointing) {  // a microphone goes on after the speech: the server hears the silence
    const std::vector<float> silence(static_cast<std::size_t>(kSilenceS * rate_hz), 0.0f);
    ANTIPHON_RETURN_IF_ERROR(turn.send_audio(silence, rate_hz, turn.heard()));
  }
  ANTIPHON_RETURN_IF_ERROR(turn.end());
  Result<ConverseResult> out = turn.finish();
  if (out.ok()) client->close();
  return out;
}

}  // namespace antiphon::cli
