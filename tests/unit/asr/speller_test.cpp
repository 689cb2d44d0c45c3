// The attention decoder, alone and with a language network, equals PyTorch on golden data
// (tests/golden/asr, training/asr/speller.py, piece_lm.py), however the tree of texts is cut into
// runs.
#include "asr/speller.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "asr/piece_beam.h"
#include "tests/unit/asr/tiny_pack.h"

namespace antiphon::asr {
namespace {

constexpr SpellerConfig kConfig = {
    .pieces = 17, .layers = 2, .channels = 32, .heads = 2, .inner = 48};
constexpr PieceLanguageConfig kLanguage = {
    .layers = 2, .channels = 24, .heads = 3, .inner = 40, .weight = 0.4f};

struct Case {
  const char* name;
  Precision precision;
  const char* isa;
  double bound;
  bool language = false;
};

class SpellerGolden : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const std::string kind = GetParam().precision == Precision::kF32 ? "f32" : "i8";
    weights_ = test::golden_weights("speller_" + kind);
    options_.config = kConfig;
    if (GetParam().language) {
      language_ = test::golden_weights("language_" + kind);
      options_.config.language = kLanguage;
    }
    golden_ = language_ ? language_ : weights_;
    options_.precision = GetParam().precision;
    options_.max_isa = GetParam().isa;
    options_.max_frames = 128;
    options_.max_nodes = 40;
    options_.max_run = 16;
    create();
    heard_ = test::golden_tensor(*golden_, "golden.heard");
    read_texts();
  }

  void create() {
    auto made = Speller::create(*weights_, options_, language_.get());
    ASSERT_TRUE(made.ok()) << made.status().to_string();
    speller_ = std::move(*made);
  }

  // Nodes of all texts, each shared beginning once; expected_: of each node.
  void read_texts() {
    const TensorView texts = *golden_->tensor("golden.texts");
    const auto logp = golden_->tensor("golden.logp")->f32();
    ASSERT_EQ(texts.dtype, DType::kI32);
    const auto* numbers = static_cast<const std::int32_t*>(texts.data);
    const auto width = static_cast<std::size_t>(texts.dims[1]);
    const auto pieces = static_cast<std::size_t>(kConfig.pieces);
    std::map<std::pair<std::int32_t, std::int32_t>, std::int32_t> known;  // (parent, piece) -> node
    for (std::size_t t = 0; t < static_cast<std::size_t>(texts.dims[0]); ++t) {
      std::int32_t at = -1;
      for (std::size_t u = 0; u < width; ++u) {
        const std::int32_t piece = numbers[t * width + u];
        if (piece < 0) break;
        const auto [found, fresh] =
            known.try_emplace({at, piece}, static_cast<std::int32_t>(nodes_.size()));
        if (fresh) {
          nodes_.push_back({piece, at});
          const auto row = logp.subspan((t * width + u) * pieces, pieces);
          expected_.insert(expected_.end(), row.begin(), row.end());
        }
        at = found->second;
      }
    }
  }

  std::vector<float> grown(std::size_t at_once) {
    std::vector<float> out;
    EXPECT_TRUE(speller_->hear(heard_).ok());
    for (std::size_t at = 0; at < nodes_.size(); at += at_once) {
      const auto got =
          speller_->grow(std::span(nodes_).subspan(at, std::min(at_once, nodes_.size() - at)));
      EXPECT_TRUE(got.ok()) << got.status().to_string();
      if (got.ok()) out.insert(out.end(), got->begin(), got->end());
    }
    return out;
  }

  std::shared_ptr<const Weights> weights_, language_, golden_;  // golden_: one of these
  SpellerOptions options_;
  std::unique_ptr<Speller> speller_;
  std::vector<float> heard_, expected_;
  std::vector<SpelledNode> nodes_;
};

void expect_near(const std::vector<float>& got, const std::vector<float>& want, double bound) {
  ASSERT_EQ(got.size(), want.size());
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i)
    worst = std::max(worst, static_cast<double>(std::abs(got[i] - want[i])));
  EXPECT_LE(worst, bound);
}

TEST_P(SpellerGolden, ATreeOfTextsEqualsPyTorchTextByText) {
  ASSERT_EQ(nodes_.size(), 13u) << "22 pieces, of which nine begin several texts";
  for (const std::size_t at_once : {16, 1, 3, 5})
    expect_near(grown(at_once), expected_, GetParam().bound);
}

