// Rules of English spelling; ASCII letters.
#include "dialog/wording.h"

#include <algorithm>
#include <array>

namespace antiphon::dialog {

std::string in_words(std::string_view value) {
  static constexpr std::array<std::string_view, 13> kWords = {
      "zero",  "one",   "two",  "three", "four",   "five",  "six",
      "seven", "eight", "nine", "ten",   "eleven", "twelve"};
  for (std::size_t i = 0; i < kWords.size(); ++i)
    if (value == std::to_string(i)) return std::string(kWords[i]);
  return std::string(value);
}

std::string plural(std::string_view noun) {
  const std::size_t head = std::min({noun.find(" of "), noun.find(" with "), noun.size()});
  const std::string_view tail = noun.substr(head);
  std::string out(noun.substr(0, head));
  if (out.empty()) return std::string(noun);
  const auto ends_in_any = [&](std::initializer_list<std::string_view> endings) {
    return std::ranges::any_of(endings, [&](std::string_view e) { return out.ends_with(e); });
  };
  const bool vowel_before_last =
      out.size() > 1 && std::string_view("aeiou").find(out[out.size() - 2]) != std::string::npos;
  if (ends_in_any({"s", "x", "z", "ch", "sh"})) {
    out += "es";
  } else if (out.back() == 'y' && !vowel_before_last) {
    out.replace(out.size() - 1, 1, "ies");
  } else {
    out += 's';
  }
  return out.append(tail);
}

}  // namespace antiphon::dialog
