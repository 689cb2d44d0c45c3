// Voices are told apart by their names, byte for byte.
#include "pipeline/voices.h"

namespace antiphon {

Result<int> find_voice(std::span<const std::string> voices, std::string_view name) {
  if (voices.empty())
    return invalid_argument("voice: there is none, got \"" + std::string(name) + "\"");
  std::string there;
  for (std::size_t i = 0; i < voices.size(); ++i) {
    if (voices[i] == name) return static_cast<int>(i);
    there += (i == 0 ? "\"" : ", \"") + voices[i] + "\"";
  }
  return invalid_argument("voice: wanted " + there + ", got \"" + std::string(name) + "\"");
}

}  // namespace antiphon
