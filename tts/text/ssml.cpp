// Reads SSML and says its text.
#include "tts/text/ssml.h"

#include <array>
#include <charconv>
#include <map>
#include <string>
#include <vector>

#include "pipeline/voices.h"
#include "tts/text/normalise.h"
#include "tts/text/number_words.h"
#include "tts/text/tokens.h"

namespace antiphon::tts {
namespace {

struct Tag {
  std::string name;
  std::map<std::string, std::string> attributes;
  bool closing = false;
  bool empty = false;
};

Status at_byte(std::size_t i, const std::string& message) {
  return invalid_argument("ssml: byte " + std::to_string(i) + ": " + message);
}

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
bool is_name(char c) {
  return is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == ':' || c == '.';
}

// Length of the entity at i and its text; 0: not one.
std::size_t read_entity(std::string_view s, std::size_t i, std::string& text) {
  constexpr std::array<std::pair<std::string_view, const char*>, 5> kEntities = {
      {{"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&apos;", "'"}}};
  for (const auto& [name, value] : kEntities) {
    if (s.substr(i).starts_with(name)) {
      text = value;
      return name.size();
    }
  }
  const std::size_t end = s.find(';', i);
  if (!s.substr(i).starts_with("&#") || end == std::string_view::npos || end - i > 10) return 0;
  const bool hex = i + 2 < s.size() && s[i + 2] == 'x';
  const char* first = s.data() + i + (hex ? 3 : 2);
  std::uint32_t code = 0;
  const auto parsed = std::from_chars(first, s.data() + end, code, hex ? 16 : 10);
  if (parsed.ec != std::errc() || parsed.ptr != s.data() + end || code == 0 || code > 0x10FFFF ||
      (code >= 0xD800 && code < 0xE000))
    return 0;
  text.clear();
  if (code < 0x80) {
    text += static_cast<char>(code);
  } else if (code < 0x800) {
    text += {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 63))};
  } else if (code < 0x10000) {
    text += {static_cast<char>(0xE0 | (code >> 12)), static_cast<char>(0x80 | ((code >> 6) & 63)),
             static_cast<char>(0x80 | (code & 63))};
  } else {
    text += {static_cast<char>(0xF0 | (code >> 18)), static_cast<char>(0x80 | ((code >> 12) & 63)),
             static_cast<char>(0x80 | ((code >> 6) & 63)), static_cast<char>(0x80 | (code & 63))};
  }
  return end + 1 - i;
}

class Reader {
 public:
  Reader(std::string_view text, std::span<const std::string> voices) : s_(text), voices_(voices) {}

  Result<Speech> read() {
    while (i_ < s_.size()) {
      if (s_[i_] == '<') {
        ANTIPHON_RETURN_IF_ERROR(flush());
        ANTIPHON_RETURN_IF_ERROR(markup());
      } else {
        ANTIPHON_RETURN_IF_ERROR(character());
      }
    }
    if (!seen_speak_) return at_byte(0, "wanted <speak> around the text");
    if (!open_.empty())
      return at_byte(s_.size(), "wanted </" + open_.back().name + ">, got the end");
    return std::move(speech_);
  }

 private:
  struct Open {
    std::string name;
    float rate_before = 1.0f;
    int voice_before = -1;
    std::string say_as;
    std::string alias;
    std::size_t begin = 0;
  };

  // One character of text goes to the folded text with its place.
  Status character() {
    const std::size_t at = i_;
    std::string text(1, s_[i_]);
    std::size_t n = 1;
    if (s_[i_] == '&') {
      n = read_entity(s_, i_, text);
      if (n == 0) return at_byte(i_, "wanted an entity like &amp; after '&'");
    } else {
      while (i_ + n < s_.size() && s_[i_ + n] != '<' && s_[i_ + n] != '&') ++n;
      text = std::string(s_.substr(i_, n));
    }
    const bool blank = text.find_first_not_of(" \n\r\t") == std::string::npos;
    if (!blank && open_.empty()) return at_byte(at, "wanted <speak> around the text");
    if (n == text.size()) {
      for (char& c : text) c = is_space(c) ? ' ' : c;  // line breaks mean nothing in XML
      fold(text, static_cast<std::int32_t>(at), folded_);
    } else {
      FoldedText one;
      fold(text, 0, one);
      for (const char c : one.text)
        folded_.push(c, static_cast<std::int32_t>(at), static_cast<std::int32_t>(at + n));
    }
    i_ += n;
    return {};
  }

