// What the two decoders make of a turn together.
#include "asr/hybrid_decoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/unit/asr/tiny_pack.h"

namespace antiphon::asr {
namespace {

const std::string kLetters = " 'abc";
const std::string kPieces =
    "<end>\n<begin>\n<text>\na\n_a\nb\n_b\nc\n_c\n'\n_'\nab\n_ab\nca\n_bc\nbca\n_cab\n";
constexpr SpellerConfig kSpeller = {
    .pieces = 17, .layers = 2, .channels = 32, .heads = 2, .inner = 48};

class Hybrid : public testing::Test {
 protected:
  void SetUp() override {
    file_ = testing::TempDir() + "hybrid_pieces_" +
            testing::UnitTest::GetInstance()->current_test_info()->name() + ".txt";
    test::write_file(file_, kPieces);
    heard_.resize(70 * 32);
    std::mt19937 random(3);
    std::normal_distribution<float> normal;
    for (float& x : heard_) x = normal(random);
    config_.alphabet = kLetters;
    config_.word_bonus = 0;
  }
  void TearDown() override { std::filesystem::remove(file_); }

  std::unique_ptr<HybridDecoder> made(const HybridConfig& config, int max_nodes = 1024) {
    SpellerOptions options;
    options.config = kSpeller;
    options.precision = Precision::kF32;
    options.max_frames = HybridDecoder::kMostFrames;
    options.max_nodes = max_nodes;
    options.max_run = 6;  // texts of CTC's beam take several runs
    auto speller =
        Speller::create(**Weights::load(test::kGolden + "speller_f32.safetensors"), options);
    EXPECT_TRUE(speller.ok()) << speller.status().to_string();
    return std::make_unique<HybridDecoder>(std::move(speller).value(),
                                           *Pieces::load(file_, kLetters), kLetters, config);
  }

  // A turn in which every letter of `text` (_ a blank) is heard with these odds.
  CtcDecoder turn_of(const std::string& text, float odds) const {
    CtcDecoder decoder(config_, nullptr, {});
    std::vector<float> rows;
    for (const char c : text) {
      const std::size_t classes = kLetters.size() + 1, own = c == '_' ? 0 : kLetters.find(c) + 1;
      for (std::size_t k = 0; k < classes; ++k)
        rows.push_back(std::log(k == own ? odds : (1 - odds) / static_cast<float>(classes - 1)));
    }
    decoder.advance(rows, static_cast<int>(text.size()));
    return decoder;
  }

  // log P of a text and its end by the attention decoder.
  float spelled(const std::string& text) {
    SpellerOptions options;
    options.config = kSpeller;
    options.precision = Precision::kF32;
    options.max_frames = 128;
    auto speller =
        std::move(
            Speller::create(**Weights::load(test::kGolden + "speller_f32.safetensors"), options))
            .value();
    EXPECT_TRUE(speller->hear(heard_).ok());
    std::vector<SpelledNode> nodes = {{kBeginMark, -1}, {kTextMark, 0}};
    for (const std::int32_t piece : Pieces::load(file_, kLetters)->split(text))
      nodes.push_back({piece, static_cast<std::int32_t>(nodes.size()) - 1});
    const auto rows = speller->grow(nodes);
    EXPECT_TRUE(rows.ok());
    float sum = 0;
    for (std::size_t i = 1; i < nodes.size(); ++i) {
      const std::int32_t next = i + 1 < nodes.size() ? nodes[i + 1].piece : kEndMark;
      sum += (*rows)[i * 17 + static_cast<std::size_t>(next)];
    }
    return sum;
  }

