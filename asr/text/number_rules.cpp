// Money, percent, units, decimals, plain numbers, ordinals, digits one by one.
#include <cstdlib>

#include "asr/text/number_words.h"

namespace antiphon::asr {
namespace {

struct Unit {
  const char* singular;
  const char* plural;
  const char* sign;
};
constexpr Unit kUnits[] = {{"kilometer", "kilometers", " km"},
                           {"kilometre", "kilometres", " km"},
                           {"meter", "meters", " m"},
                           {"metre", "metres", " m"},
                           {"centimeter", "centimeters", " cm"},
                           {"centimetre", "centimetres", " cm"},
                           {"millimeter", "millimeters", " mm"},
                           {"millimetre", "millimetres", " mm"},
                           {"kilogram", "kilograms", " kg"},
                           {"kilo", "kilos", " kg"},
                           {"gram", "grams", " g"},
                           {"milligram", "milligrams", " mg"},
                           {"milliliter", "milliliters", " ml"},
                           {"kilobyte", "kilobytes", " KB"},
                           {"megabyte", "megabytes", " MB"},
                           {"gigabyte", "gigabytes", " GB"},
                           {"terabyte", "terabytes", " TB"},
                           {"hertz", "hertz", " Hz"},
                           {"kilohertz", "kilohertz", " kHz"},
                           {"megahertz", "megahertz", " MHz"},
                           {"gigahertz", "gigahertz", " GHz"},
                           {"watt", "watts", " W"},
                           {"kilowatt", "kilowatts", " kW"},
                           {"volt", "volts", " V"},
                           {"millisecond", "milliseconds", " ms"}};
// Numbers before these are digits, but "one minute" is not.
constexpr const char* kCounted[] = {"seconds", "minutes", "hours", "liters", "litres",
                                    "miles",   "feet",    "foot",  "inches", "ounces",
                                    "cents",   "gallons", "acres", "yards",  "calories"};

bool is_weight(Words& words, std::size_t place, std::size_t behind) {
  if (is_one_of(words.at(behind), {"of", "heavier", "lighter", "heavy", "overweight"})) return true;
  for (std::size_t back = 1; back <= 3; ++back)
    if (is_one_of(words.before(place, back), {"lost", "lose", "loses", "gained", "gain", "weigh",
                                              "weighs", "weighed", "weight"}))
      return true;
  return false;
}

// "dollars" and what follows: "and fifty cents", "fifty".
void add_cents(Words& words, Part& part, std::size_t place) {
  const std::size_t joint = words.at(place) == "and" ? 1 : 0;
  const auto cents = below_hundred_at(words, place + joint);
  if (!cents) return;
  const std::string_view unit = words.at(place + joint + cents->num_words);
  const bool named = unit == "cents" || unit == "cent";
  if (!named &&
      (joint || cents->value < 10 ||
       is_one_of(unit, {"hundred", "thousand", "percent", "dollars", "minutes", "people"})))
    return;
  part.text += cents->value < 10 ? ".0" : ".";
  part.text += std::to_string(cents->value);
  part.num_words += joint + cents->num_words + (named ? 1 : 0);
}

// `part` holds a number that ends before `behind`; its unit is written with it.
bool add_unit(Words& words, std::size_t place, Part& part, bool whole) {
  const std::size_t behind = place + part.num_words;
  const std::string_view unit = words.at(behind);
  const bool per_cent = unit == "per" && words.at(behind + 1) == "cent";
  if (unit == "percent" || per_cent) {
    part.text += "%";
    part.num_words += per_cent ? 2 : 1;
    return true;
  }
  const char* money = is_one_of(unit, {"dollar", "dollars"}) ? "$"
                      : is_one_of(unit, {"euro", "euros"})   ? "€"
                      : is_one_of(unit, {"pound", "pounds"}) ? "£"
                                                             : nullptr;
  if (money && *money != '$' && unit.starts_with("pound") && is_weight(words, place, behind + 1))
    return true;  // digits, and the word as it is
  if (money) {
    part.text = money + part.text;
    part.num_words += 1;
    if (whole) add_cents(words, part, behind + 1);
    return true;
  }
  if (unit == "degrees" || unit == "degree") {
    const std::string_view scale = words.at(behind + 1);
    part.text += scale == "celsius" ? " °C" : scale == "fahrenheit" ? " °F" : "°";
    part.num_words += scale == "celsius" || scale == "fahrenheit" ? 2 : 1;
    return true;
  }
  const bool per_hour = words.at(behind + 2) == "hour" &&
                        (words.at(behind + 1) == "per" || words.at(behind + 1) == "an");
  if (per_hour && is_one_of(unit, {"miles", "mile"})) {
    part.text += " mph";
    part.num_words += 3;
    return true;
  }
  for (const Unit& u : kUnits) {
    if (unit != u.singular && unit != u.plural) continue;
    part.text += u.sign;
    part.num_words += 1;
    if (per_hour && std::string_view(u.sign) == " km") {
      part.text += "/h";
      part.num_words += 2;
    }
    return true;
  }
  return is_one_of(unit, kCounted);
}

std::string ending_of(long long n) {
  if (n % 100 / 10 == 1) return "th";
  return n % 10 == 1 ? "st" : n % 10 == 2 ? "nd" : n % 10 == 3 ? "rd" : "th";
}

// "on the fifth", "monday the fifth", "the fifth of this month": a day, not a place in a row.
bool is_day(Words& words, std::size_t place, std::size_t behind) {
  if (words.before(place) != "the") return false;
  const std::string_view before = words.before(place, 2);
  if (before.ends_with("day") && before.size() > 5 && before != "birthday") return true;
  const std::string_view next = words.at(behind);
  if (next == "of")
    return is_one_of(words.at(behind + 1), {"this", "next", "last", "the"}) &&
           words.at(behind + 2) == "month";
  return is_one_of(before, {"on", "until", "till", "by", "from", "since"}) &&
         is_one_of(next, {"", "please", "at", "and", "to", "or", "until"});
}

std::string with_groups(const std::string& d) {
  if (d.size() == 7) return d.substr(0, 3) + "-" + d.substr(3);
  if (d.size() == 10) return d.substr(0, 3) + "-" + d.substr(3, 3) + "-" + d.substr(6);
  if (d.size() == 11 && d[0] == '1') return "1-" + with_groups(d.substr(1));
  return d;
}

}  // namespace

bool write_quantity(Words& words, std::size_t place, Part& part) {
  const bool minus = words.at(place) == "minus" || words.at(place) == "negative";
  const std::size_t start = place + (minus ? 1 : 0);
  const auto n = cardinal_at(words, start);
  if (!n) return false;
  const std::size_t behind = start + n->num_words;
  // "two and a half hours", "one tenth of it": spoken of, not counted.
  if (words.at(behind) == "and" && words.at(behind + 1) == "a" &&
      is_one_of(words.at(behind + 2), {"half", "quarter", "third"}))
    return false;
  part.num_words = (minus ? 1 : 0) + n->num_words;
  const bool big = n->round >= 1000000 && n->coefficient < 1000 && !n->article;
  static constexpr const char* kNames[] = {" million", " billion", " trillion"};
  const auto name_of = [](long long round) {
    return std::string(kNames[round == 1000000 ? 0 : round == 1000000000 ? 1 : 2]);
  };
  bool whole = true;
  std::size_t num_digits = 0;
  const bool idiom = words.before(place) == "at" && n->value == 1;  // "at one point"
  const std::string digits =
      words.at(behind) == "point" && !idiom ? fraction_at(words, behind + 1, &num_digits) : "";
  if (!digits.empty()) {
    whole = false;
    part.text = grouped(n->value) + "." + digits;
    part.num_words += 1 + num_digits;
    const std::string_view scale = words.at(place + part.num_words);
    if (is_one_of(scale, {"million", "billion", "trillion"})) {
      part.text += " " + std::string(scale);
      part.num_words += 1;
    }
  } else {
    part.text = big ? std::to_string(n->coefficient) + name_of(n->round) : grouped(n->value);
  }
  const std::string number = part.text;
  const bool has_unit = add_unit(words, place, part, whole && !big);
  const std::string_view unit = words.at(behind);
  if (n->article && n->round * n->value > 0 && n->num_words == 2 &&
      !(has_unit && part.num_words > 2))
    return false;  // "a hundred reasons"
  if (minus) {
    if (!has_unit && words.before(place) != "") return false;  // a sum, or a word of its own
    part.text = "-" + part.text;
    return true;
  }
  if (!digits.empty() || n->value >= 10) return true;
  const bool one = n->value == 1 && is_one_of(unit, {"foot"});
  return has_unit && n->value > 0 && !one;
}

bool write_ordinal(Words& words, std::size_t place, Part& part) {
  const Number n = ordinal_at(words, place);
  if (!n.num_words) return false;
  const std::string_view behind = words.at(place + n.num_words);
  const bool date = is_day(words, place, place + n.num_words);
  if (n.value < 10 && !date) return false;
  if (is_one_of(words.before(place), {"one", "a", "an"}) && behind == "of") return false;
  const bool seconds = n.value % 10 == 2 && n.num_words == 2;
  if (seconds &&
      !is_one_of(words.before(place), {"the", "my", "his", "her", "our", "your", "their"}) &&
      !is_one_of(behind, {"of", "birthday", "street", "century", "floor", "st", "avenue", "road",
                          "anniversary"})) {
    part.num_words = 1;  // "a thirty second timer"
    part.text = std::to_string(n.value - 2);
    return true;
  }
  part.text = grouped(n.value) + ending_of(n.value);
  part.num_words = n.num_words;
  return true;
}

// Three digits or more: "nine one one", "double oh seven", "one eight hundred five five five ...".
bool write_digits(Words& words, std::size_t place, Part& part) {
  const bool plus = words.at(place) == "plus";
  std::size_t at = place + (plus ? 1 : 0);
  std::string digits;
  while (true) {
    const std::string_view word = words.at(at);
    const int times = word == "double" ? 2 : word == "triple" ? 3 : 1;
    const int digit = digit_of(words.at(at + (times > 1 ? 1 : 0)));
    if (digit < 0) break;
    if (times == 1 && words.at(at + 1) == "hundred") {
      // A toll-free number goes on with digits; else these hundreds are counted.
      if (digits != "1" || digit_of(words.at(at + 2)) < 0 || digit_of(words.at(at + 3)) < 0) break;
      digits += static_cast<char>('0' + digit);
      digits += "00";
      at += 2;
      continue;
    }
    if (is_one_of(words.at(at + 1), {"thousand", "million", "point", "percent"}) && times == 1) {
      if (digits.size() < 3) return false;
      break;
    }
    digits.append(static_cast<std::size_t>(times), static_cast<char>('0' + digit));
    at += times > 1 ? 2 : 1;
  }
  if (digits.size() < 3 || (plus && digits.size() < 6)) return false;
  part.text = plus ? "+" + digits : with_groups(digits);
  part.num_words = at - place;
  return true;
}

bool write_year(Words& words, std::size_t place, Part& part) {
  const bool sure = is_one_of(words.before(place), {"in", "since", "year", "until", "by"});
  const auto year = year_at(words, place, sure);
  if (!year) return false;
  const std::string_view behind = words.at(place + year->num_words);
  if (is_one_of(behind, {"dollars", "percent", "minutes", "hundred", "thousand", "million"}))
    return false;
  part.text = std::to_string(year->value);
  part.num_words = year->num_words;
  return true;
}

}  // namespace antiphon::asr
