// Levenshtein alignment of words that tts/text reads out.
#include "bench/word_errors.h"

#include <algorithm>

#include "tts/text/normalise.h"

namespace antiphon::bench {
namespace {

constexpr const char* kNumberWords[] = {
    "one",     "two",     "three",     "four",     "five",     "six",      "seven",
    "eight",   "nine",    "ten",       "eleven",   "twelve",   "thirteen", "fourteen",
    "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",   "thirty",
    "forty",   "fifty",   "sixty",     "seventy",  "eighty",   "ninety"};

bool is_number(const std::string& word) {
  return std::find(std::begin(kNumberWords), std::end(kNumberWords), word) !=
         std::end(kNumberWords);
}

}  // namespace

std::vector<std::string> scored_words(std::string_view text) {
  std::vector<std::string> words;
  const auto speech = tts::normalise(text);
  if (!speech.ok()) return words;
  for (const auto& said : speech->words) {
    std::string word;
    for (const char raw : said.text) {
      const char c = raw >= 'A' && raw <= 'Z' ? static_cast<char>(raw - 'A' + 'a') : raw;
      if ((c >= 'a' && c <= 'z') || c == '\'') word += c;
      if (c == '-' || c == ' ') {
        if (!word.empty()) words.push_back(std::move(word));
        word.clear();
      }
    }
    while (word.starts_with('\'')) word.erase(0, 1);
    while (word.ends_with('\'')) word.pop_back();
    if (!word.empty()) words.push_back(std::move(word));
  }
  for (std::size_t i = 1; i + 1 < words.size(); ++i)
    if (words[i] == "and" && is_number(words[i + 1]) &&
        (words[i - 1] == "hundred" || words[i - 1] == "thousand" || words[i - 1] == "million"))
      words.erase(words.begin() + static_cast<std::ptrdiff_t>(i));
  return words;
}

WordErrors& WordErrors::operator+=(const WordErrors& other) {
  substituted += other.substituted;
  deleted += other.deleted;
  inserted += other.inserted;
  words += other.words;
  return *this;
}

WordErrors word_errors(const std::vector<std::string>& reference,
                       const std::vector<std::string>& heard) {
  std::vector<WordErrors> row(heard.size() + 1);
  for (std::size_t j = 1; j <= heard.size(); ++j) row[j].inserted = static_cast<long long>(j);
  for (std::size_t i = 1; i <= reference.size(); ++i) {
    WordErrors corner = row[0];
    row[0].deleted += 1;
    for (std::size_t j = 1; j <= heard.size(); ++j) {
      WordErrors best = corner;
      if (reference[i - 1] != heard[j - 1]) best.substituted += 1;
      WordErrors deleted = row[j], inserted = row[j - 1];
      deleted.deleted += 1;
      inserted.inserted += 1;
      if (deleted.all() < best.all()) best = deleted;
      if (inserted.all() < best.all()) best = inserted;
      corner = row[j];
      row[j] = best;
    }
  }
  WordErrors errors = row[heard.size()];
  errors.words = static_cast<long long>(reference.size());
  return errors;
}

std::vector<bool> words_right(const std::vector<std::string>& reference,
                              const std::vector<std::string>& heard) {
  const std::size_t rows = reference.size() + 1, columns = heard.size() + 1;
  std::vector<std::size_t> edits(rows * columns);
  const auto at = [&](std::size_t i, std::size_t j) -> std::size_t& {
    return edits[i * columns + j];
  };
  for (std::size_t i = 0; i < rows; ++i) at(i, 0) = i;
  for (std::size_t j = 0; j < columns; ++j) at(0, j) = j;
  for (std::size_t i = 1; i < rows; ++i)
    for (std::size_t j = 1; j < columns; ++j)
      at(i, j) = std::min({at(i - 1, j - 1) + (reference[i - 1] != heard[j - 1] ? 1 : 0),
                           at(i - 1, j) + 1, at(i, j - 1) + 1});
  std::vector<bool> right(heard.size());
  for (std::size_t i = rows - 1, j = columns - 1; i > 0 && j > 0;) {
    const bool same = reference[i - 1] == heard[j - 1];
    if (at(i, j) == at(i - 1, j - 1) + (same ? 0 : 1)) {
      right[j - 1] = same;
      --i, --j;
    } else if (at(i, j) == at(i - 1, j) + 1) {
      --i;
    } else {
      --j;
    }
  }
  return right;
}

}  // namespace antiphon::bench
