// Reading, writing, time-outs and closing of one connection.
#include "server/connection.h"

#include <utility>

#include "server/error_map.h"

namespace antiphon::server {
namespace asio = boost::asio;

Connection::Connection(asio::ip::tcp::socket socket, ServerContext& context)
    : context_(context),
      strand_(asio::make_strand(socket.get_executor())),
      socket_(std::move(socket)),
      idle_timer_(strand_),
      ping_timer_(strand_),
      pong_timer_(strand_),
      pause_timer_(strand_) {
  context_.metrics.add_connections(1);
}

Connection::~Connection() { context_.metrics.add_connections(-1); }

void Connection::run() {
  asio::dispatch(strand_, [self = shared_from_this()] {
    self->alive_ = self;
    boost::system::error_code ignored;
    self->socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
    self->arm(self->idle_timer_, self->context_.config.handshake_timeout_s,
              &Connection::on_handshake_expired);
    self->read_request();
  });
}

void Connection::drain() {
  asio::post(strand_, [self = shared_from_this()] {
    self->draining_ = true;
    self->close_when_drained();
  });
}

void Connection::close_when_drained() {
  if (finished_ || closing_ || (protocol_ && protocol_->busy())) return;
  if (!ws_) {
    if (!http_only_) finish();  // an answer that is being written goes out
  } else {
    close(kCloseGoingAway, "the server is shutting down");
  }
}

void Connection::abort() {
  asio::post(strand_, [self = shared_from_this()] {
    if (self->ws_ && !self->closing_) self->close(kCloseGoingAway, "the server is shutting down");
    if (!self->write_busy_)
      self->finish();
    else
      self->arm(self->idle_timer_, 1.0, &Connection::on_linger_expired);
  });
}

// A timer belongs to the connection through a weak hold, so that none keeps it alive.
void Connection::arm(Timer& timer, double seconds, void (Connection::*expired)()) {
  timer.expires_after(std::chrono::microseconds(static_cast<std::int64_t>(seconds * 1e6)));
  timer.async_wait([weak = weak_from_this(), expired](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self && !self->finished_) (self.get()->*expired)();
  });
}

void Connection::on_idle_expired() {
  if (protocol_ && protocol_->busy())  // the client listens to a long reply
    return arm(idle_timer_, context_.config.idle_timeout_s, &Connection::on_idle_expired);
  fail(timed_out(protocol_->started() ? "no message came for a long time"
                                      : "no \"start\" came in time"),
       kClosePolicy);
}

void Connection::on_ping_due() {
  if (closing_) return;
  ws_->ping();
  if (!std::exchange(pong_awaited_, true))
    arm(pong_timer_, context_.config.pong_timeout_s, &Connection::on_pong_expired);
  arm(ping_timer_, context_.config.ping_interval_s, &Connection::on_ping_due);
}

void Connection::on_pong() {
  pong_awaited_ = false;
  pong_timer_.cancel();
}

void Connection::on_pong_expired() {
  if (paused_) return;  // its pong may wait behind the audio that we do not read
  context_.metrics.count_rejected(kClosePolicy);
  finish();
}

void Connection::on_pause_expired() {
  fail(exhausted("recognition cannot keep up with the audio"), kCloseOverloaded);
}

void Connection::fail(const Status& status, int code) {
  if (closing_) return;
  context_.metrics.count_rejected(code);
  send_text(error_json(status, true));
  close(code, status.message());
}

// ---- the socket ----

void Connection::read() {
  if (finished_ || read_busy_ || paused_) return;
  read_busy_ = true;
  socket_.async_read_some(
      asio::buffer(input_),
      asio::bind_executor(strand_, [self = shared_from_this()](
                                       const boost::system::error_code& error, std::size_t count) {
        self->read_busy_ = false;
        self->on_read(error, count);
      }));
}

void Connection::on_read(const boost::system::error_code& error, std::size_t count) {
  if (finished_) return;
  if (error) {
    if (ws_) ws_->end_of_input();
    return finish();
  }
  if (half_closed_) return read();
  if (!ws_) return on_request_bytes(count);
  ws_->feed({input_.data(), count});
  read();
}

void Connection::on_output(std::string_view bytes) {
  if (finished_) return;
  output_.append(bytes);
  if (output_.size() > context_.config.max_output_bytes) {  // it does not read what it asked for
    context_.metrics.count_rejected(kClosePolicy);
    context_.logger.log(LogLevel::kWarning, "server", "a client does not read: connection closed");
    asio::post(strand_, [self = shared_from_this()] { self->finish(); });
    return;
  }
  write();
}

