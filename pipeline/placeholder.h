// What stands between the braces of a reply: a slot, and how its value is said.
#pragma once

#include <optional>
#include <string_view>

namespace antiphon {

// {size}; {number in words}: "two" for 2; {drink by number}: "lattes" unless number is 1.
struct Placeholder {
  std::string_view slot;
  bool in_words = false;
  std::string_view count;  // the slot of the number that decides on singular and plural, or empty
};

// text: what is between the braces; the result refers to it. Nothing: it has none of these forms.
std::optional<Placeholder> read_placeholder(std::string_view text);

}  // namespace antiphon
