// One step of the beam at a time; letters form a tree that all hypotheses share.
#include "asr/ctc_decoder.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace antiphon::asr {
namespace {

constexpr float kImpossible = -1e30f;
constexpr std::size_t kCollectAt = 20000;  // letters

float log_add(float a, float b) {
  const float high = std::max(a, b), low = std::min(a, b);
  if (low <= kImpossible / 2) return high;
  return high + std::log1p(std::exp(low - high));
}

}  // namespace

float CtcDecoder::Hypothesis::acoustic() const { return log_add(blank, label); }

CtcDecoder::CtcDecoder(const CtcDecoderConfig& config, const LanguageModel* lm, HotWords hot_words)
    : config_(config), lm_(lm), hot_words_(std::move(hot_words)) {
  reset();
}

void CtcDecoder::reset() {
  letters_.clear();
  beam_.clear();
  Hypothesis nothing;
  nothing.label = kImpossible;
  if (lm_) nothing.lm = lm_->start();
  beam_.push_back(nothing);
  step_ = 0;
}

bool CtcDecoder::empty() const {
  return std::all_of(beam_.begin(), beam_.end(), [](const Hypothesis& h) { return h.letter < 0; });
}

void CtcDecoder::advance(std::span<const float> log_probs, int num_steps) {
  const std::size_t classes = config_.alphabet.size() + 1;
  ANTIPHON_CHECK(log_probs.size() == classes * static_cast<std::size_t>(num_steps));
  for (int s = 0; s < num_steps; ++s)
    step(log_probs.data() + static_cast<std::size_t>(s) * classes);
}

std::string CtcDecoder::last_word(std::int32_t letter) const {
  std::string word;
  for (; letter >= 0 && letters_[static_cast<std::size_t>(letter)].c != ' ';
       letter = letters_[static_cast<std::size_t>(letter)].parent)
    word += letters_[static_cast<std::size_t>(letter)].c;
  std::reverse(word.begin(), word.end());
  return word;
}

// Scores the word that ends at `letter`, and moves the model's state of `h` past it.
float CtcDecoder::close_word(Hypothesis& h, std::int32_t letter) const {
  if (!lm_) return config_.word_bonus;
  const std::string word = last_word(letter);
  const std::int32_t id = lm_->word(word);
  return config_.lm_weight * lm_->score(h.lm, id, &h.lm) + config_.word_bonus +
         (id < 0 ? config_.unknown_word : 0.0f);
}

CtcDecoder::Hypothesis& CtcDecoder::target(std::int32_t parent, char c, const Hypothesis& from,
                                           float log_prob) {
  for (const Child& child : children_)
    if (child.parent == parent && child.c == c) return next_[static_cast<std::size_t>(child.index)];
  const bool at_word_start = parent < 0 || letters_[static_cast<std::size_t>(parent)].c == ' ';
  Hypothesis h;
  h.letter = static_cast<std::int32_t>(letters_.size());
  h.blank = h.label = kImpossible;
  h.extra = from.extra;
  h.lm = from.lm;
  h.hot = from.hot;
  if (c == ' ') h.extra += close_word(h, parent);
  h.extra += hot_words_.advance(h.hot, c, at_word_start);
  const std::int32_t length =
      parent < 0 ? 1 : letters_[static_cast<std::size_t>(parent)].length + 1;
  letters_.push_back({parent, c, step_, log_prob, length});
  children_.push_back({parent, c, h.letter, static_cast<std::int32_t>(next_.size())});
  next_.push_back(h);
  return next_.back();
}

void CtcDecoder::step(const float* log_probs) {
  const int num_classes = static_cast<int>(config_.alphabet.size()) + 1;
  const float top = *std::max_element(log_probs, log_probs + num_classes);
  classes_.clear();
  for (int k = 1; k < num_classes; ++k)
    if (log_probs[k] > top - config_.prune) classes_.push_back(k);

  next_.clear();
  children_.clear();
  float best = kImpossible;
  for (std::size_t i = 0; i < beam_.size(); ++i) {
    const Hypothesis& h = beam_[i];
    Hypothesis stay = h;
    stay.blank = h.acoustic() + log_probs[0];
    stay.label = kImpossible;
    if (h.letter >= 0) {
      Letter& letter = letters_[static_cast<std::size_t>(h.letter)];
      const float log_prob = log_probs[config_.alphabet.find(letter.c) + 1];
      stay.label = h.label + log_prob;
      if (stay.label > stay.blank && log_prob > letter.log_prob) {
        letter.log_prob = log_prob;
        letter.step = step_;
      }
      children_.push_back({letter.parent, letter.c, h.letter, static_cast<std::int32_t>(i)});
    }
    best = std::max(best, stay.score());
    next_.push_back(stay);
  }
  for (std::size_t i = 0; i < beam_.size(); ++i) {
    const Hypothesis& h = beam_[i];
    const char last = h.letter < 0 ? ' ' : letters_[static_cast<std::size_t>(h.letter)].c;
    const float total = h.acoustic();
    for (const int k : classes_) {
      const char c = config_.alphabet[static_cast<std::size_t>(k - 1)];
      if (c == ' ' && last == ' ') continue;
      const float log_prob = (c == last ? h.blank : total) + log_probs[k];
      if (log_prob + h.extra < best - config_.prune) continue;
      Hypothesis& to = target(h.letter, c, h, log_probs[k]);
      to.label = log_add(to.label, log_prob);
    }
  }
  prune();
  ++step_;
  commit();
  if (letters_.size() > kCollectAt) collect_letters();
}

