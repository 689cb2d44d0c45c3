// WebSocket++ behind server/transport.h: the only file that includes it, built as C++17.
#include <functional>
#include <utility>
#include <websocketpp/client.hpp>
#include <websocketpp/concurrency/none.hpp>
#include <websocketpp/config/core.hpp>
#include <websocketpp/config/core_client.hpp>
#include <websocketpp/server.hpp>

#include "server/transport.h"

namespace antiphon::server {
namespace {

namespace ws = websocketpp;

// One connection lives on one strand: no locks. Bytes come and go through the owner, so the stream
// transport is used, which knows no socket.
template <typename Base>
struct StrandConfig : public Base {
  using type = StrandConfig;
  using concurrency_type = ws::concurrency::none;
  using request_type = typename Base::request_type;
  using response_type = typename Base::response_type;
  using elog_type = ws::log::basic<concurrency_type, ws::log::elevel>;
  using alog_type = ws::log::basic<concurrency_type, ws::log::alevel>;
  using rng_type = typename Base::rng_type;
  static constexpr bool enable_multithreading = false;
  struct transport_config : public Base::transport_config {
    using concurrency_type = typename StrandConfig::concurrency_type;
    using elog_type = typename StrandConfig::elog_type;
    using alog_type = typename StrandConfig::alog_type;
    using request_type = typename StrandConfig::request_type;
    using response_type = typename StrandConfig::response_type;
    static constexpr bool enable_multithreading = false;
  };
  using transport_type = ws::transport::iostream::endpoint<transport_config>;
  static constexpr ws::log::level elog_level = ws::log::elevel::none;
  static constexpr ws::log::level alog_level = ws::log::alevel::none;
};

template <typename Endpoint>
class Protocol final : public WsProtocol {
 public:
  explicit Protocol(WsEvents& events) : events_(&events) {
    endpoint_.clear_access_channels(ws::log::alevel::all);
    endpoint_.clear_error_channels(ws::log::elevel::all);
  }
  ~Protocol() override {
    events_ = nullptr;
    if (connection_) connection_->eof();  // lets go of the handler that keeps it alive
  }

  Endpoint& endpoint() { return endpoint_; }

  void adopt(typename Endpoint::connection_ptr connection, std::size_t max_message_bytes) {
    connection_ = std::move(connection);
    connection_->set_max_message_size(max_message_bytes);
    connection_->set_open_handler([this](ws::connection_hdl) {
      if (events_) events_->on_open();
    });
    connection_->set_message_handler(
        [this](ws::connection_hdl, typename Endpoint::message_ptr message) {
          if (!events_) return;
          if (message->get_opcode() == ws::frame::opcode::text)
            events_->on_text(message->get_payload());
          else
            events_->on_binary(message->get_payload());
        });
    connection_->set_pong_handler([this](ws::connection_hdl, std::string) {
      if (events_) events_->on_pong();
    });
    connection_->set_write_handler(
        [this](ws::connection_hdl, char const* bytes, std::size_t count) {
          if (events_) events_->on_output({bytes, count});
          return ws::lib::error_code();
        });
    connection_->set_close_handler([this](ws::connection_hdl) { closed(); });
    connection_->set_fail_handler([this](ws::connection_hdl) { closed(); });
  }

  void feed(std::string_view bytes) override { connection_->read_all(bytes.data(), bytes.size()); }
  void end_of_input() override {
    connection_->eof();
    closed();
  }
  void send_text(std::string_view payload) override { send(payload, ws::frame::opcode::text); }
  void send_binary(std::string_view payload) override { send(payload, ws::frame::opcode::binary); }
  void ping() override {
    ws::lib::error_code ignored;
    connection_->ping("", ignored);
  }
  void close(int code, std::string_view reason) override {
    ws::lib::error_code ignored;
    // A control frame holds 125 bytes: two are the code.
    connection_->close(static_cast<ws::close::status::value>(code),
                       std::string(reason.substr(0, 123)), ignored);
  }

 private:
  void send(std::string_view payload, ws::frame::opcode::value opcode) {
    if (connection_->get_state() == ws::session::state::open)
      connection_->send(payload.data(), payload.size(), opcode);
  }
  void closed() {
    if (std::exchange(close_told_, true) || !events_) return;
    const int remote = connection_->get_remote_close_code();
    const int local = connection_->get_local_close_code();
    // Our own code says more than the peer's echo of it.
    const bool ours = local != ws::close::status::abnormal_close && local != 0;
    events_->on_close(ours ? local : remote, ours ? connection_->get_local_close_reason()
                                                  : connection_->get_remote_close_reason());
  }

  WsEvents* events_;
  Endpoint endpoint_;
  typename Endpoint::connection_ptr connection_;
  bool close_told_ = false;
};

using ServerProtocol = Protocol<ws::server<StrandConfig<ws::config::core>>>;
using ClientProtocol = Protocol<ws::client<StrandConfig<ws::config::core_client>>>;

}  // namespace

std::unique_ptr<WsProtocol> WsProtocol::accept(WsEvents& events, std::size_t max_message_bytes) {
  auto protocol = std::make_unique<ServerProtocol>(events);
  auto connection = protocol->endpoint().get_connection();
  protocol->adopt(connection, max_message_bytes);
  connection->start();
  return protocol;
}

Result<std::unique_ptr<WsProtocol>> WsProtocol::connect(WsEvents& events, const std::string& url,
                                                        std::size_t max_message_bytes) {
  auto protocol = std::make_unique<ClientProtocol>(events);
  ws::lib::error_code failure;
  auto connection = protocol->endpoint().get_connection(url, failure);
  if (failure)
    return invalid_argument("\"" + url +
                            "\" is not a WebSocket address; wanted ws://host:port/path");
  protocol->adopt(connection, max_message_bytes);
  protocol->endpoint().connect(connection);
  return std::unique_ptr<WsProtocol>(std::move(protocol));
}

}  // namespace antiphon::server
