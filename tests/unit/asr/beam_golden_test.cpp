// The beam search gives the texts and scores of the slow reference (training/asr/beam.py), with and
// without models.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <sstream>

#include "asr/ctc_decoder.h"
#include "tests/unit/asr/tiny_pack.h"

namespace antiphon::asr {
namespace {

using test::kGolden;

struct Line {
  int rank = 0;
  std::string text;
  float score = 0;
};

// {case, kind} -> texts, best first.
std::map<std::pair<std::string, std::string>, std::vector<Line>> golden_lines() {
  std::map<std::pair<std::string, std::string>, std::vector<Line>> out;
  std::istringstream lines(test::read_file(kGolden + "beam.tsv"));
  std::string number, kind, rank, text, score;
  while (std::getline(lines, number, '\t') && std::getline(lines, kind, '\t') &&
         std::getline(lines, rank, '\t') && std::getline(lines, text, '\t') &&
         std::getline(lines, score))
    out[{number, kind}].push_back({std::stoi(rank), text, std::stof(score)});
  return out;
}

// log P(text) over all alignments, in double.
double exact_log_p(std::span<const float> log_probs, const std::string& text) {
  std::vector<std::size_t> symbols = {0};
  for (const char c : text) {
    symbols.push_back(test::kAlphabet.find(c) + 1);
    symbols.push_back(0);
  }
  std::vector<double> at(symbols.size(), 0), next;
  for (std::size_t step = 0; step < log_probs.size() / 29; ++step) {
    next.assign(symbols.size(), 0);
    for (std::size_t s = 0; s < symbols.size(); ++s) {
      double sum = step == 0 ? (s < 2 ? 1.0 : 0.0) : at[s];
      if (step > 0 && s > 0) sum += at[s - 1];
      if (step > 0 && s > 1 && symbols[s] != 0 && symbols[s] != symbols[s - 2]) sum += at[s - 2];
      next[s] = sum * std::exp(static_cast<double>(log_probs[step * 29 + symbols[s]]));
    }
    at.swap(next);
  }
  return std::log(at.back() + (at.size() > 1 ? at[at.size() - 2] : 0));
}

TEST(BeamGolden, EqualsTheReference) {
  const auto weights = *Weights::load(kGolden + "golden.safetensors");
  const auto lm = std::move(LanguageModel::load(kGolden + "tiny.anlm")).value();
  const HotWord hot[] = {{"mocha latte", 6}, {"flat white", 3}, {"lucky", 4}, {"tea", -4}};
  const auto lines = golden_lines();
  ASSERT_EQ(lines.size(), 20u);
  for (const auto& [key, want] : lines) {
    const auto& [number, kind] = key;
    // Wide open on both sides: nothing is lost to pruning, so that the scores must agree.
    CtcDecoderConfig config;
    config.beam_width = 300;
    config.prune = 60;
    config.commit_steps = 1000;
    config.lm_weight = kind.starts_with("lm") ? 0.7f : 0.0f;
    config.word_bonus = kind.starts_with("lm") ? 1.1f : 0.0f;
    config.unknown_word = kind.starts_with("lm") ? -3.5f : 0.0f;
    config.unknown_letter = kind.starts_with("lm") ? -0.5f : 0.0f;
    HotWords words;
    if (kind.ends_with("_hot")) words = *HotWords::create(hot, test::kAlphabet);
    CtcDecoder decoder(config, lm.get(), std::move(words));
    const auto log_probs = weights->tensor("beam." + number)->f32();
    decoder.advance(log_probs, static_cast<int>(log_probs.size() / 29));
    const auto got = decoder.finish(static_cast<int>(want.size()));
    ASSERT_EQ(got.size(), want.size()) << number << " " << kind;
    if (kind.ends_with("_hot")) {
      // The reference adds hot words to the texts that it found without them; a search that knows
      // them finds the same or better ones. Its score is the text's own: all its alignments.
      EXPECT_GE(got[0].log_score, want[0].score - 2e-4f) << number << " " << kind;
      double boost = 0;
      for (const HotWord& h : hot)
        if ((" " + got[0].text + " ").find(" " + h.text + " ") != std::string::npos)
          boost += static_cast<double>(h.boost);
      if (kind == "plain_hot") {
        // The beam may have lost some alignments, never found too many.
        const double exact = exact_log_p(log_probs, got[0].text) + boost;
        EXPECT_LE(static_cast<double>(got[0].log_score), exact + 2e-4) << number;
        EXPECT_GE(static_cast<double>(got[0].log_score), exact - 0.1) << number;
      }
      continue;
    }
    for (std::size_t i = 0; i < want.size(); ++i) {
      EXPECT_EQ(got[i].text, want[i].text) << number << " " << kind << " rank " << i;
      // f32 sums over some 30 steps against Python's f64.
      EXPECT_NEAR(got[i].log_score, want[i].score, 2e-4f) << number << " " << kind << " rank " << i;
    }
  }
}

TEST(BeamGolden, CuttingTheStepsChangesNothing) {
  const auto weights = *Weights::load(kGolden + "golden.safetensors");
  const auto lm = std::move(LanguageModel::load(kGolden + "tiny.anlm")).value();
  const auto log_probs = weights->tensor("beam.3")->f32();
  CtcDecoder whole({}, lm.get(), {}), steps({}, lm.get(), {});
  whole.advance(log_probs, static_cast<int>(log_probs.size() / 29));
  for (std::size_t at = 0; at < log_probs.size(); at += 29)
    steps.advance(log_probs.subspan(at, 29), 1);
  const auto a = whole.finish(3), b = steps.finish(3);
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].text, b[i].text);
    EXPECT_EQ(a[i].log_score, b[i].log_score);
  }
}

// Hours of speech through one decoder: the tree is collected, and what is kept stays right.
TEST(BeamGolden, LongAudioKeepsTheTreeSmallAndTheTextWhole) {
  const auto weights = *Weights::load(kGolden + "golden.safetensors");
  const auto lm = std::move(LanguageModel::load(kGolden + "tiny.anlm")).value();
  const auto log_probs = weights->tensor("beam.4")->f32();
  std::vector<float> pause(29, -12.0f), space(29, -12.0f);
  pause[0] = space[1] = -1e-4f;
  CtcDecoder decoder({}, lm.get(), {});
  std::string want;
  for (int i = 0; i < 300; ++i) {
    decoder.advance(log_probs, static_cast<int>(log_probs.size() / 29));
    decoder.advance(space, 1);
    decoder.advance(pause, 1);
    want += std::string(i ? " " : "") + "i'll have three";
  }
  EXPECT_EQ(decoder.finish(1).front().text, want);
}

}  // namespace
}  // namespace antiphon::asr
