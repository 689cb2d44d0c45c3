// What letters can be: an acronym, a short word in capitals, a Roman numeral.
#pragma once

#include <string>
#include <string_view>

namespace antiphon::tts {

bool is_acronym(std::string_view lower);           // said as a word: "nasa"
bool is_short_word(std::string_view lower);        // "stop" in capitals is a word, "fbi" is not
std::string_view said_as(std::string_view lower);  // "jpeg" -> "jay peg"; empty: as written
int roman_value(std::string_view upper);           // 0: not a Roman numeral
std::string roman_text(int value);

}  // namespace antiphon::tts
