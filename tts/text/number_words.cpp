// Numbers as English words.
#include "tts/text/number_words.h"

#include <array>

namespace antiphon::tts {
namespace {

constexpr std::array<const char*, 20> kOnes = {
    "zero",     "one",     "two",     "three",     "four",     "five",    "six",
    "seven",    "eight",   "nine",    "ten",       "eleven",   "twelve",  "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
constexpr std::array<const char*, 10> kTens = {"",      "",      "twenty",  "thirty", "forty",
                                               "fifty", "sixty", "seventy", "eighty", "ninety"};
constexpr std::array<const char*, 12> kScales = {
    "",           "thousand",   "million",   "billion",   "trillion", "quadrillion", "quintillion",
    "sextillion", "septillion", "octillion", "nonillion", "decillion"};

void append(std::string& words, std::string_view word) {
  if (word.empty()) return;
  if (!words.empty()) words += ' ';
  words += word;
}

std::string below_hundred(int n) {
  if (n < 20) return kOnes[static_cast<std::size_t>(n)];
  std::string words = kTens[static_cast<std::size_t>(n / 10)];
  if (n % 10) append(words, kOnes[static_cast<std::size_t>(n % 10)]);
  return words;
}

std::string below_thousand(int n) {
  if (n < 100) return below_hundred(n);
  std::string words = kOnes[static_cast<std::size_t>(n / 100)];
  append(words, "hundred");
  if (n % 100) append(words, "and " + below_hundred(n % 100));
  return words;
}

std::string_view without_leading_zeros(std::string_view digits) {
  const std::size_t first = digits.find_first_not_of('0');
  if (digits.empty()) return digits;
  return first == std::string_view::npos ? digits.substr(digits.size() - 1) : digits.substr(first);
}

std::string ordinal_of_word(const std::string& word) {
  if (word == "one") return "first";
  if (word == "two") return "second";
  if (word == "three") return "third";
  if (word == "five") return "fifth";
  if (word == "eight") return "eighth";
  if (word == "nine") return "ninth";
  if (word == "twelve") return "twelfth";
  if (word.ends_with("y")) return word.substr(0, word.size() - 1) + "ieth";
  return word + "th";
}

}  // namespace

int small_value(std::string_view digits) {
  digits = without_leading_zeros(digits);
  if (digits.empty() || digits.size() > 6) return -1;
  int value = 0;
  for (const char c : digits) value = value * 10 + (c - '0');
  return value;
}

std::string digits_one_by_one(std::string_view digits) {
  std::string words;
  for (const char c : digits) append(words, kOnes[static_cast<std::size_t>(c - '0')]);
  return words;
}

std::string cardinal(std::string_view digits) {
  if (digits.empty()) return {};
  digits = without_leading_zeros(digits);
  if (digits.size() > 3 * kScales.size()) return digits_one_by_one(digits);
  if (digits == "0") return "zero";
  std::string words;
  const std::size_t groups = (digits.size() + 2) / 3;
  for (std::size_t g = groups; g-- > 0;) {
    const std::size_t end = digits.size() - 3 * g;
    const std::size_t begin = end > 3 ? end - 3 : 0;
    const int value = small_value(digits.substr(begin, end - begin));
    if (value == 0) continue;
    if (g == 0 && !words.empty() && value < 100) append(words, "and");
    append(words, below_thousand(value));
    append(words, kScales[g]);
  }
  return words;
}

std::string ordinal(std::string_view digits) {
  std::string words = cardinal(digits);
  if (words.empty()) return words;
  const std::size_t space = words.rfind(' ');
  const std::size_t last = space == std::string::npos ? 0 : space + 1;
  return words.substr(0, last) + ordinal_of_word(words.substr(last));
}

std::string year(std::string_view digits) {
  const int value = small_value(digits);
  if (digits.size() != 4 || value < 1000) return cardinal(digits);
  const int high = value / 100;
  const int low = value % 100;
  if (low == 0) return high % 10 == 0 ? cardinal(digits) : below_hundred(high) + " hundred";
  if (high == 20 && low < 10) return "two thousand and " + below_hundred(low);
  if (high % 10 == 0 && low < 10) return cardinal(digits);
  if (low < 10) return below_hundred(high) + " oh " + below_hundred(low);
  return below_hundred(high) + " " + below_hundred(low);
}

std::string decimal(std::string_view whole, std::string_view fraction) {
  std::string words = whole.empty() ? "zero" : cardinal(whole);
  if (fraction.empty()) return words;
  return words + " point " + digits_one_by_one(fraction);
}

std::string plain_number(std::string_view digits) {
  if (digits.size() > 1 && digits[0] == '0') return digits_one_by_one(digits);
  return cardinal(digits);
}

std::string plural_of(std::string words) {
  if (words.empty()) return words;
  if (words.ends_with("y")) {
    words.pop_back();
    return words + "ies";
  }
  if (words.ends_with("x") || words.ends_with("s") || words.ends_with("ch") ||
      words.ends_with("sh"))
    return words + "es";
  return words + "s";
}

}  // namespace antiphon::tts