  // Says the text gathered so far as the innermost say-as or sub wants it.
  Status flush() {
    FoldedText folded;
    std::swap(folded, folded_);
    if (folded.text.find_first_not_of(' ') == std::string::npos) return {};
    for (const Open& open : open_) {
      if (!open.alias.empty()) return {};  // said at its end
    }
    std::string say_as;
    for (const Open& open : open_) {
      if (!open.say_as.empty()) say_as = open.say_as;
    }
    const std::int32_t begin = folded.begin.front();
    const std::int32_t end = folded.end.back();
    std::string digits;
    for (const char c : folded.text) {
      if (is_digit(c)) digits += c;
    }
    if (say_as == "characters" || say_as == "spell-out") {
      speech_.spell(folded.text, begin, end);
    } else if (say_as == "digits" || say_as == "telephone") {
      if (digits.empty())
        return at_byte(static_cast<std::size_t>(begin), "say-as " + say_as + ": wanted digits");
      speech_.say(digits_one_by_one(digits), begin, end);
    } else if (say_as == "ordinal" || ((say_as == "cardinal" || say_as == "number") &&
                                       folded.text.find('.') == std::string::npos)) {
      if (digits.empty())
        return at_byte(static_cast<std::size_t>(begin), "say-as " + say_as + ": wanted a number");
      const bool minus = folded.text.find('-') != std::string::npos;
      speech_.say(
          (minus ? "minus " : "") + (say_as == "ordinal" ? ordinal(digits) : cardinal(digits)),
          begin, end);
    } else {
      normalise_folded(folded, speech_);
    }
    return {};
  }

  Status markup() {
    const std::size_t at = i_;
    for (const auto& [open, close] : {std::pair<std::string_view, std::string_view>{"<!--", "-->"},
                                      {"<?", "?>"},
                                      {"<!", ">"}}) {
      if (!s_.substr(i_).starts_with(open)) continue;
      const std::size_t end = s_.find(close, i_ + open.size());
      if (end == std::string_view::npos)
        return at_byte(at, "wanted '" + std::string(close) + "', got the end");
      i_ = end + close.size();
      return {};
    }
    Tag tag;
    ANTIPHON_RETURN_IF_ERROR(read_tag(tag));
    return tag.closing ? close_tag(tag, at) : open_tag(tag, at);
  }

  Status read_tag(Tag& tag) {
    const std::size_t at = i_++;
    const auto skip_space = [&] {
      while (i_ < s_.size() && is_space(s_[i_])) ++i_;
    };
    const auto name = [&] {
      const std::size_t from = i_;
      while (i_ < s_.size() && is_name(s_[i_])) ++i_;
      return std::string(s_.substr(from, i_ - from));
    };
    if (i_ < s_.size() && s_[i_] == '/') tag.closing = true, ++i_;
    tag.name = name();
    if (tag.name.empty())
      return at_byte(at, "wanted the name of an element after '<'; write &lt; for the sign");
    while (true) {
      skip_space();
      if (i_ >= s_.size()) return at_byte(at, "<" + tag.name + ": wanted '>', got the end");
      if (s_[i_] == '>') return ++i_, Status();
      if (s_[i_] == '/' && i_ + 1 < s_.size() && s_[i_ + 1] == '>')
        return tag.empty = true, i_ += 2, Status();
      const std::string key = name();
      skip_space();
      if (key.empty() || i_ >= s_.size() || s_[i_] != '=')
        return at_byte(i_, "<" + tag.name + ">: wanted name=\"value\"");
      ++i_;
      skip_space();
      const char quote = i_ < s_.size() ? s_[i_] : 0;
      const std::size_t end =
          quote == '"' || quote == '\'' ? s_.find(quote, i_ + 1) : std::string_view::npos;
      if (end == std::string_view::npos)
        return at_byte(i_, "<" + tag.name + " " + key + ">: wanted a value in quotes");
      tag.attributes[key] = std::string(s_.substr(i_ + 1, end - i_ - 1));
      i_ = end + 1;
    }
  }

  Status open_tag(const Tag& tag, std::size_t at) {
    if (tag.name == "speak" ? !open_.empty() || seen_speak_ : open_.empty()) {
      return at_byte(at, "wanted one <speak> around everything, got <" + tag.name + ">");
    }
    if (open_.size() > 32) return at_byte(at, "wanted at most 32 elements inside each other");
    Open open;
    open.name = tag.name;
    open.rate_before = speech_.rate;
    open.voice_before = speech_.voice;
    open.begin = at;
    const auto attribute = [&](const char* key) {
      const auto found = tag.attributes.find(key);
      return found == tag.attributes.end() ? std::string() : found->second;
    };
    if (tag.name == "speak") {
      seen_speak_ = true;
    } else if (tag.name == "break") {
      ANTIPHON_RETURN_IF_ERROR(say_break(attribute("time"), attribute("strength"), at));
    } else if (tag.name == "say-as") {
      open.say_as = attribute("interpret-as");
      ANTIPHON_RETURN_IF_ERROR(check_say_as(open.say_as, at));
    } else if (tag.name == "prosody") {
      if (const std::string rate = attribute("rate"); !rate.empty())
        ANTIPHON_RETURN_IF_ERROR(set_rate(rate, at));
    } else if (tag.name == "sub") {
      open.alias = attribute("alias");
      if (open.alias.empty()) return at_byte(at, "<sub>: wanted alias=\"what is said\"");
    } else if (tag.name == "voice") {
      ANTIPHON_RETURN_IF_ERROR(set_voice(attribute("name"), at));
    } else if (tag.name != "p" && tag.name != "s") {
      return at_byte(
          at, "<" + tag.name +
                  "> is not supported; there are speak, p, s, break, say-as, prosody, sub, voice");
    }
    if (!tag.empty) open_.push_back(std::move(open));
    return {};
  }

