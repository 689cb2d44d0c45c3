// The HTTP side of a connection: one request, one answer, or the upgrade to WebSocket.
#include <algorithm>
#include <sstream>

#include "server/connection.h"

namespace antiphon::server {
namespace asio = boost::asio;
namespace http = boost::beast::http;
namespace {

constexpr std::size_t kMaxRequestBytes = 8192;

// Tasks of a session on the connection's strand. It counts as work of the I/O context, so that the
// context runs until the last session is gone.
class StrandExecutor final : public Executor {
 public:
  explicit StrandExecutor(asio::strand<asio::any_io_executor> strand)
      : strand_(std::move(strand)), work_(asio::make_work_guard(strand_.get_inner_executor())) {}
  void post(std::function<void()> task) override { asio::post(strand_, std::move(task)); }

 private:
  asio::strand<asio::any_io_executor> strand_;
  asio::executor_work_guard<asio::any_io_executor> work_;
};

std::string json_error(std::string_view message) {
  return "{\"error\":\"" + std::string(message) + "\"}\n";
}

}  // namespace

void Connection::on_handshake_expired() {
  respond(408, "application/json", json_error("the request did not come in time"));
}

void Connection::read_request() { read(); }

void Connection::on_request_bytes(std::size_t count) {
  if (closing_) return read();
  request_bytes_.append(input_.data(), count);
  const std::size_t end = request_bytes_.find("\r\n\r\n");
  if (end == std::string::npos || end + 4 > kMaxRequestBytes) {
    if (request_bytes_.size() > kMaxRequestBytes)
      return respond(431, "application/json", json_error("the request header is over 8192 bytes"));
    return read();
  }
  Request parser;
  parser.header_limit(kMaxRequestBytes);
  boost::system::error_code error;
  parser.put(asio::buffer(request_bytes_.data(), end + 4), error);
  const bool parsed = parser.is_header_done();
  if (!parsed ||
      (error && error != http::error::need_more && error != http::error::unexpected_body))
    return respond(400, "application/json", json_error("not an HTTP/1.1 request"));
  answer(parser.get());
}

void Connection::answer(const Request::value_type& request) {
  const std::string_view target(request.target().data(), request.target().size());
  const std::string_view path = target.substr(0, target.find('?'));
  const bool get = request.method() == http::verb::get || request.method() == http::verb::head;
  const bool known = path == "/healthz" || path == "/metrics" || path == "/v1/converse";
  if (!known)
    return respond(404, "application/json",
                   json_error("there is no such path; there are /v1/converse (WebSocket), /healthz "
                              "and /metrics"));
  if (!get) return respond(405, "application/json", json_error("only GET is taken here"), "GET");
  if (path == "/healthz") {
    if (context_.draining) return respond(503, "text/plain", "draining\n");
    return respond(200, "text/plain", "ok\n");
  }
  if (path == "/metrics") return respond(200, "text/plain; version=0.0.4", context_.metrics.text());
  if (!boost::beast::iequals(request[http::field::upgrade], "websocket"))
    return respond(426, "application/json", json_error("/v1/converse speaks WebSocket"));
  if (request[http::field::sec_websocket_version] != "13" ||
      request[http::field::sec_websocket_key].empty())
    return respond(400, "application/json",
                   json_error("the upgrade needs Sec-WebSocket-Version 13 and Sec-WebSocket-Key"));
  upgrade();
}

void Connection::respond(int status, std::string_view content_type, std::string_view body,
                         std::string_view allow) {
  if (closing_ || finished_) return;
  context_.metrics.count_http(status);
  http::response<http::string_body> response(static_cast<http::status>(status), 11);
  response.set(http::field::content_type, {content_type.data(), content_type.size()});
  response.set(http::field::connection, "close");
  if (!allow.empty()) response.set(http::field::allow, {allow.data(), allow.size()});
  if (status == 426) response.set(http::field::upgrade, "websocket");
  response.body() = body;
  response.prepare_payload();
  std::ostringstream bytes;
  bytes << response;
  closing_ = http_only_ = true;
  arm(idle_timer_, context_.config.handshake_timeout_s, &Connection::on_linger_expired);
  on_output(bytes.str());
}

// From here on the bytes are WebSocket++'s, beginning with the request itself.
void Connection::upgrade() {
  ws_ = WsProtocol::accept(*this, context_.config.max_message_bytes);
  protocol_ =
      std::make_unique<NativeProtocol>(context_.assistant, context_.config, context_.metrics,
                                       std::make_shared<StrandExecutor>(strand_), *this);
  protocol_->on_drained([this] {
    if (draining_) close_when_drained();
  });
  const std::string bytes = std::move(request_bytes_);
  request_bytes_.clear();
  ws_->feed(bytes);
  read();
}

}  // namespace antiphon::server
