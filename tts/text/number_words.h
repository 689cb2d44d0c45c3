// Numbers as English words: cardinals, ordinals, years, digits, decimals.
#pragma once

#include <string>
#include <string_view>

namespace antiphon::tts {

// All take ASCII decimal digits only, any length, and give lower-case words separated by single
// spaces; empty in, empty out. Over 36 digits a number is read digit by digit.

std::string cardinal(std::string_view digits);           // "105" -> "one hundred and five"
std::string ordinal(std::string_view digits);            // "21" -> "twenty first"
std::string digits_one_by_one(std::string_view digits);  // "90" -> "nine zero"
std::string year(
    std::string_view digits);  // "1905" -> "nineteen oh five", "2024" -> "twenty twenty four"
// "3", "14" -> "three point one four"; an empty whole part is "zero".
std::string decimal(std::string_view whole, std::string_view fraction);
// A whole number as most people say it on its own: leading zeros mean digits ("007").
std::string plain_number(std::string_view digits);
// Plural of the last word: "nineteen ninety" -> "nineteen nineties".
std::string plural_of(std::string words);
// The value if it fits six digits, else -1.
int small_value(std::string_view digits);

}  // namespace antiphon::tts