  Status close_tag(const Tag& tag, std::size_t at) {
    if (open_.empty() || open_.back().name != tag.name) {
      return at_byte(at, "wanted " +
                             (open_.empty() ? std::string("no") : "</" + open_.back().name + ">") +
                             ", got </" + tag.name + ">");
    }
    const Open open = std::move(open_.back());
    open_.pop_back();
    if (open.name == "sub") {
      FoldedText alias, placed;
      fold(open.alias, 0, alias);
      for (const char c : alias.text)
        placed.push(c, static_cast<std::int32_t>(open.begin), static_cast<std::int32_t>(i_));
      normalise_folded(placed, speech_);
    }
    if (open.name == "p" || open.name == "s") speech_.mark('.');
    if (open.name == "p") speech_.pause(200);
    if (open.name == "prosody") speech_.rate = open.rate_before;
    if (open.name == "voice") speech_.voice = open.voice_before;
    return {};
  }

  Status say_break(const std::string& time, const std::string& strength, std::size_t at) {
    constexpr std::array<std::pair<const char*, int>, 6> kStrengths = {{{"none", 0},
                                                                        {"x-weak", 100},
                                                                        {"weak", 200},
                                                                        {"medium", 400},
                                                                        {"strong", 700},
                                                                        {"x-strong", 1200}}};
    if (!time.empty()) {
      double value = 0;
      const auto parsed = std::from_chars(time.data(), time.data() + time.size(), value);
      const std::string unit(parsed.ptr, time.data() + time.size());
      if (parsed.ec != std::errc() || (unit != "s" && unit != "ms"))
        return at_byte(at, "<break time>: wanted 300ms or 1.5s, got \"" + time + "\"");
      const double ms = unit == "s" ? value * 1000 : value;
      if (!(ms >= 0 && ms <= 10000))
        return at_byte(at, "<break time>: wanted 0 to 10 s, got \"" + time + "\"");
      speech_.pause(static_cast<int>(ms));
      return {};
    }
    if (strength.empty()) return speech_.pause(400), Status();
    for (const auto& [name, ms] : kStrengths) {
      if (strength == name) return speech_.pause(ms), Status();
    }
    return at_byte(
        at, "<break strength>: wanted none, x-weak, weak, medium, strong or x-strong, got \"" +
                strength + "\"");
  }

  static Status check_say_as(const std::string& value, std::size_t at) {
    for (const char* known : {"characters", "spell-out", "cardinal", "number", "ordinal", "digits",
                              "telephone", "date", "time"}) {
      if (value == known) return {};
    }
    return at_byte(at,
                   "<say-as interpret-as>: wanted characters, spell-out, cardinal, number, "
                   "ordinal, digits, telephone, date or time, got \"" +
                       value + "\"");
  }

  Status set_rate(const std::string& rate, std::size_t at) {
    constexpr std::array<std::pair<const char*, float>, 6> kRates = {{{"x-slow", 0.6f},
                                                                      {"slow", 0.8f},
                                                                      {"medium", 1.0f},
                                                                      {"default", 1.0f},
                                                                      {"fast", 1.25f},
                                                                      {"x-fast", 1.6f}}};
    for (const auto& [name, value] : kRates) {
      if (rate == name) return speech_.rate = value, Status();
    }
    float value = 0;
    const auto parsed = std::from_chars(rate.data(), rate.data() + rate.size(), value);
    const std::string unit(parsed.ptr, rate.data() + rate.size());
    if (unit == "%") value /= 100;
    if (parsed.ec != std::errc() || (!unit.empty() && unit != "%") ||
        !(value >= 0.5f && value <= 2.0f)) {
      return at_byte(
          at, "<prosody rate>: wanted x-slow to x-fast, or 50% to 200%, got \"" + rate + "\"");
    }
    speech_.rate = value;
    return {};
  }

  Status set_voice(const std::string& name, std::size_t at) {
    const Result<int> found = find_voice(voices_, name);
    if (!found.ok()) return at_byte(at, found.status().message());
    speech_.voice = *found;
    return {};
  }

  std::string_view s_;
  std::span<const std::string> voices_;
  std::size_t i_ = 0;
  bool seen_speak_ = false;
  std::vector<Open> open_;
  FoldedText folded_;
  Speech speech_;
};

}  // namespace

Result<Speech> parse_ssml(std::string_view text, std::span<const std::string> voices) {
  ANTIPHON_RETURN_IF_ERROR(check_text(text));
  return Reader(text, voices).read();
}

}  // namespace antiphon::tts
