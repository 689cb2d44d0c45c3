// What an assistant's users are likely to say: its example phrases as an automaton over words.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/status.h"
#include "pipeline/assistant_spec.h"

namespace antiphon::asr {

// Immutable: any thread. A phrase may begin at any word. A slot stands for what can be said in it:
// the values of a list, words of numbers or times, letters, or any few words.
class PhraseModel {
 public:
  // `alphabet`: letters outside of it are dropped from the phrases.
  static PhraseModel create(const AssistantSpec& spec, std::string_view alphabet);

  bool empty() const { return states_.size() <= 1 && words_.empty(); }
  std::int32_t start() const { return 0; }
  // P(word | the words so far), summing to 1 over the words that phrases allow here; 0: none does.
  // `next` is the state after the word, whatever it is.
  float probability(std::int32_t state, std::string_view word, std::int32_t* next) const;
  // Some word of the phrases begins with `prefix`.
  bool has_prefix(std::string_view prefix) const;
  std::size_t num_states() const { return states_.size(); }

 private:
  friend class PhraseCompiler;
  struct Arc {
    std::int32_t word = 0, to = 0;
    bool goes_on = false;  // a phrase goes on with it; else one begins
  };
  struct State {
    std::vector<Arc> arcs;   // by word, ascending
    std::int32_t other = 0;  // after any other word
    std::int32_t num_on = 0, num_begin = 0;
  };
  std::map<std::string, std::int32_t, std::less<>> words_;
  std::vector<State> states_{1};
};

}  // namespace antiphon::asr
