// The one table from status codes to close codes.
#include "server/error_map.h"

namespace antiphon::server {

int close_code(StatusCode code) {
  switch (code) {
    case StatusCode::kOk: return kCloseNormal;
    case StatusCode::kInvalidArgument:
    case StatusCode::kNotFound:
    case StatusCode::kUnsupported:
    case StatusCode::kTimeout: return kClosePolicy;
    case StatusCode::kExhausted: return kCloseOverloaded;
    case StatusCode::kCancelled: return kCloseGoingAway;
    case StatusCode::kDeviceLost:
    case StatusCode::kInternal: return kCloseInternal;
  }
  return kCloseInternal;
}

}  // namespace antiphon::server
