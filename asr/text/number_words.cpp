// A small grammar of number words.
#include "asr/text/number_words.h"

namespace antiphon::asr {
namespace {

constexpr const char* kUnits[] = {"one", "two",   "three", "four", "five",
                                  "six", "seven", "eight", "nine"};
constexpr const char* kTeens[] = {"ten",     "eleven",  "twelve",    "thirteen", "fourteen",
                                  "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
constexpr const char* kTens[] = {"twenty", "thirty",  "forty",  "fifty",
                                 "sixty",  "seventy", "eighty", "ninety"};
constexpr const char* kFirsts[] = {
    "first",     "second",    "third",       "fourth",     "fifth",     "sixth",      "seventh",
    "eighth",    "ninth",     "tenth",       "eleventh",   "twelfth",   "thirteenth", "fourteenth",
    "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth"};
constexpr const char* kTenths[] = {"twentieth", "thirtieth",  "fortieth",  "fiftieth",
                                   "sixtieth",  "seventieth", "eightieth", "ninetieth"};

template <std::size_t N>
int place_in(const char* const (&list)[N], std::string_view word) {
  for (std::size_t i = 0; i < N; ++i)
    if (word == list[i]) return static_cast<int>(i);
  return -1;
}

long long scale_of(std::string_view word) {
  if (word == "thousand") return 1000;
  if (word == "million") return 1000000;
  if (word == "billion") return 1000000000;
  if (word == "trillion") return 1000000000000;
  return 0;
}

// 1 to 999, "a hundred" and "fifteen hundred" among them.
std::optional<Number> below_thousand_at(Words& words, std::size_t place) {
  std::optional<Number> n = below_hundred_at(words, place);
  if (!n && (words.at(place) == "a" || words.at(place) == "an") &&
      (words.at(place + 1) == "hundred" || scale_of(words.at(place + 1))))
    n = Number{.value = 1, .num_words = 1, .article = true};
  if (!n) return std::nullopt;
  const std::size_t hundred = place + n->num_words;
  if (words.at(hundred) != "hundred") return n;
  n->value *= 100;
  n->num_words += 1;
  const std::size_t joint = words.at(hundred + 1) == "and" ? 1 : 0;
  if (const auto rest = below_hundred_at(words, hundred + 1 + joint)) {
    n->value += rest->value;
    n->num_words += joint + rest->num_words;
  }
  return n;
}

}  // namespace

int unit_of(std::string_view word) {
  return place_in(kUnits, word) + 1 > 0 ? place_in(kUnits, word) + 1 : -1;
}

int digit_of(std::string_view word) {
  return word == "zero" || word == "oh" || word == "o" ? 0 : unit_of(word);
}

int teen_of(std::string_view word) {
  const int at = place_in(kTeens, word);
  return at < 0 ? -1 : at + 10;
}

int tens_of(std::string_view word) {
  const int at = place_in(kTens, word);
  return at < 0 ? -1 : (at + 2) * 10;
}

std::optional<Number> below_hundred_at(Words& words, std::size_t place) {
  const std::string_view first = words.at(place);
  if (const int unit = unit_of(first); unit > 0) return Number{.value = unit, .num_words = 1};
  if (const int teen = teen_of(first); teen > 0) return Number{.value = teen, .num_words = 1};
  const int tens = tens_of(first);
  if (tens < 0) return std::nullopt;
  const int unit = unit_of(words.at(place + 1));
  return unit > 0 ? Number{.value = tens + unit, .num_words = 2}
                  : Number{.value = tens, .num_words = 1};
}

std::optional<Number> cardinal_at(Words& words, std::size_t place) {
  if (words.at(place) == "zero") return Number{.value = 0, .num_words = 1};
  Number total;
  long long last_scale = 0;
  bool article = false;
  while (true) {
    const std::size_t at = place + total.num_words;
    const std::size_t joint = total.num_words > 0 && words.at(at) == "and" ? 1 : 0;
    const auto part = below_thousand_at(words, at + joint);
    if (!part || (part->article && total.num_words > 0)) break;
    const long long scale = scale_of(words.at(at + joint + part->num_words));
    if (total.num_words > 0 && scale >= last_scale) break;  // "two million three million"
    if (total.num_words > 0 && joint && scale) break;
    total.value += part->value * (scale ? scale : 1);
    article = article || part->article;
    total.num_words += joint + part->num_words + (scale ? 1 : 0);
    total.round = scale ? scale : 1;
    total.coefficient = part->value;
    if (!scale) break;
    last_scale = scale;
  }
  if (total.num_words == 0) return std::nullopt;
  if (total.value != total.coefficient * total.round) total.round = 1;
  total.article = article;
  return total;
}

Number ordinal_at(Words& words, std::size_t place) {
  const auto below_hundred = [&](std::size_t at) -> Number {
    if (const int n = place_in(kFirsts, words.at(at)); n >= 0)
      return {.value = n + 1, .num_words = 1};
    if (const int n = place_in(kTenths, words.at(at)); n >= 0)
      return {.value = (n + 2) * 10, .num_words = 1};
    const int tens = tens_of(words.at(at));
    if (tens < 0) return {};
    const int unit = place_in(kFirsts, words.at(at + 1));
    return unit >= 0 && unit < 9 ? Number{.value = tens + unit + 1, .num_words = 2} : Number{};
  };
  if (const Number n = below_hundred(place); n.num_words) return n;
  const int hundreds = unit_of(words.at(place));
  if (hundreds < 0) return {};
  if (words.at(place + 1) == "hundredth") return {.value = hundreds * 100, .num_words = 2};
  if (words.at(place + 1) != "hundred") return {};
  const std::size_t joint = words.at(place + 2) == "and" ? 1 : 0;
  const Number rest = below_hundred(place + 2 + joint);
  if (!rest.num_words) return {};
  return {.value = hundreds * 100 + rest.value, .num_words = 2 + joint + rest.num_words};
}

std::optional<Number> year_at(Words& words, std::size_t place, bool sure) {
  const auto century = below_hundred_at(words, place);
  if (!century) return std::nullopt;
  const std::size_t next = place + century->num_words;
  if (century->value == 2 && words.at(next) == "thousand" && sure) {
    const std::size_t joint = words.at(next + 1) == "and" ? 1 : 0;
    const auto rest = below_hundred_at(words, next + 1 + joint);
    if (rest) return Number{.value = 2000 + rest->value, .num_words = 2 + joint + rest->num_words};
    return Number{.value = 2000, .num_words = 2};
  }
  // 1300 to 2099; without a sign of a year only the centuries that are spoken of.
  if (century->value > 20 || century->value < (sure ? 10 : 16) || century->num_words != 1)
    return std::nullopt;
  if (words.at(next) == "hundred" && sure)
    return Number{.value = century->value * 100, .num_words = 2};
  if (words.at(next) == "oh") {
    const int unit = unit_of(words.at(next + 1));
    if (unit > 0) return Number{.value = century->value * 100 + unit, .num_words = 3};
    return std::nullopt;
  }
  const auto rest = below_hundred_at(words, next);
  if (!rest || rest->value < 10) return std::nullopt;
  return Number{.value = century->value * 100 + rest->value, .num_words = 1 + rest->num_words};
}

std::string fraction_at(Words& words, std::size_t place, std::size_t* num_words) {
  std::string digits;
  *num_words = 0;
  while (true) {
    const int digit = digit_of(words.at(place + *num_words));
    if (digit < 0) break;
    digits += static_cast<char>('0' + digit);
    ++*num_words;
  }
  if (!digits.empty()) return digits;
  const auto two = below_hundred_at(words, place);
  if (!two) return "";
  *num_words = two->num_words;
  return std::to_string(two->value);
}

std::string grouped(long long value) {
  std::string digits = std::to_string(value);
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<std::size_t>(at), ",");
  return digits;
}

}  // namespace antiphon::asr
