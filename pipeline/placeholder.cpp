// Splits a placeholder at its spaces.
#include "pipeline/placeholder.h"

namespace antiphon {

std::optional<Placeholder> read_placeholder(std::string_view text) {
  constexpr std::string_view kInWords = " in words", kBy = " by ";
  Placeholder out;
  out.slot = text;
  if (text.ends_with(kInWords)) {
    out.slot.remove_suffix(kInWords.size());
    out.in_words = true;
  } else if (const std::size_t by = text.find(kBy); by != std::string_view::npos) {
    out.slot = text.substr(0, by);
    out.count = text.substr(by + kBy.size());
    if (out.count.empty()) return std::nullopt;
  }
  if (out.slot.empty()) return std::nullopt;
  return out;
}

}  // namespace antiphon
