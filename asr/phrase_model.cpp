// Phrases with slots as sets of places in them, made deterministic word by word.
#include "asr/phrase_model.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <set>

namespace antiphon::asr {
namespace {

constexpr std::size_t kMostStates = 20000;
constexpr std::size_t kMostWork = 5000000;  // places looked at, some seconds
constexpr float kGoOn = 0.8f;               // of the probability, for the phrases that have begun
constexpr int kFreeWords = 3;               // of a text slot
constexpr const char* kNumberWords =
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety "
    "hundred thousand zero oh a couple dozen";
constexpr const char* kTimeWords =
    "half quarter past to o'clock a p m am pm noon midnight in the morning afternoon evening at "
    "night";

// One position of a phrase: the words that it takes, and how often.
struct Place {
  std::set<std::int32_t> words;
  bool any = false;                // takes every word
  bool repeats = false;            // may be taken again
  std::vector<std::int32_t> next;  // places after it
};

std::vector<std::string> split(std::string_view text, std::string_view alphabet) {
  std::vector<std::string> words(1);
  for (const char raw : text) {
    const char c = raw >= 'A' && raw <= 'Z' ? static_cast<char>(raw - 'A' + 'a') : raw;
    if (c == ' ' || c == '-')
      words.emplace_back();
    else if (c == '{' || c == '}' || c == '_' || alphabet.find(c) != std::string_view::npos)
      words.back() += c;
  }
  std::erase_if(words, [](const std::string& w) { return w.empty(); });
  return words;
}

}  // namespace

// Places of all phrases, then the states that are sets of them.
class PhraseCompiler {
 public:
  PhraseCompiler(PhraseModel& model, std::string_view alphabet)
      : model_(model), alphabet_(alphabet) {}

  void add(const IntentSpec& intent) {
    for (const std::string& phrase : intent.phrases) add_phrase(intent, phrase);
    // A value alone answers a question.
    for (const SlotSpec& slot : intent.slots)
      if (slot.type == SlotType::kList) begin_with(add_slot(slot, {}));
  }
  void compile();

 private:
  using Ends = std::vector<std::int32_t>;  // places that the next one follows
  struct Piece {
    std::vector<std::int32_t> first;
    Ends last;
  };

  std::int32_t id(const std::string& word) {
    return model_.words_.try_emplace(word, static_cast<std::int32_t>(model_.words_.size()))
        .first->second;
  }
  std::int32_t place(const Ends& before) {
    const auto at = static_cast<std::int32_t>(places_.size());
    places_.emplace_back();
    for (const std::int32_t b : before) places_[static_cast<std::size_t>(b)].next.push_back(at);
    return at;
  }
  void begin_with(const Piece& piece) { begin_.insert(piece.first.begin(), piece.first.end()); }
  std::int32_t add_words(const char* words, const Ends& before) {
    const std::int32_t at = place(before);
    for (const std::string& word : split(words, alphabet_))
      places_[static_cast<std::size_t>(at)].words.insert(id(word));
    places_[static_cast<std::size_t>(at)].repeats = true;
    return at;
  }
  Piece add_slot(const SlotSpec& slot, const Ends& before);
  void add_phrase(const IntentSpec& intent, const std::string& phrase);
  std::int32_t state_of(const std::set<std::int32_t>& places);
  void expand(std::int32_t state, const std::set<std::int32_t>& places);

