// The trie of hot phrases.
#include "asr/hot_words.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <string_view>

namespace antiphon::asr {
namespace {

constexpr std::size_t kMaxPhrases = 1000, kMaxLetters = 100;
constexpr float kMaxBoost = 20;

// Lower case, letters of the alphabet only, single spaces between words.
std::string normalise(std::string_view text, std::string_view alphabet) {
  std::string out;
  for (const char raw : text) {
    const char c = static_cast<char>(std::tolower(static_cast<unsigned char>(raw)));
    if (c == ' ' || c == '-' || c == '_') {
      if (!out.empty() && out.back() != ' ') out += ' ';
    } else if (alphabet.find(c) != std::string_view::npos) {
      out += c;
    }
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

}  // namespace

std::int32_t HotWords::child(std::int32_t node, char c) const {
  for (const auto& [letter, to] : nodes_[static_cast<std::size_t>(node)].next)
    if (letter == c) return to;
  return -1;
}

Result<HotWords> HotWords::create(std::span<const HotWord> words, std::string_view alphabet) {
  HotWords trie;
  if (words.size() > kMaxPhrases)
    return invalid_argument("hotwords: " + std::to_string(words.size()) + " phrases, at most " +
                            std::to_string(kMaxPhrases));
  for (const HotWord& word : words) {
    const std::string phrase = normalise(word.text, alphabet);
    if (phrase.empty())
      return invalid_argument("hotwords: '" + word.text + "' has no letter that can be recognised");
    if (phrase.size() > kMaxLetters)
      return invalid_argument("hotwords: '" + word.text.substr(0, 40) + "...' is over 100 letters");
    if (!(std::fabs(word.boost) <= kMaxBoost))
      return invalid_argument("hotwords: boost of '" + word.text + "' is " +
                              std::to_string(word.boost) + ", wanted -20 to 20");
    std::int32_t node = 0;
    for (const char c : phrase) {
      std::int32_t to = trie.child(node, c);
      if (to < 0) {
        to = static_cast<std::int32_t>(trie.nodes_.size());
        trie.nodes_[static_cast<std::size_t>(node)].next.emplace_back(c, to);
        trie.nodes_.emplace_back();
        // A negative boost is charged whole at the end: charging it early would hurt words that
        // share the start.
        trie.nodes_.back().step = std::max(word.boost, 0.0f) / static_cast<float>(phrase.size());
      } else {
        Node& shared = trie.nodes_[static_cast<std::size_t>(to)];
        shared.step =
            std::max(shared.step, std::max(word.boost, 0.0f) / static_cast<float>(phrase.size()));
      }
      node = to;
    }
    trie.nodes_[static_cast<std::size_t>(node)].ends = true;
    trie.nodes_[static_cast<std::size_t>(node)].boost = word.boost;
  }
  return trie;
}

float HotWords::advance(State& state, char c, bool at_word_start) const {
  if (empty()) return 0;
  float delta = 0;
  if (c == ' ') {
    const std::int32_t onward = state.node ? child(state.node, ' ') : -1;
    const Node& here = nodes_[static_cast<std::size_t>(state.node)];
    if (onward < 0 || here.ends) delta += finish(state);
    if (onward >= 0) {  // a longer phrase may go on
      delta += nodes_[static_cast<std::size_t>(onward)].step;
      state = {onward, state.earned + nodes_[static_cast<std::size_t>(onward)].step};
    }
    return delta;
  }
  const std::int32_t from = at_word_start && state.node == 0 ? 0 : state.node;
  if (from == 0 && !at_word_start) return 0;
  std::int32_t to = child(from, c);
  if (to < 0) {
    delta -= state.earned;
    state = {};
    to = at_word_start ? child(0, c) : -1;
    if (to < 0) return delta;
  }
  const float step = nodes_[static_cast<std::size_t>(to)].step;
  state = {to, state.earned + step};
  return delta + step;
}

float HotWords::finish(State& state) const {
  if (empty() || state.node == 0) return 0;
  const Node& here = nodes_[static_cast<std::size_t>(state.node)];
  const float delta = (here.ends ? here.boost : 0.0f) - state.earned;
  state = {};
  return delta;
}

bool HotWords::listed(std::string_view word) const {
  std::int32_t node = 0;
  for (const char c : word)
    if (node = child(node, c); node <= 0) return false;
  return node > 0 && (nodes_[static_cast<std::size_t>(node)].ends || child(node, ' ') > 0);
}

}  // namespace antiphon::asr
