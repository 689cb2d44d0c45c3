// Text and numbers as they stand in a page.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace antiphon::report {

// Safe between tags and in quoted attributes. What is not UTF-8 becomes U+FFFD; control characters,
// and those that turn the direction of text, are shown as \xNN or \u{NNNN}.
std::string escaped(std::string_view text);
// The same of at most `most` characters, the middle cut out.
std::string shortened(std::string_view text, std::size_t most);

std::string time_text(double us);           // "12.3 µs"
std::string bytes_text(std::size_t bytes);  // "1.23 MB"
std::string percent_text(double share);     // "12.3 %"
std::string number_text(double value);      // one digit behind the point, for SVG

}  // namespace antiphon::report
