// The exact scores of given texts and of beginnings against all alignments, and of texts against a
// beam that forgets nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "asr/ctc_alignment.h"
#include "asr/ctc_decoder.h"
#include "asr/ctc_prefix.h"
#include "tests/unit/asr/tiny_pack.h"

namespace antiphon::asr {
namespace {

CtcDecoderConfig config_of(const std::string& alphabet) {
  CtcDecoderConfig config;
  config.alphabet = alphabet;
  config.beam_width = 1 << 20;
  config.prune = 1000;
  config.commit_steps = 1000;
  return config;
}

std::vector<float> random_log_probs(std::size_t steps, std::size_t classes, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> out(steps * classes);
  for (std::size_t s = 0; s < steps; ++s) {
    float* row = out.data() + s * classes;
    float sum = 0;
    for (std::size_t k = 0; k < classes; ++k) sum += std::exp(row[k] = normal(random));
    for (std::size_t k = 0; k < classes; ++k) row[k] -= std::log(sum);
  }
  return out;
}

// log P of every text by walking all alignments.
std::map<std::string, double> all_texts(const std::vector<float>& log_probs, std::size_t steps,
                                        const std::string& alphabet) {
  const std::size_t classes = alphabet.size() + 1;
  std::size_t paths = 1;
  for (std::size_t s = 0; s < steps; ++s) paths *= classes;
  std::map<std::string, double> texts;
  for (std::size_t path = 0; path < paths; ++path) {
    std::string text;
    double log_p = 0;
    std::size_t last = 0;
    for (std::size_t s = 0, rest = path; s < steps; ++s, rest /= classes) {
      const std::size_t k = rest % classes;
      log_p += static_cast<double>(log_probs[s * classes + k]);
      if (k != 0 && k != last) text += alphabet[k - 1];
      last = k;
    }
    texts[text] += std::exp(log_p);
  }
  for (auto& [text, p] : texts) p = std::log(p);
  return texts;
}

bool single_spaced(const std::string& text) {
  return (" " + text + " ").find("  ") == std::string::npos;
}

TEST(CtcScores, SumAllAlignments) {
  const std::string alphabet = " ab";
  CtcDecoderConfig config = config_of(alphabet);
  config.beam_width = 2;  // what the beam keeps does not matter
  config.commit_steps = 1;
  config.word_bonus = 0.5f;
  for (const std::size_t steps : {1u, 2u, 3u, 7u}) {
    for (unsigned seed = 1; seed <= 10; ++seed) {
      const auto log_probs = random_log_probs(steps, 4, seed);
      CtcDecoder decoder(config, nullptr, {});
      decoder.advance(log_probs, static_cast<int>(steps));
      std::vector<std::string> texts;
      std::vector<double> want;
      for (const auto& [text, log_p] : all_texts(log_probs, steps, alphabet)) {
        const auto words = 1 + std::count(text.begin(), text.end(), ' ');
        texts.push_back(text);
        want.push_back(single_spaced(text) ? log_p + 0.5 * static_cast<double>(words) : -HUGE_VAL);
      }
      const auto got = decoder.scores(texts);
      ASSERT_EQ(got.size(), texts.size());
      for (std::size_t i = 0; i < got.size(); ++i) {
        if (std::isinf(want[i]))
          EXPECT_EQ(got[i].heard, -HUGE_VALF) << "'" << texts[i] << "'";
        else  // rounded to f32 from at most 100
          EXPECT_NEAR(static_cast<double>(got[i].heard + got[i].language), want[i], 1e-5)
              << "'" << texts[i] << "'";
      }
    }
  }
}

// Up to one constant of the turn: what its most probable classes have together.
TEST(CtcPrefix, EqualsTheSumOfAllTextsThatBeginSo) {
  const std::string alphabet = " ab";
  for (const std::size_t steps : {1u, 2u, 5u, 7u}) {
    for (unsigned seed = 1; seed <= 10; ++seed) {
      const auto log_probs = random_log_probs(steps, 4, seed);
      const CtcPrefixScorer scorer(log_probs, 4);
      double constant = 0;
      for (std::size_t t = 0; t < log_probs.size(); t += 4)
        constant += static_cast<double>(
            *std::max_element(log_probs.begin() + static_cast<std::ptrdiff_t>(t),
                              log_probs.begin() + static_cast<std::ptrdiff_t>(t + 4)));
      const auto texts = all_texts(log_probs, steps, alphabet);
      for (const auto& [text, log_p] : texts) {
        double begun = 0;
        for (const auto& [other, other_p] : texts)
          if (other.starts_with(text)) begun += std::exp(other_p);
        CtcPrefixScorer::Prefix prefix = scorer.empty();
        for (const char c : text)
          prefix = scorer.extended(prefix, static_cast<std::uint8_t>(alphabet.find(c) + 1));
        EXPECT_NEAR(scorer.log_whole(prefix) + constant, log_p, 1e-5) << text;
        if (!text.empty()) {
          EXPECT_NEAR(prefix.log_begun + constant, std::log(begun), 1e-5) << text;
        }
      }
    }
  }
}

// 60 s of even odds and 60 s of certainty.
TEST(CtcPrefix, LongTurnsNeitherUnderflowNorOverflow) {
  for (const float other : {-3.4f, -50.0f}) {
    std::vector<float> log_probs;
    for (std::size_t t = 0; t < 3000; ++t) {
      log_probs.insert(log_probs.end(), 29, other);
      log_probs[t * 29 + (t % 4 == 0 ? 3 : 0)] = other < -10 ? -1e-4f : -1.0f;
    }
    const CtcPrefixScorer scorer(log_probs, 29);
    CtcPrefixScorer::Prefix prefix = scorer.empty();
    for (int i = 0; i < 750; ++i) {
      prefix = scorer.extended(prefix, 3);
      ASSERT_TRUE(std::isfinite(prefix.log_begun)) << i;
    }
    // Nothing that counts is left out: all alignments, as ctc_log_p() sums them.
    std::vector<double> p(log_probs.begin(), log_probs.end());
    for (double& x : p) x = std::exp(x);
    const double top = other < -10 ? -1e-4 : -1.0;
    EXPECT_NEAR(scorer.log_whole(prefix) + 3000 * top,
                ctc_log_p(p, 29, std::vector<std::uint8_t>(750, 3)), 0.1);
  }
}

TEST(CtcScores, WhatCannotBeToldIsNever) {
  CtcDecoder decoder(config_of(" ab"), nullptr, {});
  const std::vector<std::string> texts = {"aa", "abab", "aab", "c", "a-b", "", " ", " a", "a  b"};
  for (const TextScore& score : decoder.scores(texts))
    EXPECT_EQ(score.heard, -HUGE_VALF) << "no steps";
  decoder.advance(random_log_probs(3, 4, 1), 3);
  EXPECT_TRUE(decoder.scores({}).empty());
  EXPECT_TRUE(std::isfinite(decoder.scores(texts)[0].heard));
  const auto got = decoder.scores(std::span(texts).subspan(1));
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i].heard, -HUGE_VALF) << texts[i + 1];
  decoder.reset();
  EXPECT_EQ(decoder.scores(texts)[0].heard, -HUGE_VALF) << "nothing heard since";
  std::vector<float> deaf(12, -1e30f);  // and rows that no class fits
  decoder.advance(deaf, 3);
  EXPECT_EQ(decoder.scores(texts)[0].heard, -HUGE_VALF);
}

