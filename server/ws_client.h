// A blocking WebSocket client: for the command line and for tests of other servers.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/status.h"
#include "server/transport.h"

namespace antiphon::server {

struct WsMessage {
  bool is_text = true;
  std::string payload;
};

// Not thread-safe. Owns its socket.
class WsClient final : private WsEvents {
 public:
  // ws://host:port/path. kNotFound: nobody answers there. kTimeout. kInvalidArgument: the URL.
  static Result<std::unique_ptr<WsClient>> connect(const std::string& url, double timeout_s);
  ~WsClient() override;

  Status send_text(std::string_view payload);
  Status send_binary(std::string_view payload);
  // The next message; nothing: none came in time. kCancelled: the server closed; the message says
  // with which code.
  Result<std::optional<WsMessage>> receive(double timeout_s);
  void close();

 private:
  WsClient() = default;
  Status flush();
  Result<bool> read_some(double timeout_s);

  void on_open() override { open_ = true; }
  void on_text(std::string_view payload) override;
  void on_binary(std::string_view payload) override;
  void on_pong() override {}
  void on_output(std::string_view bytes) override { output_.append(bytes); }
  void on_close(int code, std::string_view reason) override;

  std::unique_ptr<WsProtocol> ws_;
  std::deque<WsMessage> waiting_;
  std::string output_, close_text_;
  int socket_ = -1;
  bool open_ = false, closed_ = false;
};

}  // namespace antiphon::server
