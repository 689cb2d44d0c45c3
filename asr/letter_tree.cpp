// Children are linked lists: a letter has few, and a collection rebuilds them in one pass.
#include "asr/letter_tree.h"

#include <algorithm>

namespace antiphon::asr {

void LetterTree::clear(const Letter& root) {
  letters_.clear();
  letters_.push_back(root);
}

void LetterTree::children(std::int32_t parent, std::span<std::int32_t> out) const {
  std::fill(out.begin(), out.end(), -1);
  for (std::int32_t at = (*this)[parent].first_child; at >= 0; at = (*this)[at].next_sibling)
    out[(*this)[at].symbol] = at;
}

std::int32_t LetterTree::add(std::int32_t parent, std::uint8_t symbol, char c) {
  const auto at = static_cast<std::int32_t>(letters_.size());
  Letter letter;
  Letter& above = (*this)[parent];
  letter.parent = parent;
  letter.next_sibling = above.first_child;
  letter.length = above.length + 1;
  letter.word_start = parent == kRoot || above.c == ' ' ? parent : above.word_start;
  letter.symbol = symbol;
  letter.c = c;
  letter.extra = above.extra;
  letter.boosts = above.boosts;
  letter.ahead = above.ahead;
  letter.words = above.words;
  letter.lm = above.lm;
  letter.phrases = above.phrases;
  letter.hot = above.hot;
  above.first_child = at;
  letters_.push_back(letter);
  return at;
}

std::int32_t LetterTree::common(std::int32_t a, std::int32_t b) const {
  while (a != b) {
    if ((*this)[a].length >= (*this)[b].length)
      a = (*this)[a].parent;
    else
      b = (*this)[b].parent;
  }
  return a;
}

std::string LetterTree::text(std::int32_t at) const {
  std::string text(static_cast<std::size_t>((*this)[at].length), ' ');
  for (; at != kRoot; at = (*this)[at].parent)
    text[static_cast<std::size_t>((*this)[at].length - 1)] = (*this)[at].c;
  return text;
}

std::span<const char> LetterTree::word(std::int32_t at, std::span<char> out) const {
  if (at == kRoot || (*this)[at].c == ' ') return out.first(0);
  const std::int32_t start = (*this)[(*this)[at].word_start].length;
  const auto length = std::min(static_cast<std::size_t>((*this)[at].length - start), out.size());
  for (; (*this)[at].length > start; at = (*this)[at].parent) {
    const auto place = static_cast<std::size_t>((*this)[at].length - start - 1);
    if (place < length) out[place] = (*this)[at].c;
  }
  return out.first(length);
}

void LetterTree::collect(std::span<std::int32_t* const> kept) {
  moved_.assign(letters_.size(), -1);
  moved_[kRoot] = 0;
  for (const std::int32_t* letter : kept)
    for (std::int32_t at = *letter; moved_[static_cast<std::size_t>(at)] < 0;
         at = (*this)[at].parent)
      moved_[static_cast<std::size_t>(at)] = 0;
  spare_.clear();
  for (std::size_t i = 0; i < letters_.size(); ++i) {  // parents come before children
    if (moved_[i] < 0) continue;
    const auto to = static_cast<std::int32_t>(spare_.size());
    moved_[i] = to;
    Letter letter = letters_[i];
    letter.first_child = letter.next_sibling = -1;
    if (letter.parent >= 0) {
      letter.parent = moved_[static_cast<std::size_t>(letter.parent)];
      letter.word_start = moved_[static_cast<std::size_t>(letter.word_start)];
      Letter& above = spare_[static_cast<std::size_t>(letter.parent)];
      letter.next_sibling = above.first_child;
      above.first_child = to;
    }
    spare_.push_back(letter);
  }
  letters_.swap(spare_);
  for (std::int32_t* letter : kept) *letter = moved_[static_cast<std::size_t>(*letter)];
}

}  // namespace antiphon::asr