TEST_P(SpellerGolden, NodesAreFoundByWhatTheySayAndKeepTheirRows) {
  const auto want = grown(5);
  const auto pieces = static_cast<std::size_t>(kConfig.pieces);
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const auto node = static_cast<std::int32_t>(i);
    EXPECT_EQ(speller_->child(nodes_[i].parent, nodes_[i].piece), node);
    EXPECT_TRUE(
        std::ranges::equal(speller_->row(node), std::span(want).subspan(i * pieces, pieces)))
        << i;
  }
  EXPECT_EQ(speller_->child(-1, 16), -1);
  EXPECT_EQ(speller_->child(static_cast<std::int32_t>(nodes_.size()), nodes_[0].piece), -1);
  ASSERT_TRUE(speller_->hear(heard_).ok());
  EXPECT_EQ(speller_->child(nodes_[0].parent, nodes_[0].piece), -1) << "another turn";
}

TEST_P(SpellerGolden, ATurnForgetsTheOneBefore) {
  const std::vector<float> other(heard_.rbegin(), heard_.rbegin() + 5 * kConfig.channels);
  ASSERT_TRUE(speller_->hear(other).ok());
  ASSERT_TRUE(speller_->grow(nodes_).ok());
  EXPECT_EQ(speller_->num_nodes(), 13);
  expect_near(grown(16), expected_, GetParam().bound);
}

// What the golden data has of a search: texts of `kind`, and their `value`.
void expect_found(const Weights& weights, const std::string& kind, const std::string& value,
                  const std::vector<SpelledText>& got, float offset, double bound) {
  const TensorView texts = *weights.tensor("golden." + kind + "_texts");
  const auto values = weights.tensor("golden." + kind + "_" + value)->f32();
  const auto* numbers = static_cast<const std::int32_t*>(texts.data);
  const std::int64_t width = texts.dims[1];
  ASSERT_EQ(got.size(), values.size());
  for (std::size_t i = 0; i < got.size(); ++i, numbers += width) {
    const std::int32_t* end = std::find(numbers, numbers + width, -1);
    EXPECT_EQ(got[i].pieces, std::vector<std::int32_t>(numbers, end)) << i;
    EXPECT_NEAR((value == "score" ? got[i].score : got[i].log_prob) + offset, values[i], bound)
        << i;
  }
}

TEST_P(SpellerGolden, TheBeamFindsTheTextsOfAPlainSearch) {
  for (const int turn : {0, 1}) {  // again, as another turn
    ASSERT_TRUE(speller_->hear(heard_).ok());
    const auto got = most_probable_texts(*speller_, {.width = 3, .most = 7});
    ASSERT_TRUE(got.ok()) << got.status().to_string();
    SCOPED_TRACE(turn);
    expect_found(*golden_, "beam", "logp", *got, 0, 10 * GetParam().bound);
  }
}

TEST_P(SpellerGolden, TheBeamLeavesWhatIsFarBehindTheBest) {
  ASSERT_TRUE(speller_->hear(heard_).ok());
  const auto all = most_probable_texts(*speller_, {.width = 3, .most = 7});
  const int nodes = speller_->num_nodes();
  ASSERT_TRUE(all.ok()) << all.status().to_string();
  ASSERT_EQ(all->size(), 3u);
  for (const float margin : {0.0f, 0.5f, 1.0f, 100.0f}) {
    SCOPED_TRACE(margin);
    ASSERT_TRUE(speller_->hear(heard_).ok());
    const auto near = most_probable_texts(*speller_, {.width = 3, .margin = margin, .most = 7});
    ASSERT_TRUE(near.ok()) << near.status().to_string();
    ASSERT_FALSE(near->empty());
    for (const SpelledText& text : *near) EXPECT_GE(text.score, near->front().score - margin);
    EXPECT_LE(near->size(), 3u);
    if (margin < 1) {
      EXPECT_LT(speller_->num_nodes(), nodes);
    }
    if (margin < 100) continue;
    EXPECT_EQ(speller_->num_nodes(), nodes);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ((*near)[i].pieces, (*all)[i].pieces) << i;
  }
}

