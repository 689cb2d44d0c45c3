// Numbers in words: cardinals, ordinals, digits one by one, years.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "asr/text/words.h"

namespace antiphon::asr {

struct Number {
  long long value = 0;
  std::size_t num_words = 0;
  bool article = false;       // began with "a": "a hundred"
  long long round = 1;        // 1e6 for "two million": its last word, where nothing follows it
  long long coefficient = 0;  // 2 in "two million"
};

// -1: none. one to nine; zero to nine with "oh".
int unit_of(std::string_view word);
int digit_of(std::string_view word);
// 10 to 19; 20, 30, ... 90; -1: none.
int teen_of(std::string_view word);
int tens_of(std::string_view word);
// 1 to 99 by "first" ... "ninety ninth"; `and` hundreds: "one hundredth". 0: none.
Number ordinal_at(Words& words, std::size_t place);
// 1 to 99.
std::optional<Number> below_hundred_at(Words& words, std::size_t place);
// Zero to the billions, "a hundred and five" among them.
std::optional<Number> cardinal_at(Words& words, std::size_t place);
// A year as people say it: "nineteen eighty four", "eighteen oh nine", "two thousand five" (only
// if `sure` of a year).
std::optional<Number> year_at(Words& words, std::size_t place, bool sure);
// The digits after "point": "one four", "twenty five". Empty: none.
std::string fraction_at(Words& words, std::size_t place, std::size_t* num_words);

// 1200 -> "1,200".
std::string grouped(long long value);

}  // namespace antiphon::asr
