// Frames of RFC 6455 by hand.
#include "tests/support/ws_test_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

namespace antiphon::test {
namespace {

std::chrono::steady_clock::time_point after(double seconds) {
  return std::chrono::steady_clock::now() +
         std::chrono::microseconds(static_cast<long>(seconds * 1e6));
}

}  // namespace

WsTestClient::~WsTestClient() { vanish(); }

void WsTestClient::vanish() {
  if (socket_ < 0) return;
  const linger hard{1, 0};  // a reset, not a goodbye
  setsockopt(socket_, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  ::close(socket_);
  socket_ = -1;
}

void WsTestClient::half_close() { shutdown(socket_, SHUT_WR); }

bool WsTestClient::connect(int port) {
  vanish();
  input_.clear();
  socket_ = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
}

int WsTestClient::open(int port, const std::string& path) {
  if (!connect(port)) return 0;
  send_raw("GET " + path +
           " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
  const auto deadline = after(5);
  std::size_t end = 0;
  while ((end = input_.find("\r\n\r\n")) == std::string::npos)
    if (!fill(deadline)) return 0;
  const int status = std::stoi(input_.substr(9, 3));
  input_.erase(0, end + 4);
  return status;
}

void WsTestClient::send_raw(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void WsTestClient::send_frame(int kind, std::string_view payload) {
  std::string bytes(1, static_cast<char>(0x80 | kind));
  if (payload.size() < 126) {
    bytes += static_cast<char>(0x80 | payload.size());
  } else {
    const int width = payload.size() < 65536 ? 2 : 8;
    bytes += static_cast<char>(0x80 | (width == 2 ? 126 : 127));
    for (int i = width - 1; i >= 0; --i)
      bytes += static_cast<char>(static_cast<std::uint64_t>(payload.size()) >> (8 * i));
  }
  const char mask[4] = {1, 2, 3, 4};
  bytes.append(mask, 4);
  for (std::size_t i = 0; i < payload.size(); ++i)
    bytes += static_cast<char>(payload[i] ^ mask[i % 4]);
  send_raw(bytes);
}

void WsTestClient::send_samples(double ms, short sample) {
  std::string frame(3200, '\0');
  for (std::size_t i = 0; i < 1600; ++i) std::memcpy(frame.data() + 2 * i, &sample, 2);
  for (double at_ms = 0; at_ms < ms; at_ms += 100) send_frame(WsFrame::kBinary, frame);
}
void WsTestClient::send_tone(double ms) { send_samples(ms, 8000); }
void WsTestClient::send_silence(double ms) { send_samples(ms, 0); }

bool WsTestClient::fill(std::chrono::steady_clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline - std::chrono::steady_clock::now());
  pollfd poll_in{socket_, POLLIN, 0};
  if (left.count() <= 0 || poll(&poll_in, 1, static_cast<int>(left.count())) <= 0) return false;
  char buffer[65536];
  const ssize_t got = recv(socket_, buffer, sizeof(buffer), 0);
  if (got <= 0) return false;
  input_.append(buffer, static_cast<std::size_t>(got));
  return true;
}

std::optional<WsFrame> WsTestClient::next(double timeout_s) {
  const auto deadline = after(timeout_s);
  while (true) {
    std::size_t need = 2, count = 0;
    if (input_.size() >= 2) {
      count = static_cast<unsigned char>(input_[1]) & 127;
      const std::size_t width = count == 126 ? 2 : count == 127 ? 8 : 0;
      need += width;
      if (width > 0 && input_.size() >= need) {
        count = 0;
        for (std::size_t i = 0; i < width; ++i)
          count = count << 8 | static_cast<unsigned char>(input_[2 + i]);
      }
      if (input_.size() >= need + count && input_.size() >= need) {
        WsFrame frame{input_[0] & 15, input_.substr(need, count)};
        input_.erase(0, need + count);
        if (frame.kind == WsFrame::kPing && answer_pings) send_frame(WsFrame::kPong, frame.payload);
        if (frame.kind == WsFrame::kPing || frame.kind == WsFrame::kPong) continue;
        return frame;
      }
    }
    if (!fill(deadline)) return std::nullopt;
  }
}

std::vector<nlohmann::json> WsTestClient::until(const std::string& type, double timeout_s) {
  std::vector<nlohmann::json> out;
  const auto deadline = after(timeout_s);
  while (std::chrono::steady_clock::now() < deadline) {
    const auto frame = next(timeout_s);
    if (!frame) break;
    if (frame->kind == WsFrame::kBinary) {
      audio_bytes += frame->payload.size();
      audio += frame->payload;
    }
    if (frame->kind == WsFrame::kClose) {
      input_.insert(0, std::string("\x88\x02", 2) + frame->payload.substr(0, 2));
      break;
    }
    if (frame->kind != WsFrame::kText) continue;
    out.push_back(nlohmann::json::parse(frame->payload));
    if (out.back()["type"] == type) break;
  }
  return out;
}

int WsTestClient::wait_close(double timeout_s) {
  const auto deadline = after(timeout_s);
  while (const auto frame = next(timeout_s)) {
    if (frame->kind != WsFrame::kClose) continue;
    if (frame->payload.size() < 2) return 1005;
    return static_cast<unsigned char>(frame->payload[0]) << 8 |
           static_cast<unsigned char>(frame->payload[1]);
  }
  return std::chrono::steady_clock::now() < deadline ? 0 : -1;
}

std::string WsTestClient::read_http(double timeout_s) {
  const auto deadline = after(timeout_s);
  while (fill(deadline)) continue;
  return std::exchange(input_, {});
}

std::string http_exchange(int port, const std::string& request) {
  WsTestClient client;
  if (!client.connect(port)) return "";
  client.send_raw(request);
  return client.read_http();
}

}  // namespace antiphon::test