void CtcDecoder::prune() {
  const auto better = [](const Hypothesis& a, const Hypothesis& b) {
    const float x = a.score(), y = b.score();
    return x != y ? x > y : a.letter < b.letter;
  };
  const auto width = std::min(next_.size(), static_cast<std::size_t>(config_.beam_width));
  std::partial_sort(next_.begin(), next_.begin() + static_cast<std::ptrdiff_t>(width), next_.end(),
                    better);
  next_.resize(width);
  const float floor = next_.front().score() - 2 * config_.prune;
  std::erase_if(next_, [&](const Hypothesis& h) { return h.score() < floor; });
  beam_.swap(next_);
}

void CtcDecoder::commit() {
  std::int32_t anchor = beam_.front().letter;
  while (anchor >= 0 &&
         (letters_[static_cast<std::size_t>(anchor)].c != ' ' ||
          letters_[static_cast<std::size_t>(anchor)].step > step_ - config_.commit_steps))
    anchor = letters_[static_cast<std::size_t>(anchor)].parent;
  if (anchor < 0) return;
  const std::int32_t length = letters_[static_cast<std::size_t>(anchor)].length;
  std::erase_if(beam_, [&](const Hypothesis& h) {
    std::int32_t at = h.letter;
    while (at >= 0 && letters_[static_cast<std::size_t>(at)].length > length)
      at = letters_[static_cast<std::size_t>(at)].parent;
    return at != anchor;
  });
}

// Keeps only the letters that a hypothesis still reaches.
void CtcDecoder::collect_letters() {
  std::vector<std::int32_t> moved(letters_.size(), -1);
  for (const Hypothesis& h : beam_)
    for (std::int32_t at = h.letter; at >= 0 && moved[static_cast<std::size_t>(at)] < 0;
         at = letters_[static_cast<std::size_t>(at)].parent)
      moved[static_cast<std::size_t>(at)] = 0;
  std::vector<Letter> kept;
  for (std::size_t i = 0; i < letters_.size(); ++i) {  // parents come before children
    if (moved[i] < 0) continue;
    moved[i] = static_cast<std::int32_t>(kept.size());
    Letter letter = letters_[i];
    if (letter.parent >= 0) letter.parent = moved[static_cast<std::size_t>(letter.parent)];
    kept.push_back(letter);
  }
  letters_.swap(kept);
  for (Hypothesis& h : beam_)
    if (h.letter >= 0) h.letter = moved[static_cast<std::size_t>(h.letter)];
}

std::string CtcDecoder::text_of(std::int32_t letter) const {
  std::string text;
  for (; letter >= 0; letter = letters_[static_cast<std::size_t>(letter)].parent)
    text += letters_[static_cast<std::size_t>(letter)].c;
  std::reverse(text.begin(), text.end());
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

std::string CtcDecoder::best(int* stable_bytes) const {
  const std::string text = text_of(beam_.front().letter);
  if (stable_bytes) {
    std::int32_t common = beam_.front().letter;
    const auto length = [&](std::int32_t at) {
      return at < 0 ? 0 : letters_[static_cast<std::size_t>(at)].length;
    };
    for (const Hypothesis& h : beam_) {
      std::int32_t other = h.letter;
      while (common != other) {
        if (length(common) >= length(other))
          common = common < 0 ? -1 : letters_[static_cast<std::size_t>(common)].parent;
        else
          other = letters_[static_cast<std::size_t>(other)].parent;
      }
    }
    *stable_bytes = std::min(length(common), static_cast<std::int32_t>(text.size()));
  }
  return text;
}

DecodedText CtcDecoder::describe(const Hypothesis& h) const {
  DecodedText out;
  out.text = text_of(h.letter);
  std::vector<const Letter*> path;
  for (std::int32_t at = h.letter; at >= 0; at = letters_[static_cast<std::size_t>(at)].parent)
    path.push_back(&letters_[static_cast<std::size_t>(at)]);
  std::reverse(path.begin(), path.end());
  float sum = 0;
  int count = 0;
  const auto close = [&] {
    if (count > 0) out.words.back().confidence = sum / static_cast<float>(count);
    sum = 0;
    count = 0;
  };
  for (const Letter* letter : path) {
    if (letter->c == ' ') {
      close();
      continue;
    }
    if (count == 0) out.words.push_back({"", letter->step, letter->step, 0});
    out.words.back().text += letter->c;
    out.words.back().last_step = letter->step;
    sum += std::exp(letter->log_prob);
    ++count;
  }
  close();
  return out;
}

std::vector<DecodedText> CtcDecoder::finish(int count) const {
  std::vector<Hypothesis> ended = beam_;
  float top = kImpossible;
  for (Hypothesis& h : ended) {
    if (h.letter >= 0 && letters_[static_cast<std::size_t>(h.letter)].c != ' ')
      h.extra += close_word(h, h.letter);
    h.extra += hot_words_.finish(h.hot);
    if (lm_ && h.letter >= 0) h.extra += config_.lm_weight * lm_->end(h.lm);
    top = std::max(top, h.score());
  }
  std::stable_sort(ended.begin(), ended.end(),
                   [](const Hypothesis& a, const Hypothesis& b) { return a.score() > b.score(); });
  float total = 0;
  for (const Hypothesis& h : ended) total += std::exp(h.score() - top);
  std::vector<DecodedText> texts;
  for (const Hypothesis& h : ended) {
    DecodedText text = describe(h);
    text.log_score = h.score();
    text.share = std::exp(h.score() - top) / total;
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

}  // namespace antiphon::asr
