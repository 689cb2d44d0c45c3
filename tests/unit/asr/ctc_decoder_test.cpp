// CTC beam search against an exhaustive sum over alignments, hot words, stable prefixes and times.
#include "asr/ctc_decoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "asr/ctc_alignment.h"
#include "tests/unit/asr/tiny_pack.h"

namespace antiphon::asr {
namespace {

CtcDecoderConfig small_config(const std::string& alphabet) {
  CtcDecoderConfig config;
  config.alphabet = alphabet;
  config.beam_width = 64;
  config.prune = 50;
  config.word_bonus = 0;
  config.commit_steps = 1000;
  return config;
}

std::vector<float> random_log_probs(int steps, int classes, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> out(static_cast<std::size_t>(steps * classes));
  for (int s = 0; s < steps; ++s) {
    float* row = out.data() + s * classes;
    float sum = 0;
    for (int k = 0; k < classes; ++k) sum += std::exp(row[k] = normal(random));
    for (int k = 0; k < classes; ++k) row[k] -= std::log(sum);
  }
  return out;
}

// The probability of every text by walking all alignments.
std::map<std::string, double> all_texts(const std::vector<float>& log_probs, int steps,
                                        const std::string& alphabet) {
  const int classes = static_cast<int>(alphabet.size()) + 1;
  std::map<std::string, double> texts;
  int paths = 1;
  for (int s = 0; s < steps; ++s) paths *= classes;
  for (int path = 0; path < paths; ++path) {
    std::string text;
    double log_p = 0;
    int last = 0;
    for (int s = 0, rest = path; s < steps; ++s, rest /= classes) {
      const int k = rest % classes;
      log_p += log_probs[static_cast<std::size_t>(s * classes + k)];
      if (k != 0 && k != last) text += alphabet[static_cast<std::size_t>(k - 1)];
      last = k;
    }
    texts[text] += std::exp(log_p);
  }
  return texts;
}

TEST(CtcDecoder, FindsTheMostProbableTextOfAllAlignments) {
  const std::string alphabet = "abc";
  for (unsigned seed = 1; seed <= 30; ++seed) {
    const auto log_probs = random_log_probs(6, 4, seed);
    CtcDecoder decoder(small_config(alphabet), nullptr, {});
    decoder.advance(log_probs, 6);
    const auto texts = all_texts(log_probs, 6, alphabet);
    auto best = texts.begin();
    for (auto at = texts.begin(); at != texts.end(); ++at)
      if (at->second > best->second) best = at;
    const auto decoded = decoder.finish(1);
    EXPECT_EQ(decoded.front().text, best->first) << "seed " << seed;
    // 64 of some 800 texts are kept: the score of the best is exact.
    EXPECT_NEAR(std::exp(decoded.front().log_score), best->second, 1e-4) << "seed " << seed;
  }
}

// One letter a step, certain but for a share given to `other`.
std::vector<float> spell(const std::string& text, const std::string& alphabet, float sure = 0.9f) {
  std::vector<float> out;
  const std::size_t classes = alphabet.size() + 1;
  for (const char c : text) {
    std::vector<float> row(classes, std::log((1 - sure) / static_cast<float>(classes - 1)));
    row[c == '_' ? 0 : alphabet.find(c) + 1] = std::log(sure);
    out.insert(out.end(), row.begin(), row.end());
  }
  return out;
}

// The search as it is defined, on texts in double: what the decoder may not differ from.
class PlainSearch {
 public:
  explicit PlainSearch(const CtcDecoderConfig& config) : config_(config) {}

  void step(std::span<const float> row) {
    const double top = *std::max_element(row.begin(), row.end());
    std::map<std::string, Ends> next;
    double best = kNever;
    for (const auto& [text, ends] : beam_) {
      const Ends same = {add(ends.blank, ends.label) + row[0],
                         text.empty() ? kNever : ends.label + row[symbol(text.back())]};
      next[text] = same;
      best = std::max(best, std::max(same.blank, same.label) + bonus(text));
    }
    for (const auto& [text, ends] : beam_)
      for (std::size_t k = 1; k < row.size(); ++k) {
        const char c = config_.alphabet[k - 1];
        if (row[k] <= top - config_.prune || (c == ' ' && (text.empty() || text.back() == ' ')))
          continue;
        const bool repeats = !text.empty() && text.back() == c;
        const double p = (repeats ? ends.blank : add(ends.blank, ends.label)) + row[k];
        if (p + bonus(text) < best - config_.prune) continue;
        Ends& longer = next[text + c];
        longer.label = add(longer.label, p);
      }
    std::vector<std::pair<double, std::string>> order;
    for (const auto& [text, ends] : next) order.push_back({-score(text, ends), text});
    std::sort(order.begin(), order.end());
    order.resize(std::min(order.size(), static_cast<std::size_t>(config_.beam_width)));
    beam_.clear();
    for (const auto& [cost, text] : order)
      if (cost <= order[0].first + 2 * config_.prune) beam_[text] = next[text];
  }

