// POSIX socket and poll() around the WebSocket machine.
#include "server/ws_client.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

namespace antiphon::server {
namespace {

constexpr std::size_t kMaxMessageBytes = 16u << 20;

struct Address {
  std::string host, port;
};

// The host and port of ws://host[:port][/path].
Result<Address> parse_address(const std::string& url) {
  constexpr std::string_view kScheme = "ws://";
  if (url.rfind(kScheme, 0) != 0)
    return invalid_argument("server address \"" + url + "\": wanted ws://host:port/v1/converse");
  std::string rest = url.substr(kScheme.size());
  rest = rest.substr(0, rest.find('/'));
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string::npos || rest.back() == ']') return Address{rest, "80"};
  return Address{rest.substr(0, colon), rest.substr(colon + 1)};
}

Result<int> open_socket(const Address& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int failure = getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &found))
    return not_found(address.host + ": " + gai_strerror(failure));
  int fd = -1, error = 0;
  for (const addrinfo* at = found; at && fd < 0; at = at->ai_next) {
    fd = socket(at->ai_family, at->ai_socktype, at->ai_protocol);
    if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
      error = errno;
      ::close(fd);
      fd = -1;
    }
  }
  freeaddrinfo(found);
  if (fd < 0)
    return not_found("nobody answers at " + address.host + ":" + address.port + " (" +
                     std::strerror(error) + "); start the server with: antiphon serve");
  const int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  return fd;
}

}  // namespace

Result<std::unique_ptr<WsClient>> WsClient::connect(const std::string& url, double timeout_s) {
  ANTIPHON_ASSIGN_OR_RETURN(const Address address, parse_address(url));
  std::unique_ptr<WsClient> client(new WsClient);
  ANTIPHON_ASSIGN_OR_RETURN(client->socket_, open_socket(address));
  ANTIPHON_ASSIGN_OR_RETURN(client->ws_, WsProtocol::connect(*client, url, kMaxMessageBytes));
  ANTIPHON_RETURN_IF_ERROR(client->flush());
  const auto deadline = std::chrono::steady_clock::now() +
                        std::chrono::microseconds(static_cast<std::int64_t>(timeout_s * 1e6));
  while (!client->open_) {
    ANTIPHON_ASSIGN_OR_RETURN(const bool got, client->read_some(timeout_s));
    if (client->closed_) return not_found(url + ": does not speak WebSocket there");
    if (!got && std::chrono::steady_clock::now() > deadline)
      return timed_out(url + ": no answer in " + std::to_string(timeout_s) + " s");
  }
  return client;
}

WsClient::~WsClient() {
  if (socket_ >= 0) ::close(socket_);
}

void WsClient::on_text(std::string_view payload) {
  waiting_.push_back({true, std::string(payload)});
}
void WsClient::on_binary(std::string_view payload) {
  waiting_.push_back({false, std::string(payload)});
}

void WsClient::on_close(int code, std::string_view reason) {
  closed_ = true;
  close_text_ = "the server closed with " + std::to_string(code);
  if (!reason.empty()) close_text_ += ": " + std::string(reason);
}

Status WsClient::flush() {
  std::size_t at = 0;
  while (at < output_.size()) {
    const ssize_t sent = ::send(socket_, output_.data() + at, output_.size() - at, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) {
      output_.clear();
      return cancelled(std::string("the connection broke: ") + std::strerror(errno));
    }
    at += static_cast<std::size_t>(sent);
  }
  output_.clear();
  return {};
}

// False: nothing came in time.
Result<bool> WsClient::read_some(double timeout_s) {
  pollfd waiting{socket_, POLLIN, 0};
  const int ready = poll(&waiting, 1, static_cast<int>(timeout_s * 1e3));
  if (ready <= 0) return false;
  std::array<char, 65536> buffer;
  const ssize_t got = recv(socket_, buffer.data(), buffer.size(), 0);
  if (got <= 0) {
    ws_->end_of_input();
    closed_ = true;
    return true;
  }
  ws_->feed({buffer.data(), static_cast<std::size_t>(got)});
  const Status flushed = flush();
  if (!flushed.ok() && waiting_.empty()) return flushed;
  return true;
}

Status WsClient::send_text(std::string_view payload) {
  ws_->send_text(payload);
  return flush();
}
Status WsClient::send_binary(std::string_view payload) {
  ws_->send_binary(payload);
  return flush();
}

Result<std::optional<WsMessage>> WsClient::receive(double timeout_s) {
  if (waiting_.empty() && !closed_) {
    ANTIPHON_ASSIGN_OR_RETURN([[maybe_unused]] const bool got, read_some(timeout_s));
  }
  if (!waiting_.empty()) {
    std::optional<WsMessage> out = std::move(waiting_.front());
    waiting_.pop_front();
    return out;
  }
  if (closed_) return cancelled(close_text_.empty() ? "the server is gone" : close_text_);
  return std::optional<WsMessage>();
}

void WsClient::close() {
  ws_->close(1000, "");
  (void)flush();
}

}  // namespace antiphon::server
