// Units of measure: their signs and names.
#include <string>

#include "tts/text/rules.h"

namespace antiphon::tts {
namespace {

struct Unit {
  const char* sign;
  const char* one;
  const char* many;          // null: the same with an s
  bool joined_only = false;  // "5t" but not "5 t"
};

constexpr Unit kUnits[] = {{"km", "kilometer", nullptr},
                           {"m", "meter", nullptr},
                           {"cm", "centimeter", nullptr},
                           {"mm", "millimeter", nullptr},
                           {"nm", "nanometer", nullptr},
                           {"mi", "mile", nullptr},
                           {"ft", "foot", "feet"},
                           {"in", "inch", "inches", true},
                           {"yd", "yard", nullptr},
                           {"kg", "kilogram", nullptr},
                           {"g", "gram", nullptr},
                           {"mg", "milligram", nullptr},
                           {"lb", "pound", nullptr},
                           {"lbs", "pound", nullptr},
                           {"oz", "ounce", nullptr},
                           {"t", "ton", nullptr, true},
                           {"l", "liter", nullptr},
                           {"L", "liter", nullptr},
                           {"ml", "milliliter", nullptr},
                           {"mL", "milliliter", nullptr},
                           {"cl", "centiliter", nullptr},
                           {"dl", "deciliter", nullptr},
                           {"gal", "gallon", nullptr},
                           {"qt", "quart", nullptr},
                           {"tbsp", "tablespoon", nullptr},
                           {"tsp", "teaspoon", nullptr},
                           {"h", "hour", nullptr},
                           {"hr", "hour", nullptr},
                           {"hrs", "hour", nullptr},
                           {"min", "minute", nullptr},
                           {"mins", "minute", nullptr},
                           {"s", "second", nullptr, true},
                           {"sec", "second", nullptr},
                           {"secs", "second", nullptr},
                           {"ms", "millisecond", nullptr},
                           {"ns", "nanosecond", nullptr},
                           {"yr", "year", nullptr},
                           {"yrs", "year", nullptr},
                           {"Hz", "hertz", "hertz"},
                           {"kHz", "kilohertz", "kilohertz"},
                           {"MHz", "megahertz", "megahertz"},
                           {"GHz", "gigahertz", "gigahertz"},
                           {"W", "watt", nullptr},
                           {"kW", "kilowatt", nullptr},
                           {"MW", "megawatt", nullptr},
                           {"GW", "gigawatt", nullptr},
                           {"kWh", "kilowatt hour", nullptr},
                           {"Wh", "watt hour", nullptr},
                           {"MWh", "megawatt hour", nullptr},
                           {"V", "volt", nullptr},
                           {"mV", "millivolt", nullptr},
                           {"kV", "kilovolt", nullptr},
                           {"mA", "milliamp", nullptr},
                           {"mAh", "milliamp hour", nullptr},
                           {"KB", "kilobyte", nullptr},
                           {"kB", "kilobyte", nullptr},
                           {"MB", "megabyte", nullptr},
                           {"GB", "gigabyte", nullptr},
                           {"TB", "terabyte", nullptr},
                           {"PB", "petabyte", nullptr},
                           {"MiB", "mebibyte", nullptr},
                           {"GiB", "gibibyte", nullptr},
                           {"kbps", "kilobit per second", "kilobits per second"},
                           {"Mbps", "megabit per second", "megabits per second"},
                           {"Gbps", "gigabit per second", "gigabits per second"},
                           {"mph", "mile per hour", "miles per hour"},
                           {"kph", "kilometer per hour", "kilometers per hour"},
                           {"mpg", "mile per gallon", "miles per gallon"},
                           {"rpm", "revolution per minute", "revolutions per minute"},
                           {"fps", "frame per second", "frames per second"},
                           {"bpm", "beat per minute", "beats per minute"},
                           {"ppm", "part per million", "parts per million"},
                           {"dpi", "dot per inch", "dots per inch"},
                           {"dB", "decibel", nullptr},
                           {"Pa", "pascal", nullptr},
                           {"kPa", "kilopascal", nullptr},
                           {"hPa", "hectopascal", nullptr},
                           {"psi", "pound per square inch", "pounds per square inch"},
                           {"kJ", "kilojoule", nullptr},
                           {"J", "joule", nullptr},
                           {"kcal", "kilocalorie", nullptr},
                           {"cal", "calorie", nullptr},
                           {"ha", "hectare", nullptr},
                           {"cc", "C C", "C C"},
                           {"px", "pixel", nullptr},
                           {"N", "newton", nullptr, true}};

std::string many_of(const Unit& unit) {
  if (unit.many) return unit.many;
  return std::string(unit.one) + "s";
}

const Unit* find_unit(const std::string& text, bool joined) {
  for (const Unit& unit : kUnits) {
    if (text == unit.sign && (joined || !unit.joined_only)) return &unit;
  }
  return nullptr;
}

// "°C", "%", "µm" at i.
std::size_t read_signed_unit(const Tokens& t, std::size_t i, std::string& one, std::string& many) {
  if (t.is_sign(i, '%')) {
    one = many = "percent";
    return 1;
  }
  if (t.is_sign(i, kDegree)) {
    one = "degree", many = "degrees";
    if (!t.joined(i + 1)) return 1;
    const std::string& scale = t[i + 1].text;
    if (scale != "C" && scale != "F") return 1;
    const char* name = scale == "C" ? " celsius" : " fahrenheit";
    one += name, many += name;
    return 2;
  }
  if (t.is_sign(i, kMicro) && t.joined(i + 1)) {
    const Unit* unit = find_unit(t[i + 1].text, true);
    if (!unit) return 0;
    one = std::string("micro") + unit->one, many = "micro" + many_of(*unit);
    return 2;
  }
  return 0;
}

// A unit without a "/".
std::size_t read_one_unit(const Tokens& t, std::size_t i, bool joined, std::string& one,
                          std::string& many) {
  std::size_t n = read_signed_unit(t, i, one, many);
  if (n == 0) {
    const bool square = t.lower_is(i, "sq") || t.lower_is(i, "cu");
    const std::size_t skip = square ? (t.joined_sign(i + 1, '.') ? 2 : 1) : 0;
    const Unit* unit = t.is_word(i + skip) ? find_unit(t[i + skip].text, joined) : nullptr;
    if (!unit) return 0;
    one = unit->one, many = many_of(*unit);
    if (square) {
      const char* prefix = t.lower_is(i, "sq") ? "square " : "cubic ";
      one = prefix + one, many = prefix + many;
    }
    n = skip + 1;
  }
  if (t.joined_sign(i + n, kSuperTwo) || t.joined_sign(i + n, kSuperThree)) {
    const char* prefix = t.is_sign(i + n, kSuperTwo) ? "square " : "cubic ";
    one = prefix + one, many = prefix + many;
    ++n;
  }
  return n;
}

}  // namespace

std::size_t read_unit(const Tokens& t, std::size_t i, bool joined, std::string& one,
                      std::string& many) {
  std::size_t n = read_one_unit(t, i, joined, one, many);
  if (n > 0 && t.joined_sign(i + n, '/') && t.joined(i + n + 1)) {
    std::string one_below, many_below;
    if (const std::size_t below = read_one_unit(t, i + n + 1, true, one_below, many_below)) {
      one += " per " + one_below, many += " per " + one_below;
      n += 1 + below;
    }
  }
  return n;
}

}  // namespace antiphon::tts
