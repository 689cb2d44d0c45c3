// Word error rates, with numbers and symbols read out on both sides.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace antiphon::bench {

// The words of a text as they are said, lower case: "3 cats, 5%" -> three cats five percent. The
// "and" of numbers is dropped, so that "one hundred and five" and "one hundred five" are the same.
std::vector<std::string> scored_words(std::string_view text);

struct WordErrors {
  long long substituted = 0, deleted = 0, inserted = 0, words = 0;
  long long all() const { return substituted + deleted + inserted; }
  double rate() const {
    return words ? 100.0 * static_cast<double>(all()) / static_cast<double>(words) : 0;
  }
  WordErrors& operator+=(const WordErrors& other);
};

// The least number of edits from `reference` to `heard`.
WordErrors word_errors(const std::vector<std::string>& reference,
                       const std::vector<std::string>& heard);

// Which words of `heard` stand in such an alignment for the same word of `reference`.
std::vector<bool> words_right(const std::vector<std::string>& reference,
                              const std::vector<std::string>& heard);

}  // namespace antiphon::bench
