// What the calls of the C ABI share: errors by thread, texts to give away, options that grow.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>

#include "engine/base/status.h"

namespace antiphon::c {

// Of the calling thread.
const std::string& last_error();
// The call's code, its message kept as this thread's last error; what it throws is kInternal.
int32_t guarded(const std::function<Status()>& call);
// A copy for antiphon_free().
Status give(const std::string& text, char** out);

inline std::string text_of(const char* text) { return text ? text : ""; }

// A caller built against an older header has a shorter struct: what it lacks stays zero.
template <typename Options>
Result<Options> read_options(const Options* options, std::size_t min_bytes, const char* name) {
  Options out{};
  if (!options) return out;
  if (options->struct_bytes < min_bytes)
    return invalid_argument(std::string(name) + ".struct_bytes is " +
                            std::to_string(options->struct_bytes) + ", wanted sizeof(" + name +
                            ")");
  std::memcpy(&out, options, std::min(options->struct_bytes, sizeof(out)));
  return out;
}

}  // namespace antiphon::c