  // {score, text} with the last word ended, best first.
  std::vector<std::pair<double, std::string>> finish() const {
    std::vector<std::pair<double, std::string>> out;
    for (const auto& [text, ends] : beam_) {
      const bool open = !text.empty() && text.back() != ' ';
      out.push_back({score(text, ends) + (open ? config_.word_bonus : 0), text});
    }
    std::sort(out.rbegin(), out.rend());
    return out;
  }

 private:
  static constexpr double kNever = -1e30;
  struct Ends {
    double blank = kNever, label = kNever;
  };
  static double add(double a, double b) {
    return std::max(a, b) + std::log1p(std::exp(-std::fabs(a - b)));
  }
  std::size_t symbol(char c) const { return config_.alphabet.find(c) + 1; }
  double bonus(const std::string& text) const {
    return config_.word_bonus * static_cast<double>(std::count(text.begin(), text.end(), ' '));
  }
  double score(const std::string& text, const Ends& ends) const {
    return add(ends.blank, ends.label) + bonus(text);
  }
  CtcDecoderConfig config_;
  std::map<std::string, Ends> beam_ = {{"", {0, kNever}}};
};

// Rows in doubt, and rows that are almost surely blank, as networks of several outputs a step have.
TEST(CtcDecoder, PruningIsThatOfThePlainSearch) {
  CtcDecoderConfig config = small_config(" abcdef");
  config.beam_width = 12;
  config.prune = 7;
  config.word_bonus = 0.8f;
  for (unsigned seed = 0; seed < 60; ++seed) {
    auto log_probs = random_log_probs(24, 8, seed);
    for (std::size_t at = seed % 2; at < 24; at += 2 + seed % 3) {
      float* row = log_probs.data() + at * 8;
      for (int k = 1; k < 8; ++k) row[k] -= seed % 4 < 2 ? 6 : 14;
      row[0] = -1e-4f;
    }
    CtcDecoder decoder(config, nullptr, {});
    PlainSearch plain(config);
    decoder.advance(log_probs, 24);
    for (std::size_t s = 0; s < 24; ++s) plain.step(std::span(log_probs).subspan(s * 8, 8));
    const auto got = decoder.finish(3);
    const auto want = plain.finish();
    ASSERT_EQ(got.size(), 3u);
    ASSERT_GE(want.size(), 3u);
    std::string text = want[0].second;
    if (text.ends_with(' ')) text.pop_back();
    EXPECT_EQ(got[0].text, text) << seed;
    // Sums of 24 steps in f32 against double.
    EXPECT_NEAR(got[0].log_score, want[0].first, 1e-4) << seed;
  }
}

TEST(CtcDecoder, TellsWhatItWouldEndWithAndGoesOn) {
  const std::string alphabet = " ab";
  for (unsigned seed = 0; seed < 40; ++seed) {
    const auto log_probs = random_log_probs(30, 4, seed);
    CtcDecoder decoder(small_config(alphabet), nullptr, HotWords());
    for (int step = 0; step < 30; ++step) {
      decoder.advance(std::span(log_probs).subspan(static_cast<std::size_t>(step) * 4, 4), 1);
      EXPECT_EQ(decoder.best_ended(), decoder.finish(1).front().text) << seed << " " << step;
    }
  }
}

TEST(CtcDecoder, RepeatsNeedABlank) {
  CtcDecoder decoder(small_config(" abcdefghijklmnopqrstuvwxyz"), nullptr, {});
  const std::string path = "hheel_llo__";
  decoder.advance(spell(path, " abcdefghijklmnopqrstuvwxyz"), static_cast<int>(path.size()));
  EXPECT_EQ(decoder.finish(1).front().text, "hello");
}

TEST(CtcDecoder, WordsHaveTimesAndConfidence) {
  const std::string alphabet = " abcdefghijklmnopqrstuvwxyz", path = "__go_ _up__";
  CtcDecoder decoder(small_config(alphabet), nullptr, {});
  decoder.advance(spell(path, alphabet), static_cast<int>(path.size()));
  const auto text = decoder.finish(1).front();
  ASSERT_EQ(text.words.size(), 2u);
  EXPECT_EQ(text.words[0].text, "go");
  EXPECT_EQ(text.words[0].first_step, 2);
  EXPECT_EQ(text.words[0].last_step, 3);
  EXPECT_EQ(text.words[1].first_step, 7);
  EXPECT_NEAR(text.words[1].confidence, 0.9f, 1e-5);
}

// A letter that seemed to come early, and does come later, is not heard before the one before it.
TEST(CtcDecoder, WordTimesAscend) {
  const std::string alphabet = " abcdefghijklmnopqrstuvwxyz";
  CtcDecoder decoder(small_config(alphabet), nullptr, {});
  auto log_probs = spell("____a_ _be__", alphabet);
  for (const std::size_t step : {1u, 2u}) {  // a hint of the later word, below the blank
    log_probs[step * 28 + alphabet.find('b') + 1] = std::log(0.1f);
    log_probs[step * 28] = std::log(0.8f);
  }
  decoder.advance(log_probs, 12);
  const auto text = decoder.finish(1).front();
  ASSERT_EQ(text.text, "a be");
  EXPECT_EQ(text.words[0].first_step, 4);
  EXPECT_EQ(text.words[0].last_step, 4);
  EXPECT_EQ(text.words[1].first_step, 8);
  EXPECT_EQ(text.words[1].last_step, 9);
}

TEST(CtcAlignment, FindsTheBestOfAllPaths) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    const auto log_probs = random_log_probs(7, 4, seed);
    const std::uint8_t classes[] = {1, 1, 3};
    // Every path of seven steps that reads 1 1 3.
    float best = -1e30f;
    std::vector<int> steps;
    for (int path = 0; path < 16384; ++path) {
      std::vector<int> read, first;
      float score = 0;
      for (int s = 0, rest = path, last = 0; s < 7; ++s, rest /= 4) {
        const int k = rest % 4;
        score += log_probs[static_cast<std::size_t>(s * 4 + k)];
        if (k != 0 && k != last) read.push_back(k), first.push_back(s);
        last = k;
      }
      if (read == std::vector<int>{1, 1, 3} && score > best) best = score, steps = first;
    }
    const auto got = ctc_align(log_probs, 4, classes);
    ASSERT_EQ(got.size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(got[i].first_step, steps[i]) << "seed " << seed;
  }
}

TEST(CtcAlignment, TooFewStepsGiveNothing) {
  const auto log_probs = random_log_probs(2, 4, 1);
  const std::uint8_t repeated[] = {1, 1};  // needs a blank between
  EXPECT_TRUE(ctc_align(log_probs, 4, repeated).empty());
  EXPECT_TRUE(ctc_align({}, 4, repeated).empty());
}

TEST(CtcDecoder, StablePrefixNeverChanges) {
  const std::string alphabet = " abcdefghijklmnopqrstuvwxyz";
  for (unsigned seed = 1; seed <= 10; ++seed) {
    CtcDecoderConfig config = small_config(alphabet);
    config.beam_width = 8;
    config.commit_steps = 10;
    CtcDecoder decoder(config, nullptr, {});
    const auto log_probs = random_log_probs(60, 28, seed);
    std::string promised;
    for (int s = 0; s < 60; ++s) {
      decoder.advance(std::span(log_probs).subspan(static_cast<std::size_t>(s) * 28, 28), 1);
      int stable = 0;
      const std::string text = decoder.best(&stable);
      ASSERT_TRUE(text.starts_with(promised))
          << "step " << s << ": '" << promised << "' became '" << text << "'";
      promised = text.substr(0, static_cast<std::size_t>(stable));
    }
    EXPECT_TRUE(decoder.finish(1).front().text.starts_with(promised));
  }
}

// Each letter of `text` is heard with probability 0.4 and a q in its place with 0.5, a blank after
// it.
std::vector<float> misheard(const std::string& text) {
  std::vector<float> out;
  for (const char c : text) {
    for (const bool blank : {false, true}) {
      std::vector<float> row(test::kAlphabet.size() + 1, std::log(0.1f / 28));
      row[0] = blank ? std::log(0.9f) : row[0];
      if (!blank) row[test::kAlphabet.find(c) + 1] = std::log(0.4f);
      if (!blank) row[test::kAlphabet.find('q') + 1] = std::log(0.5f);
      out.insert(out.end(), row.begin(), row.end());
    }
  }
  return out;
}

// Were unknown words charged at their end alone, three hypotheses would all be full of q by then.
TEST(CtcDecoder, LooksAheadInTheVocabulary) {
  const auto lm = std::move(LanguageModel::load(test::kGolden + "tiny.anlm")).value();
  CtcDecoderConfig config;
  config.beam_width = 3;
  config.unknown_letter = -1;
  CtcDecoder decoder(config, lm.get(), {});
  const auto log_probs = misheard("latte");
  decoder.advance(log_probs, 10);
  EXPECT_EQ(decoder.finish(1).front().text, "latte");
}

// Two steps a letter: itself and a blank.
std::vector<float> spelled(const std::string& text) {
  std::vector<float> log_probs;
  for (const char c : text) {
    std::vector<float> row(2 * (test::kAlphabet.size() + 1), -20.0f);
    row[test::kAlphabet.find(c) + 1] = -0.01f;
    row[test::kAlphabet.size() + 1] = -0.01f;
    log_probs.insert(log_probs.end(), row.begin(), row.end());
  }
  return log_probs;
}

TEST(CtcDecoder, AListedWordIsNotLessSureForBeingUnknown) {
  const auto lm = std::move(LanguageModel::load(test::kGolden + "tiny.anlm")).value();
  CtcDecoderConfig config;
  config.confidence = {.mean = 0, .unknown = -3};
  const auto confidence = [&](const std::string& text, std::vector<HotWord> listed) {
    CtcDecoder decoder(config, lm.get(), *HotWords::create(listed, test::kAlphabet));
    decoder.advance(spelled(text), static_cast<int>(2 * text.size()));
    const auto best = decoder.finish(1).front();
    EXPECT_EQ(best.text, text);
    return best.words.front().confidence;
  };
  EXPECT_NEAR(confidence("latte", {}), 0.5, 1e-5);
  EXPECT_NEAR(confidence("qqzq", {}), 1 / (1 + std::exp(3.0)), 1e-5);
  EXPECT_NEAR(confidence("qqzq", {{"qqzq", 2}}), 0.5, 1e-5);
  EXPECT_NEAR(confidence("qqzq", {{"qqzq latte", 2}}), 0.5, 1e-5);
  EXPECT_NEAR(confidence("qqzq", {{"qqz", 2}}), 1 / (1 + std::exp(3.0)), 1e-5);
}

TEST(CtcDecoder, UnknownWordsCostByTheirLength) {
  const auto lm = std::move(LanguageModel::load(test::kGolden + "tiny.anlm")).value();
  const std::string text = "qqzq";
  const std::vector<float> log_probs = spelled(text);
  const auto score = [&](float unknown_letter) {
    CtcDecoderConfig config;
    config.unknown_letter = unknown_letter;
    CtcDecoder decoder(config, lm.get(), {});
    decoder.advance(log_probs, 8);
    const auto best = decoder.finish(1).front();
    EXPECT_EQ(best.text, text);
    return best.log_score;
  };
  EXPECT_NEAR(score(0) - score(-0.5f), 0.5f * 4, 1e-4f);
}

TEST(CtcDecoder, ABoostDecidesBetweenEquals) {
  const std::string alphabet = " abcdefghijklmnopqrstuvwxyz";
  // "mocha" and "mocka" are equally likely at the fourth letter.
  auto log_probs = spell("moc_a", alphabet);
  float* row = log_probs.data() + 3 * 28;
  for (int k = 0; k < 28; ++k) row[k] = std::log(0.05f / 26);
  row[alphabet.find('h') + 1] = std::log(0.45f);
  row[alphabet.find('k') + 1] = std::log(0.5f);
  CtcDecoder plain(small_config(alphabet), nullptr, {});
  plain.advance(log_probs, 5);
  EXPECT_EQ(plain.finish(1).front().text, "mocka");
  const HotWord words[] = {{"Mocha", 3.0f}};
  CtcDecoder boosted(small_config(alphabet), nullptr, *HotWords::create(words, alphabet));
  boosted.advance(log_probs, 5);
  EXPECT_EQ(boosted.finish(1).front().text, "mocha");
}

}  // namespace
}  // namespace antiphon::asr