  PhraseModel& model_;
  std::string_view alphabet_;
  std::vector<Place> places_;
  std::size_t work_ = 0;
  std::set<std::int32_t> begin_;  // first places of all phrases
  std::map<std::set<std::int32_t>, std::int32_t> known_;
  std::deque<std::pair<std::int32_t, std::set<std::int32_t>>> open_;
};

PhraseCompiler::Piece PhraseCompiler::add_slot(const SlotSpec& slot, const Ends& before) {
  Piece piece;
  const auto single = [&](std::int32_t at) { return Piece{{at}, {at}}; };
  if (slot.type == SlotType::kNumber) return single(add_words(kNumberWords, before));
  if (slot.type == SlotType::kTime)
    return single(add_words((std::string(kNumberWords) + " " + kTimeWords).c_str(), before));
  if (slot.type == SlotType::kLetters)
    return single(add_words("a b c d e f g h i j k l m n o p q r s t u v w x y z double", before));
  if (slot.type == SlotType::kText) {
    Ends from = before;
    for (int i = 0; i < kFreeWords; ++i) {
      const std::int32_t at = place(from);
      places_[static_cast<std::size_t>(at)].any = true;
      if (i == 0) piece.first.push_back(at);
      piece.last.push_back(at);
      from = {at};
    }
    return piece;
  }
  // Values share their places where they begin with the same words.
  std::map<std::vector<std::string>, std::int32_t> known;
  for (const SlotValue& value : slot.values)
    for (const std::string& said : value.said_as) {
      const std::vector<std::string> words = split(said, alphabet_);
      Ends from = before;
      for (std::size_t i = 0; i < words.size(); ++i) {
        const std::vector<std::string> head(words.begin(),
                                            words.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        const auto [found, fresh] = known.try_emplace(head, -1);
        if (fresh) {
          found->second = place(from);
          places_[static_cast<std::size_t>(found->second)].words = {id(words[i])};
          if (i == 0) piece.first.push_back(found->second);
        }
        from = {found->second};
        if (i + 1 == words.size() &&
            std::find(piece.last.begin(), piece.last.end(), found->second) == piece.last.end())
          piece.last.push_back(found->second);
      }
    }
  return piece;
}

void PhraseCompiler::add_phrase(const IntentSpec& intent, const std::string& phrase) {
  Ends from;
  bool first = true;
  for (const std::string& word : split(phrase, alphabet_)) {
    Piece piece;
    const bool named = word.size() > 2 && word.front() == '{' && word.back() == '}';
    const auto slot =
        std::find_if(intent.slots.begin(), intent.slots.end(), [&](const SlotSpec& s) {
          return named && s.name == std::string_view(word).substr(1, word.size() - 2);
        });
    if (slot != intent.slots.end()) {
      piece = add_slot(*slot, from);
    } else {
      const std::int32_t at = place(from);
      places_[static_cast<std::size_t>(at)].words = {id(word)};
      piece = {{at}, {at}};
    }
    if (first) begin_with(piece);
    first = false;
    from = piece.last;
  }
}

std::int32_t PhraseCompiler::state_of(const std::set<std::int32_t>& places) {
  if (places.empty()) return 0;
  const auto found = known_.find(places);
  if (found != known_.end()) return found->second;
  if (model_.states_.size() >= kMostStates || work_ > kMostWork)
    return 0;  // what comes after goes without
  const auto state = static_cast<std::int32_t>(model_.states_.size());
  model_.states_.emplace_back();
  known_.emplace(places, state);
  open_.emplace_back(state, places);
  return state;
}

// The arcs of a state in which the phrases are at `places` (words already taken).
void PhraseCompiler::expand(std::int32_t state, const std::set<std::int32_t>& places) {
  std::set<std::int32_t> onward;
  for (const std::int32_t at : places) {
    const Place& here = places_[static_cast<std::size_t>(at)];
    if (here.repeats) onward.insert(at);
    onward.insert(here.next.begin(), here.next.end());
  }
  std::map<std::int32_t, std::pair<std::set<std::int32_t>, bool>> arcs;
  std::set<std::int32_t> any;
  for (const bool goes_on : {true, false}) {
    for (const std::int32_t at : goes_on ? onward : begin_) {
      const Place& there = places_[static_cast<std::size_t>(at)];
      if (there.any) any.insert(at);
      for (const std::int32_t word : there.words) {
        auto& arc = arcs[word];
        arc.first.insert(at);
        arc.second |= goes_on;
      }
    }
  }
  PhraseModel::State made;
  // A word that a phrase knows is not taken for free text: both at once would multiply the states.
  made.other = state_of(any);
  for (auto& [word, arc] : arcs) {
    work_ += arc.first.size();
    made.arcs.push_back({word, state_of(arc.first), arc.second});
    ++(arc.second ? made.num_on : made.num_begin);
  }
  model_.states_[static_cast<std::size_t>(state)] = std::move(made);
}

void PhraseCompiler::compile() {
  expand(0, {});
  while (!open_.empty()) {
    const auto [state, places] = std::move(open_.front());
    open_.pop_front();
    expand(state, places);
  }
}

PhraseModel PhraseModel::create(const AssistantSpec& spec, std::string_view alphabet) {
  PhraseModel model;
  PhraseCompiler compiler(model, alphabet);
  for (const IntentSpec& intent : spec.intents) compiler.add(intent);
  compiler.compile();
  return model;
}

bool PhraseModel::has_prefix(std::string_view prefix) const {
  const auto at = words_.lower_bound(prefix);
  return at != words_.end() && at->first.starts_with(prefix);
}

float PhraseModel::probability(std::int32_t state, std::string_view word,
                               std::int32_t* next) const {
  const State& here = states_[static_cast<std::size_t>(state)];
  *next = here.other;
  const auto known = words_.find(word);
  if (known == words_.end()) return 0;
  const auto arc = std::lower_bound(here.arcs.begin(), here.arcs.end(), known->second,
                                    [](const Arc& a, std::int32_t w) { return a.word < w; });
  if (arc == here.arcs.end() || arc->word != known->second) return 0;
  *next = arc->to;
  const float on = here.num_on == 0 ? 0.0f : here.num_begin == 0 ? 1.0f : kGoOn;
  return arc->goes_on ? on / static_cast<float>(here.num_on)
                      : (1 - on) / static_cast<float>(here.num_begin);
}

}  // namespace antiphon::asr
