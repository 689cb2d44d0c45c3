// Escaping, and numbers with their units.
#include "engine/report/html.h"

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <vector>

namespace antiphon::report {
namespace {

constexpr std::uint32_t kReplacement = 0xFFFD;

// The code point at `at`, which moves behind it; kReplacement for a byte that begins none.
std::uint32_t next_code_point(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<std::uint8_t>(text[i]) : std::uint8_t{0};
  };
  const std::uint8_t first = byte(at);
  const int more = first < 0x80 ? 0 : first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
  std::uint32_t code = more == 0 ? first : first & (0x3Fu >> more);
  bool good = more == 0 || (first >= 0xC2 && first <= 0xF4);
  for (int i = 1; i <= more && good; ++i) {
    good = (byte(at + static_cast<std::size_t>(i)) & 0xC0) == 0x80;
    code = code << 6 | (byte(at + static_cast<std::size_t>(i)) & 0x3Fu);
  }
  constexpr std::uint32_t kLeast[] = {0, 0x80, 0x800, 0x10000};
  good = good && code >= kLeast[more] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
  at += good ? static_cast<std::size_t>(more) + 1 : 1;
  return good ? code : kReplacement;
}

void append_utf8(std::uint32_t code, std::string& out) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xC0 | code >> 6);
  } else {
    if (code < 0x10000) {
      put(0xE0 | code >> 12);
    } else {
      put(0xF0 | code >> 18);
      put(0x80 | (code >> 12 & 0x3F));
    }
    put(0x80 | (code >> 6 & 0x3F));
  }
  put(0x80 | (code & 0x3F));
}

bool turns_direction(std::uint32_t code) {
  return code == 0x200E || code == 0x200F || code == 0x061C || (code >= 0x202A && code <= 0x202E) ||
         (code >= 0x2066 && code <= 0x2069);
}

std::string escaped(std::uint32_t code) {
  char text[16];
  switch (code) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: break;
  }
  if (code < 0x20 || (code >= 0x7F && code < 0xA0)) {
    std::snprintf(text, sizeof text, "\\x%02x", code);
    return text;
  }
  if (turns_direction(code)) {
    std::snprintf(text, sizeof text, "\\u{%04x}", code);
    return text;
  }
  std::string out;
  append_utf8(code, out);
  return out;
}

std::string scaled(double value, const char* const (&units)[4]) {
  std::size_t unit = 0;
  for (; unit < 3 && value >= 999.5; ++unit) value /= 1000;
  char text[48];
  std::snprintf(text, sizeof text,
                value < 9.995   ? "%.2f %s"
                : value < 99.95 ? "%.1f %s"
                                : "%.0f %s",
                value, units[unit]);
  return text;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) out += escaped(next_code_point(text, at));
  return out;
}

std::string shortened(std::string_view text, std::size_t most) {
  std::vector<std::string> characters;
  for (std::size_t at = 0; at < text.size();)
    characters.push_back(escaped(next_code_point(text, at)));
  const bool cut = characters.size() > most;
  const std::size_t head = cut ? (most - 1) / 3 : characters.size();
  const std::size_t tail = cut ? most - 1 - head : 0;
  std::string out;
  for (std::size_t i = 0; i < head; ++i) out += characters[i];
  if (cut) out += "…";
  for (std::size_t i = characters.size() - tail; i < characters.size(); ++i) out += characters[i];
  return out;
}

std::string time_text(double us) { return scaled(us, {"µs", "ms", "s", "ks"}); }

std::string bytes_text(std::size_t bytes) {
  if (bytes < 1000) return std::to_string(bytes) + " B";
  return scaled(static_cast<double>(bytes) / 1000, {"kB", "MB", "GB", "TB"});
}

std::string percent_text(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%", 100 * share);
  return text;
}

std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", std::isfinite(value) ? value : 0.0);
  return text;
}

}  // namespace antiphon::report
