// One WebSocket as a machine of bytes: bytes of the peer in, messages out, and the other way round.
//
// This header is C++17-clean: server/ws_transport.cpp behind it is built as C++17. No socket, no
// timer and no thread in here; whoever owns the socket feeds it and writes what it gives.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "engine/base/status.h"

namespace antiphon::server {

// Called from within feed(), send_*(), ping(), close() and end_of_input(), on the caller's thread.
class WsEvents {
 public:
  virtual ~WsEvents() = default;
  virtual void on_open() = 0;
  virtual void on_text(std::string_view payload) = 0;    // valid UTF-8, at most the limit
  virtual void on_binary(std::string_view payload) = 0;  // at most the limit
  virtual void on_pong() = 0;
  virtual void on_output(std::string_view bytes) = 0;  // to be written to the peer, in order
  // Once. Nothing comes after it but nothing was lost before it: write what waits, then close the
  // socket. 1005: the peer gave no code; 1006: there was no closing handshake.
  virtual void on_close(int code, std::string_view reason) = 0;
};

// Not thread-safe. `events` outlives it and must not destroy it from within an event. A message
// over the limit, text that is not UTF-8 and broken frames close with 1009, 1007 and 1002.
class WsProtocol {
 public:
  virtual ~WsProtocol() = default;
  // Waits for the client's request; its bytes are fed as they came.
  static std::unique_ptr<WsProtocol> accept(WsEvents& events, std::size_t max_message_bytes);
  // Writes the request of `url` (ws://host:port/path) at once. kInvalidArgument: not such a URL.
  static Result<std::unique_ptr<WsProtocol>> connect(WsEvents& events, const std::string& url,
                                                     std::size_t max_message_bytes);

  virtual void feed(std::string_view bytes) = 0;
  virtual void end_of_input() = 0;  // the peer is gone
  // After close() these do nothing.
  virtual void send_text(std::string_view payload) = 0;
  virtual void send_binary(std::string_view payload) = 0;
  virtual void ping() = 0;
  virtual void close(int code, std::string_view reason) = 0;  // starts the closing handshake
};

}  // namespace antiphon::server