  std::string file_;
  std::vector<float> heard_;
  CtcDecoderConfig config_;
};

TEST_F(Hybrid, TextsAreScoredByBothAndCtcTellsWhenTheirWordsWereSaid) {
  CtcDecoder ctc = turn_of("_ab__ _ca_", 0.6f);
  const auto hybrid = made({.beam = 3, .texts = 5, .ctc_weight = 12, .language_weight = 0.5f});
  for (const int turn : {0, 1}) {  // the second as if there had been no first
    const auto got = hybrid->decode(ctc, heard_, 32);
    ASSERT_GE(got.size(), 5u) << turn;
    EXPECT_EQ(got[0].text, "ab ca");
    float shares = 0;
    int exact = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      // At least: letters may also be spelled by other pieces than split() takes.
      const TextScore score = ctc.scores(std::span(&got[i].text, 1))[0];
      EXPECT_GE(got[i].log_score + 1e-2f,
                spelled(got[i].text) + 12 * score.heard + 0.5f * score.language)
          << got[i].text;
      exact += std::abs(got[i].log_score - spelled(got[i].text) - 12 * score.heard -
                        0.5f * score.language) < 1e-2f;
      if (i > 0) {
        EXPECT_LE(got[i].log_score, got[i - 1].log_score);
      }
      shares += got[i].share;
    }
    EXPECT_NEAR(shares, 1, 1e-4f);
    EXPECT_GE(exact, 4) << "those of CTC's beam that were not spelled";
    ASSERT_EQ(got[0].words.size(), 2u);
    EXPECT_EQ(got[0].words[1].text, "ca");
    EXPECT_EQ(got[0].words[1].first_step, 7);
    EXPECT_EQ(got[0].words[1].last_step, 8);
    EXPECT_EQ(hybrid->decode(ctc, heard_, 1).size(), 1u);
  }
}

TEST_F(Hybrid, WeightsDecideWhoIsBelieved) {
  CtcDecoder ctc = turn_of("_b_c_b_'_c__", 0.5f);
  const auto alone = made({.ctc_weight = 0, .language_weight = 0})->decode(ctc, heard_, 1);
  const auto sure = made({.ctc_weight = 30, .language_weight = 0})->decode(ctc, heard_, 1);
  EXPECT_EQ(sure.at(0).text, "bcb'c");
  EXPECT_NE(alone.at(0).text, "bcb'c") << "the attention decoder heard another turn";
}

// Nothing was said; no whole frames, or too much for the tree: CTC alone tells it.
TEST_F(Hybrid, WhereTheAttentionDecoderHasNoPartItIsCtcsAlone) {
  const auto hybrid = made({});
  CtcDecoder silence = turn_of("_____", 0.9f);
  const auto nothing = hybrid->decode(silence, heard_, 1);
  EXPECT_TRUE(nothing.empty() || nothing[0].text.empty());
  CtcDecoder ctc = turn_of("_ab_", 0.9f);
  const auto same_as_ctc = [&](const std::vector<DecodedText>& got) {
    const auto want = ctc.finish(4);
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(got[i].text, want[i].text);
      EXPECT_EQ(got[i].log_score, want[i].log_score);
    }
    EXPECT_EQ(got[0].words.size(), want[0].words.size());
  };
  same_as_ctc(hybrid->decode(ctc, std::vector<float>(7), 4));
  same_as_ctc(made({}, 5)->decode(ctc, heard_, 4));
}

// Nothing of a long turn is lost or told twice where it is cut.
TEST_F(Hybrid, ALongTurnIsDecodedInParts) {
  std::string said = "_";
  std::mt19937 random(5);
  const char* words[] = {"ab", "ca", "b", "c'a", "bca"};
  std::string text;
  for (int i = 0; said.size() < 2600; ++i) {
    const std::string word = words[i % 5];
    text += (text.empty() ? "" : " ") + word;
    said += (text.size() > word.size() ? " _" : "") + word + std::string(20 + random() % 60, '_');
  }
  heard_.resize(said.size() * 32);
  std::normal_distribution<float> normal;
  for (float& x : heard_) x = normal(random);
  CtcDecoder ctc = turn_of(said, 0.95f);
  const auto hybrid = made({.ctc_weight = 30, .language_weight = 0}, 4096);
  const auto got = hybrid->decode(ctc, heard_, 3);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].text, text);
  const auto want = ctc.words_of(text);
  ASSERT_EQ(got[0].words.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i)
    EXPECT_EQ(got[0].words[i].first_step, want[i].first_step);
  EXPECT_NE(made({.ctc_weight = 0, .language_weight = 0}, 4096)->decode(ctc, heard_, 3).at(0).text,
            text)
      << "the attention decoder hears its parts";
}

}  // namespace
}  // namespace antiphon::asr
