// One step of the beam at a time; letters form a tree that all hypotheses share.
#include "asr/ctc_decoder.h"

#include <algorithm>
#include <cmath>

#include "asr/ctc_alignment.h"

namespace antiphon::asr {
namespace {

constexpr float kImpossible = -1e30f;
constexpr float kRounding = 1e-2f;        // of sums near 1e4 in f32, several times
constexpr std::size_t kCollectAt = 4096;  // letters
constexpr std::size_t kMostLetters = 64;  // of a word that the language model is asked for
constexpr float kRareWord = -10.8f;       // log P of a word where there is no language model
constexpr float kListedWord = -4.6f;      // log P of a phrase's word at least, where it was heard

float log_add(float a, float b) {
  const float high = std::max(a, b), low = std::min(a, b);
  if (low < high - 20) return high;  // below the precision of f32
  return high + std::log1p(std::exp(low - high));
}

}  // namespace

CtcDecoder::CtcDecoder(const CtcDecoderConfig& config, const LanguageModel* lm, HotWords hot_words,
                       const PhraseModel* phrases)
    : config_(config),
      lm_(lm),
      phrases_(phrases && !phrases->empty() && config.phrase_share > 0 ? phrases : nullptr),
      hot_words_(std::move(hot_words)),
      children_(config_.alphabet.size() + 1) {
  reset();
}

void CtcDecoder::reset() {
  Letter root;
  if (lm_) {
    root.lm = lm_->start();
    root.words = lm_->all_words();
  }
  if (phrases_) root.phrases = phrases_->start();
  letters_.clear(root);
  beam_.clear();
  Hypothesis nothing;
  nothing.label = kImpossible;
  beam_.push_back(nothing);
  collect_at_ = kCollectAt;
  heard_.clear();
  step_ = 0;
}

bool CtcDecoder::empty() const {
  return std::all_of(beam_.begin(), beam_.end(),
                     [](const Hypothesis& h) { return h.letter == LetterTree::kRoot; });
}

void CtcDecoder::advance(std::span<const float> log_probs, int num_steps) {
  const std::size_t classes = config_.alphabet.size() + 1;
  ANTIPHON_CHECK(log_probs.size() == classes * static_cast<std::size_t>(num_steps));
  heard_.insert(heard_.end(), log_probs.begin(), log_probs.end());
  for (int s = 0; s < num_steps; ++s)
    step(log_probs.data() + static_cast<std::size_t>(s) * classes);
}

// Scores the word that ends at `letter`, and moves the states of both models past it.
float CtcDecoder::close_word(std::int32_t letter, LmState& lm, std::int32_t& phrases) const {
  char buffer[kMostLetters];
  const std::span<const char> word = letters_.word(letter, buffer);
  return score_word({word.data(), word.size()}, lm, phrases);
}

float CtcDecoder::score_word(std::string_view word, LmState& lm, std::int32_t& phrases) const {
  if (!lm_ && !phrases_) return config_.word_bonus;
  word = word.substr(0, kMostLetters);
  float log_p = kRareWord, unknown = 0;  // the penalty stands outside of the model's weight
  if (lm_) {
    const std::int32_t id = lm_->word(word);
    log_p = lm_->score(lm, id, &lm);
    if (id < 0)
      unknown = config_.unknown_word + config_.unknown_letter * static_cast<float>(word.size());
  }
  float score = config_.lm_weight * log_p + unknown;
  if (phrases_) {
    // The sum of two opinions: a phrase can only raise a word, and costs others log(1 - share).
    const float share = config_.phrase_share;
    const float said = phrases_->probability(phrases, word, &phrases);
    score += config_.lm_weight * std::log1p(-share);
    if (said > 0) {
      const float raised =
          log_add(score / config_.lm_weight, std::log(share * said)) * config_.lm_weight;
      score += config_.phrase_gain * (raised - score);
    }
  }
  if (!lm_) score -= config_.lm_weight * kRareWord;
  return score + config_.word_bonus;
}

// What the word in progress at `letter` scores at best, so that a spelling that no word begins with
// pays for it at once and not at the next space, when the beam has forgotten the others.
float CtcDecoder::look_ahead(std::int32_t letter) const {
  const Letter& last = letters_[letter];
  const float best = config_.lm_weight * lm_->most_likely(last.words) + config_.word_bonus;
  if (!last.words.empty()) return best;
  char buffer[kMostLetters];
  const std::span<const char> word = letters_.word(letter, buffer);
  if (phrases_ && phrases_->has_prefix({word.data(), word.size()})) return last.ahead;
  return best + config_.unknown_word + config_.unknown_letter * static_cast<float>(word.size());
}

// A child of `letter` that was not tried before, scored.
std::int32_t CtcDecoder::extend(std::int32_t letter, std::uint8_t symbol) {
  const char c = config_.alphabet[symbol - 1u];
  const std::int32_t child = letters_.add(letter, symbol, c);
  Letter& made = letters_[child];
  made.step = step_;
  const bool at_word_start = letters_[letter].c == ' ';  // the root counts as a space
  if (lm_) {
    made.extra -= made.ahead;  // the parent's, which close_word() or a longer look settles
    if (c == ' ') {
      made.ahead = 0;
      made.words = lm_->all_words();
    } else {
      const auto depth = made.length - letters_[made.word_start].length - 1;
      made.words = lm_->narrowed(made.words, static_cast<std::size_t>(depth), c);
      made.ahead = look_ahead(child);
      made.extra += made.ahead;
    }
  }
  if (c == ' ') made.extra += close_word(letter, made.lm, made.phrases);
  const float boost = hot_words_.advance(made.hot, c, at_word_start);
  made.extra += boost;
  made.boosts += boost;
  return child;
}

// Every hypothesis as it is: one more blank, or its last letter for longer.
void CtcDecoder::stay(const float* log_probs) {
  for (const Hypothesis& h : beam_) {
    Hypothesis same = h;
    same.blank = h.acoustic + log_probs[0];
    same.label = kImpossible;
    Letter& letter = letters_[h.letter];
    if (letter.symbol != 0) same.label = h.label + log_probs[letter.symbol];
    letter.place = static_cast<std::int32_t>(next_.size());
    letter.stamp = step_;
    next_.push_back(same);
  }
}

// Every hypothesis with one more letter, where that scores above `floor`.
void CtcDecoder::grow(const float* log_probs, float floor) {
  float most = kImpossible;
  for (const std::uint8_t symbol : symbols_) most = std::max(most, log_probs[symbol]);
  for (const Hypothesis& h : beam_) {
    // Best first: nothing behind reaches the floor either. The sums below round otherwise.
    if (h.score + most < floor - kRounding) break;
    letters_.children(h.letter, children_);
    const Letter& last = letters_[h.letter];
    const std::uint8_t last_symbol = last.symbol;
    const bool after_space = last.c == ' ';
    const float extra = last.extra;
    for (const std::uint8_t symbol : symbols_) {
      if (after_space && config_.alphabet[symbol - 1u] == ' ') continue;
      const float log_prob = (symbol == last_symbol ? h.blank : h.acoustic) + log_probs[symbol];
      if (log_prob + extra < floor) continue;
      std::int32_t child = children_[symbol];
      if (child < 0) child = extend(h.letter, symbol);
      Letter& to = letters_[child];
      if (to.stamp != step_) {
        to.stamp = step_;
        to.place = static_cast<std::int32_t>(next_.size());
        next_.push_back({child, kImpossible, log_prob, 0, 0});
      } else {
        float& label = next_[static_cast<std::size_t>(to.place)].label;
        label = log_add(label, log_prob);
      }
    }
  }
}

void CtcDecoder::step(const float* log_probs) {
  const int num_classes = static_cast<int>(config_.alphabet.size()) + 1;
  const float top = *std::max_element(log_probs, log_probs + num_classes);
  symbols_.clear();
  for (int k = 1; k < num_classes; ++k)
    if (log_probs[k] > top - config_.prune) symbols_.push_back(static_cast<std::uint8_t>(k));
  next_.clear();
  stay(log_probs);
  float best = kImpossible;
  for (const Hypothesis& h : next_)
    best = std::max(best, std::max(h.blank, h.label) + letters_[h.letter].extra);
  grow(log_probs, best - config_.prune);
  prune();
  ++step_;
  commit();
  if (letters_.size() > collect_at_) collect();
}

void CtcDecoder::prune() {
  for (Hypothesis& h : next_) {
    h.acoustic = log_add(h.blank, h.label);
    h.score = h.acoustic + letters_[h.letter].extra;
  }
  const auto better = [](const Hypothesis& a, const Hypothesis& b) {
    return a.score != b.score ? a.score > b.score : a.letter < b.letter;
  };
  float best = kImpossible;
  for (const Hypothesis& h : next_) best = std::max(best, h.score);
  const float floor = best - 2 * config_.prune;
  std::erase_if(next_, [&](const Hypothesis& h) { return h.score < floor; });
  const auto width = std::min(next_.size(), static_cast<std::size_t>(config_.beam_width));
  std::partial_sort(next_.begin(), next_.begin() + static_cast<std::ptrdiff_t>(width), next_.end(),
                    better);
  next_.resize(width);
  beam_.swap(next_);
}

// Settles words that are old enough: what disagrees with the best hypothesis about them is dropped.
void CtcDecoder::commit() {
  std::int32_t anchor = beam_.front().letter;
  while (anchor != LetterTree::kRoot &&
         (letters_[anchor].c != ' ' || letters_[anchor].step > step_ - config_.commit_steps))
    anchor = letters_[anchor].parent;
  if (anchor == LetterTree::kRoot) return;
  std::erase_if(beam_,
                [&](const Hypothesis& h) { return letters_.common(h.letter, anchor) != anchor; });
}

void CtcDecoder::collect() {
  live_.clear();
  for (Hypothesis& h : beam_) live_.push_back(&h.letter);
  letters_.collect(live_);
  collect_at_ = std::max(kCollectAt, 2 * letters_.size());
}

std::string CtcDecoder::best(int* stable_bytes) const {
  std::string text = text_of(beam_.front());
  if (stable_bytes) {
    std::int32_t common = beam_.front().letter;
    for (const Hypothesis& h : beam_) common = letters_.common(common, h.letter);
    *stable_bytes = std::min(letters_[common].length, static_cast<std::int32_t>(text.size()));
  }
  return text;
}

std::vector<std::uint8_t> CtcDecoder::classes_of(std::string_view text) const {
  std::vector<std::uint8_t> classes;
  for (const char c : text)
    classes.push_back(static_cast<std::uint8_t>(config_.alphabet.find(c) + 1));
  return classes;
}

std::vector<DecodedWord> CtcDecoder::words_of(const std::string& text) const {
  const int num_classes = static_cast<int>(config_.alphabet.size()) + 1;
  const auto letters = ctc_align(heard_, num_classes, classes_of(text));
  std::vector<DecodedWord> words;
  std::vector<WordEvidence> evidence;
  float sum = 0;
  int num_letters = 0;
  for (std::size_t i = 0; i < letters.size(); ++i) {
    if (text[i] == ' ') continue;
    if (i == 0 || text[i - 1] == ' ') {
      words.push_back({"", letters[i].first_step, 0, 0});
      evidence.push_back({0, 1, 0, 0, 0, false});
    }
    words.back().text += text[i];
    words.back().last_step = letters[i].last_step;
    WordEvidence& e = evidence.back();
    e.mean += letters[i].probability;
    e.least = std::min(e.least, letters[i].probability);
    e.num_letters += 1;
    sum += letters[i].probability;
    num_letters += 1;
  }
  LmState state = lm_ ? lm_->start() : LmState{};
  for (std::size_t i = 0; i < words.size(); ++i) {
    WordEvidence& e = evidence[i];
    e.mean /= static_cast<float>(e.num_letters);
    e.sentence = sum / static_cast<float>(num_letters);
    if (lm_) {
      const std::int32_t id = lm_->word(words[i].text);
      e.language = lm_->score(state, id, &state);
      e.unknown = id < 0;
      if (hot_words_.listed(words[i].text) || (phrases_ && phrases_->has_prefix(words[i].text))) {
        e.unknown = false;
        e.language = std::max(e.language, kListedWord);
      }
    }
    words[i].confidence = word_confidence(e, config_.confidence);
  }
  return words;
}

// What a text's score gains when its last word ends there.
float CtcDecoder::ending(std::int32_t letter) const {
  const Letter& last = letters_[letter];
  LmState lm = last.lm;
  std::int32_t phrases = last.phrases;
  float gain = last_boost(letter);
  if (last.c != ' ') gain += close_word(letter, lm, phrases) - last.ahead;
  if (lm_ && letter != LetterTree::kRoot) gain += config_.lm_weight * lm_->end(lm);
  return gain;
}

float CtcDecoder::last_boost(std::int32_t letter) const {
  HotWords::State hot = letters_[letter].hot;
  return hot_words_.finish(hot);
}

// The beam with its last words closed, best first.
std::vector<CtcDecoder::Hypothesis> CtcDecoder::ended() const {
  std::vector<Hypothesis> ended = beam_;
  for (Hypothesis& h : ended) h.score += ending(h.letter);
  std::stable_sort(ended.begin(), ended.end(),
                   [](const Hypothesis& a, const Hypothesis& b) { return a.score > b.score; });
  return ended;
}

std::string CtcDecoder::text_of(const Hypothesis& hypothesis) const {
  std::string text = letters_.text(hypothesis.letter);
  if (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

std::string CtcDecoder::best_ended() const { return text_of(ended().front()); }

std::vector<DecodedText> CtcDecoder::best_texts(int count) const {
  const std::vector<Hypothesis> ended = this->ended();
  const float top = ended.front().score;
  float total = 0;
  for (const Hypothesis& h : ended) total += std::exp(h.score - top);
  std::vector<DecodedText> texts;
  for (const Hypothesis& h : ended) {
    DecodedText text;
    text.text = text_of(h);
    text.log_score = h.score;
    text.share = std::exp(h.score - top) / total;
    const auto same = std::find_if(texts.begin(), texts.end(),
                                   [&](const DecodedText& t) { return t.text == text.text; });
    if (same != texts.end()) {
      same->share += text.share;  // differed only in a trailing space
    } else if (texts.size() < static_cast<std::size_t>(std::max(count, 1))) {
      texts.push_back(std::move(text));
    }
  }
  return texts;
}

std::vector<DecodedText> CtcDecoder::finish(int count) const {
  std::vector<DecodedText> texts = best_texts(count);
  if (!texts.empty()) texts.front().words = words_of(texts.front().text);
  return texts;
}

// All of a text's score but how it was heard.
float CtcDecoder::score_language(std::string_view text) const {
  Letter at = letters_[LetterTree::kRoot];  // its states alone are moved
  float score = 0;
  std::size_t word_start = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    score += config_.hot_gain * hot_words_.advance(at.hot, text[i], i == word_start);
    if (text[i] != ' ') continue;
    score += score_word(text.substr(word_start, i - word_start), at.lm, at.phrases);
    word_start = i + 1;
  }
  score += score_word(text.substr(word_start), at.lm, at.phrases) +
           config_.hot_gain * hot_words_.finish(at.hot);
  return lm_ ? score + config_.lm_weight * lm_->end(at.lm) : score;
}

std::vector<TextScore> CtcDecoder::scores(std::span<const std::string> texts) const {
  std::vector<double> p(heard_.begin(), heard_.end());
  for (double& x : p) x = std::exp(x);
  std::vector<TextScore> scores;
  for (const std::string& text : texts) {
    const std::vector<std::uint8_t> classes = classes_of(text);
    const bool words = (" " + text + " ").find("  ") == std::string::npos;
    const bool known = std::find(classes.begin(), classes.end(), 0) == classes.end();
    const double heard = words && known ? ctc_log_p(p, num_classes(), classes) : -HUGE_VAL;
    scores.push_back({static_cast<float>(heard), known ? score_language(text) : 0});
  }
  return scores;
}

std::int32_t CtcDecoder::longer(std::int32_t text, std::uint8_t letter) {
  letters_.children(text, children_);
  const std::int32_t child = children_[letter];
  return child >= 0 ? child : extend(text, letter);
}

float CtcDecoder::whole_language_score(std::int32_t text) const {
  return language_score(text) + ending(text) + (config_.hot_gain - 1) * last_boost(text);
}

}  // namespace antiphon::asr