// CTC by all its paths, and a bonus a word (make_speller_golden.py).
TEST_P(SpellerGolden, WithCtcItFindsWhatBothThinkBest) {
  const std::string alphabet = " 'abc";
  const char* names[] = {"",  "",   "",   "a",   " a", "b",   " b",  "c",   " c",
                         "'", " '", "ab", " ab", "ca", " bc", "bca", " cab"};
  std::vector<std::vector<std::uint8_t>> letters;
  for (const std::string name : names) {
    letters.emplace_back();
    for (const char c : name)
      letters.back().push_back(static_cast<std::uint8_t>(alphabet.find(c) + 1));
  }
  const auto ctc = golden_->tensor("golden.ctc")->f32();
  const std::size_t classes = alphabet.size() + 1;
  CtcDecoderConfig config;
  config.alphabet = alphabet;
  config.word_bonus = 1;
  CtcDecoder decoder(config, nullptr, {});
  decoder.advance(ctc, static_cast<int>(ctc.size() / classes));
  const CtcPrefixScorer scorer(ctc, classes);
  float tops = 0;  // the constant of CtcPrefixScorer
  for (std::size_t t = 0; t < ctc.size(); t += classes)
    tops += *std::max_element(ctc.begin() + static_cast<std::ptrdiff_t>(t),
                              ctc.begin() + static_cast<std::ptrdiff_t>(t + classes));
  for (const int turn : {0, 1}) {
    ASSERT_TRUE(speller_->hear(heard_).ok());
    const auto got = most_probable_texts(
        *speller_,
        {.width = 3, .most = 7, .tried = 14, .ctc_weight = 0.5f, .language_weight = 0.25f},
        {&decoder, &scorer, &letters, 1});
    ASSERT_TRUE(got.ok()) << got.status().to_string();
    SCOPED_TRACE(turn);
    expect_found(*golden_, "joint", "score", *got, 0.5f * tops, 10 * GetParam().bound);
  }
}

// INT8 rounds activations to 16 bits before a product.
constexpr double kF32 = 2e-5, kInt8 = 2e-3;
INSTANTIATE_TEST_SUITE_P(
    Paths, SpellerGolden,
    testing::Values(Case{"f32_native", Precision::kF32, "", kF32},
                    Case{"f32_avx2", Precision::kF32, "avx2", kF32},
                    Case{"f32_portable", Precision::kF32, "portable", kF32},
                    Case{"int8_native", Precision::kInt8, "", kInt8},
                    Case{"int8_avx2", Precision::kInt8, "avx2", kInt8},
                    Case{"int8_portable", Precision::kInt8, "portable", kInt8},
                    Case{"language_f32_native", Precision::kF32, "", kF32, true},
                    Case{"language_f32_avx2", Precision::kF32, "avx2", kF32, true},
                    Case{"language_f32_portable", Precision::kF32, "portable", kF32, true},
                    Case{"language_int8_native", Precision::kInt8, "", kInt8, true},
                    Case{"language_int8_avx2", Precision::kInt8, "avx2", kInt8, true},
                    Case{"language_int8_portable", Precision::kInt8, "portable", kInt8, true}),
    [](const auto& path) { return path.param.name; });

class SpellerLimits : public SpellerGolden {};

TEST_P(SpellerLimits, WhatIsNotPossibleIsToldAndChangesNothing) {
  const auto says = [](const Status& status, const std::string& part) {
    EXPECT_NE(status.to_string().find(part), std::string::npos) << status.to_string();
  };
  const SpelledNode first[] = {{1, -1}};
  says(speller_->grow(first).status(), "nothing was heard yet");
  says(speller_->hear({}), "0 frames of a turn, wanted 1 to 128");
  says(speller_->hear(std::vector<float>(129 * 32)), "129 frames");
  ASSERT_TRUE(speller_->hear(heard_).ok());
  says(speller_->grow({}).status(), "0 nodes a run, wanted 1 to 16");
  says(speller_->grow(std::vector<SpelledNode>(17)).status(), "17 nodes a run");
  const SpelledNode strange[] = {{17, -1}}, orphan[] = {{1, 0}};
  says(speller_->grow(strange).status(), "piece 17 of 17");
  says(speller_->grow(orphan).status(), "node 0 has the parent 0");
  for (int i = 0; i < 40; ++i) {
    const SpelledNode next[] = {{1, -1}};
    ASSERT_TRUE(speller_->grow(next).ok());
  }
  says(speller_->grow(first).status(), "room for 40 nodes");
  EXPECT_EQ(speller_->num_nodes(), 40);
}

TEST_P(SpellerLimits, ATextHasAnEnd) {
  options_.max_nodes = 300;
  create();
  ASSERT_TRUE(speller_->hear(heard_).ok());
  for (int i = 0; i < SpellerConfig::kPlaces; ++i) {
    const SpelledNode next[] = {{3, i - 1}};
    ASSERT_TRUE(speller_->grow(next).ok());
  }
  const SpelledNode more[] = {{3, SpellerConfig::kPlaces - 1}};
  EXPECT_NE(speller_->grow(more).status().to_string().find("at most 224 pieces"),
            std::string::npos);
  EXPECT_EQ(speller_->num_nodes(), SpellerConfig::kPlaces);
}

TEST_P(SpellerLimits, ABeamNeedsWidthAndRoom) {
  ASSERT_TRUE(speller_->hear(heard_).ok());
  const auto told = [&](const PieceBeamConfig& config) {
    return most_probable_texts(*speller_, config).status().to_string();
  };
  EXPECT_NE(told({.width = 0}).find("at least 1"), std::string::npos);
  options_.max_nodes = 4;
  create();
  ASSERT_TRUE(speller_->hear(heard_).ok());
  EXPECT_NE(told({.width = 3}).find("room for 4 nodes"), std::string::npos) << told({.width = 3});
}

