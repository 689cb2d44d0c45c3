// What the opaque handles of the C ABI hold; apart, so that tests can put stages of theirs in.
#pragma once

#include <memory>

#include "antiphon/assistant.h"

struct antiphon_assistant {
  std::unique_ptr<antiphon::Assistant> assistant;
};