// Far more steps than a product of probabilities in double lasts: one path has them all.
TEST(CtcScores, LongUtterancesDoNotUnderflow) {
  std::string text;
  std::vector<float> log_probs;
  for (std::size_t s = 0; s < 3000; ++s) {
    std::vector<float> row(4, -HUGE_VALF);
    row[2 + s % 2] = -1.5f;
    text += "ab"[s % 2];
    log_probs.insert(log_probs.end(), row.begin(), row.end());
  }
  CtcDecoderConfig config = config_of(" ab");
  config.word_bonus = 0;
  config.beam_width = 2;
  CtcDecoder decoder(config, nullptr, {});
  decoder.advance(log_probs, 3000);
  EXPECT_FLOAT_EQ(decoder.scores(std::vector{text})[0].heard, -4500);
}

AssistantSpec coffee() {
  const auto spec = read_assistant(ANTIPHON_SOURCE_DIR "/models/assistants/coffee.toml");
  EXPECT_TRUE(spec.ok()) << spec.status().to_string();
  return *spec;
}

// Each of `letters` (_ a blank) at one step: it, a blank or one of two others; the rest is pruned
// (kUnheard). The last step hears letters alone: texts that end in a space are no rivals of those
// without.
constexpr float kUnheard = -400;
std::vector<float> in_doubt(const std::string& letters, unsigned seed) {
  const std::size_t num_classes = test::kAlphabet.size() + 1;
  std::vector<float> out;
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-2.5f, 0);
  for (std::size_t s = 0; s < letters.size(); ++s) {
    std::vector<float> row(num_classes, kUnheard);
    const bool last = s + 1 == letters.size();
    if (!last) row[0] = uniform(random);
    for (const char c : {letters[s], 'e', letters[letters.size() - 1 - s]})
      if (!last || c != ' ') row[c == '_' ? 0 : test::kAlphabet.find(c) + 1] = uniform(random);
    out.insert(out.end(), row.begin(), row.end());
  }
  return out;
}

