// The server: one port for HTTP and WebSocket over one assistant.
#pragma once

#include <memory>

#include "antiphon/assistant.h"
#include "engine/base/log.h"
#include "engine/base/status.h"
#include "server/metrics.h"
#include "server/server_config.h"

namespace antiphon::server {

// Owns its I/O threads. Every call may come from any thread but an I/O thread. `assistant` and
// `logger` outlive it.
class Server {
 public:
  // Listens when it returns. kUnsupported: the address cannot be bound; the message says why.
  static Result<std::unique_ptr<Server>> start(const ServerConfig& config, Assistant& assistant,
                                               Logger& logger);
  // Drains as stop() does.
  ~Server();

  int port() const;
  // Takes no more connections, lets open turns finish up to drain_timeout_s, closes the rest with
  // 1001 and waits for all of it. Twice is once.
  void stop();
  Metrics& metrics();
  // Connections that are open now.
  int num_connections() const;

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Whether the address can be listened on now. kUnsupported: the message says why not.
Status check_port(const ServerConfig& config);

}  // namespace antiphon::server
