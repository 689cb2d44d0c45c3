// One client's socket: reads the HTTP request, answers it, or becomes a WebSocket.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "engine/base/log.h"
#include "server/asio.h"
#include "server/metrics.h"
#include "server/native_protocol.h"
#include "server/server_config.h"
#include "server/transport.h"

namespace antiphon::server {

// What connections share; outlives them.
struct ServerContext {
  const ServerConfig& config;
  Assistant& assistant;
  Metrics& metrics;
  Logger& logger;
  std::atomic<int> num_sessions{0};  // WebSockets that were let in
  std::atomic<bool> draining{false};
};

// Lives on its strand. shared_ptr: its pending handlers share it with the server's list.
class Connection final : public std::enable_shared_from_this<Connection>,
                         public WsEvents,
                         public Outbox {
 public:
  Connection(boost::asio::ip::tcp::socket socket, ServerContext& context);
  ~Connection() override;

  void run();    // any thread
  void drain();  // any thread: close with 1001 once no turn is open
  void abort();  // any thread: close with 1001 now

 private:
  using Timer = boost::asio::steady_timer;
  using Request = boost::beast::http::request_parser<boost::beast::http::empty_body>;

  // HTTP (connection_http.cpp).
  void read_request();
  void on_request_bytes(std::size_t count);
  void answer(const Request::value_type& request);
  void respond(int status, std::string_view content_type, std::string_view body,
               std::string_view allow = {});
  void upgrade();

  // The socket.
  void read();
  void on_read(const boost::system::error_code& error, std::size_t count);
  void write();
  void finish();  // closes the socket; nothing comes after it
  void arm(Timer& timer, double seconds, void (Connection::*expired)());
  void on_handshake_expired();
  void on_idle_expired();
  void on_ping_due();
  void on_pong_expired();
  void on_pause_expired();
  void on_linger_expired() { finish(); }
  void fail(const Status& status, int code);
  void close_when_drained();

  // WsEvents.
  void on_open() override;
  void on_text(std::string_view payload) override;
  void on_binary(std::string_view payload) override;
  void on_pong() override;
  void on_output(std::string_view bytes) override;
  void on_close(int code, std::string_view reason) override;

  // Outbox.
  void send_text(std::string_view payload) override;
  void send_binary(std::string_view payload) override;
  void close(int code, std::string_view reason) override;
  bool has_room() const override;
  void pause_reading(bool pause) override;

  ServerContext& context_;
  boost::asio::strand<boost::asio::any_io_executor> strand_;
  boost::asio::ip::tcp::socket socket_;
  Timer idle_timer_, ping_timer_, pong_timer_, pause_timer_;
  std::shared_ptr<Connection> alive_;  // from run() to finish()
  std::string request_bytes_;
  std::unique_ptr<WsProtocol> ws_;
  std::unique_ptr<NativeProtocol> protocol_;
  std::array<char, 16384> input_;
  std::string output_, writing_;  // waiting; being written
  bool write_busy_ = false, read_busy_ = false, paused_ = false, hungry_ = false;
  bool closing_ = false;      // a close frame was sent or came: write what waits, then finish
  bool half_closed_ = false;  // all is written; waits for the peer to close, a little
  bool pong_awaited_ = false;
  bool finished_ = false, admitted_ = false, draining_ = false, http_only_ = false;
};

}  // namespace antiphon::server
