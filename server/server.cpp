// Accepting, the list of connections, and shutting down.
#include "server/server.h"

#include <algorithm>
#include <future>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "server/asio.h"
#include "server/connection.h"

namespace antiphon::server {
namespace asio = boost::asio;
using asio::ip::tcp;

struct Server::Impl {
  Impl(const ServerConfig& c, Assistant& a, Logger& l)
      : config(c),
        assistant(a),
        context{config, a, metrics, l},
        io(config.io_threads),
        strand(asio::make_strand(io.get_executor())),
        acceptor(strand),
        retry(strand) {}

  Status listen();
  void accept();
  void on_accept(const boost::system::error_code& error, tcp::socket socket);
  std::vector<std::shared_ptr<Connection>> open_connections();

  const ServerConfig config;
  Assistant& assistant;
  Metrics metrics;
  ServerContext context;
  asio::io_context io;
  asio::strand<asio::io_context::executor_type> strand;
  tcp::acceptor acceptor;
  asio::steady_timer retry;
  std::mutex mutex;  // of the list
  std::vector<std::weak_ptr<Connection>> connections;
  std::vector<std::thread> threads;
  std::once_flag stopped;
};

namespace {

Status listen_on(const ServerConfig& config, tcp::acceptor& acceptor) {
  boost::system::error_code error;
  const std::string where = config.address + ":" + std::to_string(config.port);
  const auto address = asio::ip::make_address(config.address, error);
  if (error) return invalid_argument("server.address \"" + config.address + "\" is not an address");
  const tcp::endpoint endpoint(address, static_cast<unsigned short>(config.port));
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error)
    return unsupported("cannot listen on " + where + ": " + error.message() +
                       "; choose another port with --port");
  return {};
}

}  // namespace

Status check_port(const ServerConfig& config) {
  asio::io_context io;
  tcp::acceptor acceptor(io);
  return listen_on(config, acceptor);
}

Status Server::Impl::listen() { return listen_on(config, acceptor); }

void Server::Impl::accept() {
  acceptor.async_accept(io, [this](const boost::system::error_code& error, tcp::socket socket) {
    on_accept(error, std::move(socket));
  });
}

void Server::Impl::on_accept(const boost::system::error_code& error, tcp::socket socket) {
  if (!acceptor.is_open()) return;
  if (error) {  // out of file descriptors, mostly: others will close soon
    context.logger.log(LogLevel::kWarning, "server", "accept: " + error.message());
    retry.expires_after(std::chrono::milliseconds(100));
    retry.async_wait([this](const boost::system::error_code& stopped_error) {
      if (!stopped_error) accept();
    });
    return;
  }
  auto connection = std::make_shared<Connection>(std::move(socket), context);
  {
    std::lock_guard lock(mutex);
    std::erase_if(connections, [](const auto& weak) { return weak.expired(); });
    connections.push_back(connection);
  }
  connection->run();
  accept();
}

std::vector<std::shared_ptr<Connection>> Server::Impl::open_connections() {
  std::lock_guard lock(mutex);
  std::vector<std::shared_ptr<Connection>> out;
  for (const auto& weak : connections)
    if (auto connection = weak.lock()) out.push_back(std::move(connection));
  return out;
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() { stop(); }

Result<std::unique_ptr<Server>> Server::start(const ServerConfig& config, Assistant& assistant,
                                              Logger& logger) {
  auto impl = std::make_unique<Impl>(config, assistant, logger);
  ANTIPHON_RETURN_IF_ERROR(impl->listen());
  asio::post(impl->strand, [p = impl.get()] { p->accept(); });
  for (int i = 0; i < config.io_threads; ++i)
    impl->threads.emplace_back([p = impl.get()] { p->io.run(); });
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

int Server::port() const {
  boost::system::error_code ignored;
  return impl_->acceptor.local_endpoint(ignored).port();
}

Metrics& Server::metrics() { return impl_->metrics; }

int Server::num_connections() const { return static_cast<int>(impl_->open_connections().size()); }

void Server::stop() {
  std::call_once(impl_->stopped, [this] {
    impl_->context.draining = true;
    std::promise<void> closed;
    asio::post(impl_->strand, [this, &closed] {
      boost::system::error_code ignored;
      impl_->acceptor.close(ignored);
      impl_->retry.cancel();
      closed.set_value();
    });
    closed.get_future().wait();
    for (const auto& connection : impl_->open_connections()) connection->drain();
    const auto deadline =
        std::chrono::steady_clock::now() +
        std::chrono::microseconds(static_cast<std::int64_t>(impl_->config.drain_timeout_s * 1e6));
    while (std::chrono::steady_clock::now() < deadline && !impl_->open_connections().empty())
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    for (const auto& connection : impl_->open_connections()) connection->abort();
    for (std::thread& thread : impl_->threads) thread.join();
    impl_->assistant.wait_idle();
  });
}

}  // namespace antiphon::server