// The same language scores by longer().
void expect_letter_by_letter(CtcDecoder& decoder, const std::vector<std::string>& texts,
                             const std::vector<TextScore>& scores) {
  for (std::size_t i = 0; i < texts.size(); i += 7) {
    std::int32_t at = CtcDecoder::kNoText;
    for (const char c : texts[i])
      at = decoder.longer(at, static_cast<std::uint8_t>(test::kAlphabet.find(c) + 1));
    EXPECT_NEAR(decoder.whole_language_score(at), scores[i].language, 1e-3f) << texts[i];
  }
}

// No LM, LM, hot words and phrases in all their combinations.
TEST(CtcScores, AreThoseOfABeamThatForgetsNothing) {
  const auto lm = std::move(LanguageModel::load(test::kGolden + "tiny.anlm")).value();
  const PhraseModel phrases = PhraseModel::create(coffee(), test::kAlphabet);
  const HotWord listed[] = {{"tea", 3}, {"a tea", 2}, {"latte", 2}, {"a", -1}};
  const HotWords hot = *HotWords::create(listed, test::kAlphabet);
  CtcDecoderConfig config = config_of(test::kAlphabet);
  config.prune = 150;  // no text of what is heard is this far behind
  config.unknown_letter = -0.3f;
  for (const std::string heard : {"a tea e", "lat_te", "le a tea"}) {
    for (unsigned models = 0; models < 8; ++models) {
      const auto log_probs = in_doubt(heard, models);
      CtcDecoder decoder(config, models & 1 ? lm.get() : nullptr, models & 2 ? hot : HotWords(),
                         models & 4 ? &phrases : nullptr);
      decoder.advance(log_probs, static_cast<int>(heard.size()));
      const auto decoded = decoder.finish(1 << 20);
      std::vector<std::string> texts;
      for (const DecodedText& text : decoded) texts.push_back(text.text);
      EXPECT_GT(texts.size(), 100u);
      std::string said = heard;
      std::erase(said, '_');
      EXPECT_EQ(std::count(texts.begin(), texts.end(), said), 1);
      const auto got = decoder.scores(texts);
      for (std::size_t i = 0; i < got.size(); ++i)
        EXPECT_NEAR(got[i].heard + got[i].language, decoded[i].log_score, 1e-3f)
            << "'" << texts[i] << "' " << models;
      expect_letter_by_letter(decoder, texts, got);
    }
  }
}

// With hot_gain texts score as if boosts were larger; the beam's own scores do not.
TEST(CtcScores, HotWordsCountMoreInSearchesOfOthers) {
  const HotWord listed[] = {{"tea", 1.5f}, {"latte", -1}}, twice[] = {{"tea", 3}, {"latte", -2}};
  CtcDecoderConfig config = config_of(test::kAlphabet);
  const std::string heard = "a tea e";
  const auto log_probs = in_doubt(heard, 3);
  const auto made = [&](std::span<const HotWord> words, float gain) {
    config.hot_gain = gain;
    CtcDecoder decoder(config, nullptr, *HotWords::create(words, test::kAlphabet));
    decoder.advance(log_probs, static_cast<int>(heard.size()));
    return decoder;
  };
  CtcDecoder gained = made(listed, 2), plain = made(listed, 1), doubled = made(twice, 1);
  const std::string texts[] = {"a tea", "a", "tea tea", "latte"};
  const auto got = gained.scores(texts), want = doubled.scores(texts);
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i].language, want[i].language, 1e-4f) << texts[i];
    std::int32_t at = CtcDecoder::kNoText, other = CtcDecoder::kNoText;
    for (const char c : texts[i]) {
      const auto letter = static_cast<std::uint8_t>(test::kAlphabet.find(c) + 1);
      at = gained.longer(at, letter);
      other = doubled.longer(other, letter);
      EXPECT_NEAR(gained.language_score(at), doubled.language_score(other), 1e-4f) << texts[i];
    }
    EXPECT_NEAR(gained.whole_language_score(at), want[i].language, 1e-4f) << texts[i];
  }
  const auto ours = gained.finish(5), theirs = plain.finish(5);
  ASSERT_EQ(ours.size(), theirs.size());
  for (std::size_t i = 0; i < ours.size(); ++i) {
    EXPECT_EQ(ours[i].text, theirs[i].text);
    EXPECT_EQ(ours[i].log_score, theirs[i].log_score);
  }
}

}  // namespace
}  // namespace antiphon::asr
