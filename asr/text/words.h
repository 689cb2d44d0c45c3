// Spoken words as the rules of written text see them: by place, with a note of how far was looked.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace antiphon::asr {

// Borrows the words. What a rule decides hangs on no word beyond looked(), so that it stays true
// when more words come.
class Words {
 public:
  explicit Words(std::span<const std::string_view> words) : words_(words) {}

  // The word at a place; empty beyond either end.
  std::string_view at(std::size_t place) {
    if (place < (std::size_t{1} << 62)) looked_ = std::max(looked_, place);
    return place < words_.size() ? words_[place] : std::string_view();
  }
  // The word so many places before `place`.
  std::string_view before(std::size_t place, std::size_t back = 1) {
    return place >= back ? at(place - back) : std::string_view();
  }
  std::size_t size() const { return words_.size(); }
  std::size_t looked() const { return looked_; }
  void start_looking() { looked_ = 0; }

 private:
  std::span<const std::string_view> words_;
  std::size_t looked_ = 0;
};

// A run of words and how it is written.
struct Part {
  std::string text;
  std::size_t num_words = 1;
  bool keeps_case = false;  // an address: not even a sentence's first letter is raised
};

// Fills `part` if the words at `place` are of its kind.
using Rule = bool (*)(Words& words, std::size_t place, Part& part);

template <std::size_t N>
bool is_one_of(std::string_view word, const char* const (&list)[N]) {
  for (const char* item : list)
    if (word == item) return true;
  return false;
}

// In number_rules.cpp, clock_rules.cpp, name_rules.cpp, address_rules.cpp.
bool write_quantity(Words& words, std::size_t place, Part& part);  // money, percent, units, plain
bool write_ordinal(Words& words, std::size_t place, Part& part);
bool write_digits(Words& words, std::size_t place, Part& part);  // phone numbers, codes
bool write_year(Words& words, std::size_t place, Part& part);
bool write_date(Words& words, std::size_t place, Part& part);
bool write_time(Words& words, std::size_t place, Part& part);
bool write_letters(Words& words, std::size_t place, Part& part);
bool write_name(Words& words, std::size_t place, Part& part);
bool write_address(Words& words, std::size_t place, Part& part);  // e-mail and web
bool write_fixed(Words& words, std::size_t place, Part& part);  // phrases with a form of their own

// The text asks something: by its question word, or because the verb comes before the subject.
bool is_question(std::span<const std::string_view> words);

}  // namespace antiphon::asr
