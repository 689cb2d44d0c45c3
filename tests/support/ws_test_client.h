// A WebSocket client of the tests on plain POSIX sockets: it can also send what no client should.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace antiphon::test {

struct WsFrame {
  enum Kind { kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };
  int kind = 0;
  std::string payload;
};

// Blocking; every wait is bounded by a time-out. Answers pings unless told not to.
class WsTestClient {
 public:
  ~WsTestClient();
  bool connect(int port);  // the socket alone
  // connect(), and the upgrade; the status of the answer, 0: none.
  int open(int port, const std::string& path = "/v1/converse");
  void send_raw(std::string_view bytes);
  void send_frame(int kind, std::string_view payload);
  void send_text(std::string_view payload) { send_frame(WsFrame::kText, payload); }
  void send_json(const nlohmann::json& message) { send_text(message.dump()); }
  // PCM16: `ms` milliseconds at 16 kHz, in frames of 100 ms.
  void send_tone(double ms);
  void send_silence(double ms);
  // The next frame but pings and pongs; nothing: the time is over, or the peer has closed.
  std::optional<WsFrame> next(double timeout_s = 5);
  // JSON messages up to the first of `type`, it included; the audio between goes to `audio`.
  std::vector<nlohmann::json> until(const std::string& type, double timeout_s = 5);
  // The close code; 0: the socket closed without one; -1: it stayed open.
  int wait_close(double timeout_s = 5);
  std::string read_http(double timeout_s = 5);  // everything until the peer closes
  void vanish();                                // closes at once, without a word
  void half_close();

  std::size_t audio_bytes = 0;
  std::string audio;  // PCM16
  bool answer_pings = true;

 private:
  bool fill(std::chrono::steady_clock::time_point deadline);
  void send_samples(double ms, short sample);
  int socket_ = -1;
  std::string input_;
  int close_code_ = 0;
};

// One HTTP request; the whole answer.
std::string http_exchange(int port, const std::string& request);

}  // namespace antiphon::test
