// What the server counts, as Prometheus text.
#pragma once

#include <memory>
#include <string>

#include "engine/base/status.h"
#include "pipeline/session_events.h"

namespace antiphon::server {

// Thread-safe.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  void observe(const TurnEnd& end);
  void count_error(StatusCode code);
  void count_rejected(int close_code);
  void count_http(int status);
  void add_connections(int change);
  void add_sessions(int change);
  std::string text() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace antiphon::server
