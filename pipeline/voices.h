// Finds a voice by its name.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "engine/base/status.h"

namespace antiphon {

// Its place among `voices`, those of a Synthesizer. kInvalidArgument names what there is.
Result<int> find_voice(std::span<const std::string> voices, std::string_view name);

}  // namespace antiphon