void Connection::write() {
  if (finished_ || write_busy_) return;
  if (output_.empty()) {
    if (!closing_ || !http_only_ || std::exchange(half_closed_, true)) return;
    boost::system::error_code ignored;
    socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    arm(idle_timer_, 1.0, &Connection::on_linger_expired);
    return read();
  }
  write_busy_ = true;
  writing_.swap(output_);
  asio::async_write(
      socket_, asio::buffer(writing_),
      asio::bind_executor(strand_, [self = shared_from_this()](
                                       const boost::system::error_code& error, std::size_t) {
        self->write_busy_ = false;
        self->writing_.clear();
        if (error) return self->finish();
        if (self->hungry_ && self->has_room()) {
          self->hungry_ = false;
          if (self->protocol_) self->protocol_->on_room();
        }
        self->write();
      }));
}

void Connection::finish() {
  if (std::exchange(finished_, true)) return;
  boost::system::error_code ignored;
  for (Timer* timer : {&idle_timer_, &ping_timer_, &pong_timer_, &pause_timer_}) timer->cancel();
  socket_.shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
  if (protocol_) {
    if (protocol_->started()) context_.metrics.add_sessions(-1);
    protocol_->stop();
  }
  if (std::exchange(admitted_, false)) --context_.num_sessions;
  asio::post(strand_, [self = std::move(alive_)] {});
}

// ---- WebSocket ----

void Connection::on_open() {
  arm(idle_timer_, context_.config.start_timeout_s, &Connection::on_idle_expired);
  arm(ping_timer_, context_.config.ping_interval_s, &Connection::on_ping_due);
  if (context_.draining) return close(kCloseGoingAway, "the server is shutting down");
  if (context_.num_sessions.fetch_add(1) >= context_.config.max_sessions) {
    --context_.num_sessions;
    return fail(exhausted("all sessions are in use; try again later"), kCloseOverloaded);
  }
  admitted_ = true;
}

void Connection::on_text(std::string_view payload) {
  if (closing_) return;
  arm(idle_timer_,
      protocol_->started() ? context_.config.idle_timeout_s : context_.config.start_timeout_s,
      &Connection::on_idle_expired);
  const bool started = protocol_->started();
  protocol_->on_text_frame(payload);
  if (!started && protocol_->started()) {
    context_.metrics.add_sessions(1);
    arm(idle_timer_, context_.config.idle_timeout_s, &Connection::on_idle_expired);
  }
}

void Connection::on_binary(std::string_view payload) {
  if (closing_) return;
  if (protocol_->started())
    arm(idle_timer_, context_.config.idle_timeout_s, &Connection::on_idle_expired);
  protocol_->on_binary_frame(payload);
}

// The closing handshake is over, or there was none: what waits is written, then the socket closes.
void Connection::on_close(int, std::string_view) {
  closing_ = true;
  http_only_ = true;  // no more frames: finish once the output is empty
  asio::post(strand_, [self = shared_from_this()] {
    if (self->protocol_ && !self->finished_) {
      if (self->protocol_->started()) self->context_.metrics.add_sessions(-1);
      self->protocol_->stop();
    }
    self->write();
  });
}

void Connection::send_text(std::string_view payload) {
  if (!closing_ && !finished_) ws_->send_text(payload);
}

void Connection::send_binary(std::string_view payload) {
  if (!closing_ && !finished_) ws_->send_binary(payload);
}

void Connection::close(int code, std::string_view reason) {
  if (closing_ || finished_) return;
  closing_ = true;
  ws_->close(code, reason);
  arm(idle_timer_, 2.0, &Connection::on_linger_expired);  // the peer may never answer the close
  pause_reading(false);
}

bool Connection::has_room() const {
  const bool room = output_.size() + writing_.size() < context_.config.room_output_bytes;
  const_cast<Connection*>(this)->hungry_ = !room;
  return room;
}

void Connection::pause_reading(bool pause) {
  if (paused_ == pause) return;
  paused_ = pause;
  if (pause) return arm(pause_timer_, context_.config.max_pause_s, &Connection::on_pause_expired);
  pause_timer_.cancel();
  on_pong();  // it may have waited behind the audio
  read();
}

}  // namespace antiphon::server
