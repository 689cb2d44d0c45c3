// Status codes as WebSocket close codes.
#pragma once

#include "engine/base/status.h"

namespace antiphon::server {

enum CloseCode {
  kCloseNormal = 1000,
  kCloseGoingAway = 1001,
  kCloseWrongKind = 1003,   // a frame of a kind that does not belong here
  kCloseBadPayload = 1007,  // bad JSON or samples
  kClosePolicy = 1008,      // order or limits
  kCloseTooBig = 1009,
  kCloseInternal = 1011,
  kCloseOverloaded = 1013,
};

// The code with which a session that cannot go on is closed.
int close_code(StatusCode code);

}  // namespace antiphon::server
