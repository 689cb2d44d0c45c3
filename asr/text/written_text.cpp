// Rules in order over the words from left to right; the first that takes the words at a place
// writes them.
#include "asr/text/written_text.h"

#include "asr/text/words.h"

namespace antiphon::asr {
namespace {

constexpr Rule kRules[] = {write_address, write_fixed,   write_date,     write_time,    write_year,
                           write_digits,  write_ordinal, write_quantity, write_letters, write_name};

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::size_t space = text.find(' ');
    if (space != 0) words.push_back(text.substr(0, space));
    if (space == std::string_view::npos) break;
    text.remove_prefix(space + 1);
  }
  return words;
}

Part part_at(Words& words, std::size_t place) {
  for (const Rule rule : kRules) {
    Part part;
    if (rule(words, place, part)) return part;
  }
  return {.text = std::string(words.at(place)), .num_words = 1};
}

struct Written {
  std::string text;
  std::size_t stable_bytes = 0;
  bool ends_in_address = false;
};

// num_stable: words from the left that will not change, nor be followed by a letter of theirs.
Written write(std::span<const std::string_view> spoken, std::size_t num_stable) {
  Written out;
  Words words(spoken);
  bool stable = true;
  for (std::size_t place = 0; place < spoken.size();) {
    words.start_looking();
    Part part = part_at(words, place);
    if (place == 0 && !part.keeps_case && part.text[0] >= 'a' && part.text[0] <= 'z')
      part.text[0] = static_cast<char>(part.text[0] - 'a' + 'A');
    if (place > 0) out.text += ' ';
    out.text += part.text;
    stable = stable && words.looked() < num_stable;
    if (stable) out.stable_bytes = out.text.size();
    out.ends_in_address = part.keeps_case;
    place += part.num_words;
  }
  return out;
}

// The last word may be the first letter of a longer one; "a" and "i" are words, and a letter after
// a letter is being spelled.
bool begins_a_word(std::span<const std::string_view> words) {
  if (words.size() < 2 || words.back().size() != 1) return false;
  const std::string_view before = words[words.size() - 2];
  return words.back() != "a" && words.back() != "i" && (before.size() > 1 || before == "a");
}

}  // namespace

std::string written_text(std::string_view spoken) {
  const std::vector<std::string_view> words = split(spoken);
  if (words.empty()) return "";
  Written out = write(words, words.size());
  const bool question = is_question(words);
  if (question || !out.ends_in_address) out.text += question ? '?' : '.';
  return std::move(out.text);
}

std::string written_partial(std::string_view spoken, std::size_t stable_bytes,
                            std::size_t* stable_out) {
  const std::vector<std::string_view> words = split(spoken);
  // A word is settled when the space behind it is.
  const std::string_view head = spoken.substr(0, std::min(stable_bytes, spoken.size()));
  const std::size_t space = head.rfind(' ');
  const std::size_t num_stable =
      space == std::string_view::npos ? 0 : split(head.substr(0, space)).size();
  Written out = write(words, num_stable);
  *stable_out = out.stable_bytes;
  if (begins_a_word(words) && out.stable_bytes < out.text.size() && out.text.back() >= 'A' &&
      out.text.back() <= 'Z')
    out.text.back() = words.back().front();
  return std::move(out.text);
}

}  // namespace antiphon::asr
