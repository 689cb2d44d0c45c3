// Files of times that tuning took.
#pragma once

#include <span>
#include <string>

#include "engine/base/status.h"

namespace antiphon {

// Merges timing caches (BuildOptions::timing_cache), of the same machine or of one like it, into
// the first file, which need not be there yet. Of two times for the same thing the smaller stays:
// noise only adds. One file alone is left as it is.
// kNotFound: one behind the first is not there. kInvalidArgument: names file and line.
Status merge_timing_caches(std::span<const std::string> paths);

}  // namespace antiphon