TEST_P(SpellerLimits, WeightsOfAnotherShapeAreNamed) {
  options_.config.layers = 1;
  const auto fewer = Speller::create(*weights_, options_);
  EXPECT_NE(fewer.status().to_string().find(
                "has speller.blocks.1.key.weight, but the speller has 1 layers"),
            std::string::npos);
  options_.config.layers = 2;
  options_.config.pieces = 18;
  const auto more = Speller::create(*weights_, options_);
  EXPECT_NE(more.status().to_string().find("speller.piece.weight is [17, 32], wanted [18, 32]"),
            std::string::npos)
      << more.status().to_string();
}

class LanguageNetwork : public SpellerGolden {
 protected:
  std::string error(const PieceLanguageConfig& language, const Weights* weights) {
    options_.config.language = language;
    const auto made = Speller::create(*weights_, options_, weights);
    return made.ok() ? "" : made.status().message();
  }
  static PieceLanguageConfig with(int PieceLanguageConfig::*field, int value) {
    PieceLanguageConfig config = kLanguage;
    config.*field = value;
    return config;
  }
};

TEST_P(LanguageNetwork, WhatDoesNotFitIsNamed) {
  const auto says = [&](const std::string& got, const std::string& part) {
    EXPECT_NE(got.find(part), std::string::npos) << "'" << got << "' lacks '" << part << "'";
  };
  using Config = PieceLanguageConfig;
  const Weights* own = language_.get();
  EXPECT_EQ(error(kLanguage, own), "");
  says(error(with(&Config::layers, 1), own),
       "language_f32.safetensors: has language.blocks.1.key.weight, but the language network has 1 "
       "layers");
  says(error(with(&Config::layers, 3), own), "language.blocks.2.norm1.weight");
  says(error(with(&Config::channels, 27), own),
       "language.piece.weight is [17, 24], wanted [17, 27]");
  says(error(with(&Config::inner, 41), own),
       "language.blocks.0.up.weight is [40, 24], wanted [41, 24]");
  says(error(with(&Config::heads, 5), own), "24 channels, wanted a multiple of its heads, 5");
  says(error(with(&Config::heads, 0), own), "24 channels, wanted a multiple of its heads, 0");
  says(error(kLanguage, weights_.get()), "language.piece.weight");
  const auto letters = test::golden_weights("hybrid_language_i8");
  says(error(kLanguage, letters.get()), "language.piece.weight is [57, 24], wanted [17, 24]");
  says(error(kLanguage, nullptr), "a language network of 2 layers without weights");
  says(error({}, own), "a language network of 0 layers with weights");
}

// With and without it, and with another weight, in one folder of plans.
TEST_P(LanguageNetwork, PlansAreNotTakenForOneAnother) {
  options_.plans.dir = testing::TempDir() + "language_network_plans";
  std::filesystem::create_directories(options_.plans.dir);
  const auto told = [&](const Weights* language, float weight) {
    options_.config.language = language ? kLanguage : PieceLanguageConfig();
    if (language) options_.config.language.weight = weight;
    auto made = Speller::create(*weights_, options_, language);
    EXPECT_TRUE(made.ok()) << made.status().to_string();
    if (made.ok()) speller_ = std::move(*made);
    return grown(16);
  };
  std::vector<std::vector<float>> rows;
  for (const int turn : {0, 1}) {
    expect_near(told(language_.get(), kLanguage.weight), expected_, GetParam().bound);
    rows.push_back(told(nullptr, 0));
    EXPECT_EQ(told(language_.get(), 0), rows.back()) << turn;
    rows.push_back(told(language_.get(), 2 * kLanguage.weight));
  }
  std::filesystem::remove_all(options_.plans.dir);
  EXPECT_EQ(rows[0], rows[2]);
  EXPECT_EQ(rows[1], rows[3]);
  for (std::size_t i = 0; i < expected_.size(); ++i)
    ASSERT_NEAR(rows[0][i] + rows[1][i], 2 * expected_[i], 4 * GetParam().bound) << i;
}

INSTANTIATE_TEST_SUITE_P(F32, LanguageNetwork,
                         testing::Values(Case{"f32", Precision::kF32, "", kF32, true}),
                         [](const auto& path) { return path.param.name; });

INSTANTIATE_TEST_SUITE_P(F32, SpellerLimits,
                         testing::Values(Case{"f32", Precision::kF32, "", kF32}),
                         [](const auto& path) { return path.param.name; });

}  // namespace
}  // namespace antiphon::asr
