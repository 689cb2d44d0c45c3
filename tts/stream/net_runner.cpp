// Copies inputs with a check of their size.
#include "tts/stream/net_runner.h"

#include <algorithm>
#include <string>

namespace antiphon::tts {

Status set_input(NetRunner& net, std::string_view name, std::span<const std::int64_t> dims,
                 std::span<const float> values) {
  std::int64_t elements = 1;
  for (const std::int64_t d : dims) elements *= d;
  if (elements != static_cast<std::int64_t>(values.size())) {
    return internal_error("input " + std::string(name) + ": wanted " + std::to_string(elements) +
                          " values, got " + std::to_string(values.size()));
  }
  ANTIPHON_ASSIGN_OR_RETURN(void* memory, net.input(name, dims));
  std::copy(values.begin(), values.end(), static_cast<float*>(memory));
  return {};
}

}  // namespace antiphon::tts
