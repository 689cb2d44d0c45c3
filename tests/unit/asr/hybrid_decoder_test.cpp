// What the two decoders make of a turn together, and packs that have both.
#include "asr/hybrid_decoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "asr/recognizer.h"
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

// A pack on disk with the tiny listener and the tiny speller.
class HybridPack : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = testing::TempDir() + "hybrid_pack_" +
           testing::UnitTest::GetInstance()->current_test_info()->name();
    test::write_tiny_pack(dir_, manifest());
    test::write_file(dir_ + "/weights.safetensors",
                     test::read_file(test::kGolden + "hybrid_i8.safetensors"));
    test::write_file(dir_ + "/pieces.txt", pieces());
    config_.pack_dir = dir_;
    config_.vad_dir = ANTIPHON_SOURCE_DIR "/models/vad";
    config_.max_streams = 4;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  static std::string manifest() {
    return "[pack]\nname = \"tiny\"\n[network]\nmel_bins = 80\nwidth = 24\nlayers = 2\n"
           "outputs_per_step = 2\nblocks = 2\nchannels = 32\nheads = 2\ninner = 48\npast = 7\n"
           "ahead = 2\nfinal_past = 9\nfinal_ahead = 6\n"
           "alphabet = \" 'abcdefghijklmnopqrstuvwxyz\"\n"
           "[speller]\nlayers = 2\nbeam = 3\ntexts = 4\nctc_weight = 0.3\n"
           "language_weight = 0.5\n"
           "[files]\nweights = \"weights.safetensors\"\npieces = \"pieces.txt\"\n";
  }
  static std::string pieces() {
    std::string text = "<end>\n<begin>\n<text>\n";
    for (const char c : test::kAlphabet.substr(1)) text += std::string{c, '\n', '_', c, '\n'};
    return text;
  }
  std::string error() {
    const auto made = create_recognizer(config_);
    return made.ok() ? "" : made.status().message();
  }
  std::string error_with(const std::string& from, const std::string& to) {
    std::string text = manifest();
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    test::write_file(dir_ + "/manifest.toml", text.replace(at, from.size(), to));
    return error();
  }
  // The manifest with a language network of this weight, whose weights are written as well.
  std::string with_language(const std::string& weight) {
    test::write_file(dir_ + "/language.safetensors",
                     test::read_file(test::kGolden + "hybrid_language_i8.safetensors"));
    std::string text = manifest();
    return text.replace(text.find("[files]\n"), 8,
                        "[language_network]\nlayers = 2\nchannels = 24\nheads = 3\ninner = 40\n"
                        "weight = " +
                            weight + "\n[files]\nlanguage = \"language.safetensors\"\n");
  }
  // Its texts of somebody who says two words, best first.
  std::vector<TranscriptAlternative> texts_by(const std::string& manifest) {
    test::write_file(dir_ + "/manifest.toml", manifest);
    const auto recognizer = create_recognizer(config_);
    EXPECT_TRUE(recognizer.ok()) << recognizer.status().to_string();
    if (!recognizer.ok()) return {};
    RecognizerOptions options;
    options.endpointing = options.partials = options.written = false;
    options.num_alternatives = 8;
    auto stream = std::move((*recognizer)->open(options)).value();
    test::hear(**recognizer, *stream, test::say("two teas"));
    const auto events = test::finish(**recognizer, *stream);
    EXPECT_FALSE(events.empty());
    if (events.empty()) return {};
    return events.back().transcript.alternatives;
  }
  static void expect_has(const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << "'" << text << "' lacks '" << part << "'";
  }

  std::string dir_;
  RecognizerConfig config_;
};

// What is heard, and the confidence of it, alone or beside another.
TEST_F(HybridPack, SpellsFinals) {
  const auto recognizer = create_recognizer(config_);
  ASSERT_TRUE(recognizer.ok()) << recognizer.status().to_string();
  const auto pcm = test::joined({test::say("two teas"), test::silence(200)});
  std::vector<Transcript> heard;
  for (const bool beside : {false, true}) {
    RecognizerOptions options;
    options.endpointing = options.partials = options.written = false;
    options.num_alternatives = 8;
    auto stream = std::move((*recognizer)->open(options)).value();
    auto other = std::move((*recognizer)->open(options)).value();
    if (beside) {
      ASSERT_TRUE(other->push(test::say("no latte to go")).ok());
      ASSERT_TRUE(stream->push(pcm).ok());
      RecognizerStream* both[] = {other.get(), stream.get()};
      ASSERT_TRUE((*recognizer)->advance(both).ok());
    } else {
      test::hear(**recognizer, *stream, pcm);
    }
    const auto events = test::finish(**recognizer, *stream);
    ASSERT_FALSE(events.empty());
    ASSERT_EQ(events.back().kind, RecognizerEventKind::kFinal);
    heard.push_back(events.back().transcript);
  }
  EXPECT_EQ(heard[0].text, heard[1].text);
  EXPECT_NEAR(heard[0].confidence, heard[1].confidence, 1e-3);
  ASSERT_GE(heard[0].alternatives.size(), 4u);
  test::write_file(dir_ + "/manifest.toml", manifest()
                                                    .replace(manifest().find("[speller]"), 0, "")
                                                    .substr(0, manifest().find("[speller]")) +
                                                "[files]\nweights = \"weights.safetensors\"\n");
  const auto ctc_alone = create_recognizer(config_);
  ASSERT_TRUE(ctc_alone.ok()) << ctc_alone.status().to_string();
  RecognizerOptions options;
  options.endpointing = options.partials = options.written = false;
  auto stream = std::move((*ctc_alone)->open(options)).value();
  test::hear(**ctc_alone, *stream, pcm);
  const auto events = test::finish(**ctc_alone, *stream);
  ASSERT_FALSE(events.empty());
  EXPECT_NE(events.back().transcript.text, heard[0].text) << "the speller had a say";
}

// A pause is spelled too, and a turn that ends in it has its final from there.
TEST_F(HybridPack, APauseIsSpelledAndTellsTheFinal) {
  const auto manifest = read_pack(dir_);
  ASSERT_TRUE(manifest.ok()) << manifest.status().to_string();
  const auto weights = test::golden_weights("hybrid_i8");
  std::vector<std::string> finals;
  for (const bool spelled : {true, false}) {
    auto models = std::make_shared<SharedModels>();
    models->manifest = *manifest;
    models->voice = std::make_unique<test::LoudnessVoice>(2);
    AcousticModelOptions options;
    options.config = manifest->acoustic;
    options.max_streams = options.max_batch = 2;
    models->acoustic = std::move(AcousticModel::create(*weights, options)).value();
    options.config = manifest->final_acoustic();
    options.spare = options.frames = true;
    models->final_acoustic = std::move(AcousticModel::create(*weights, options)).value();
    SpellerOptions speller;
    speller.config = kSpeller;
    speller.config.pieces = 57;
    if (spelled)
      models->hybrid = std::make_unique<HybridDecoder>(
          std::move(Speller::create(*weights, speller)).value(),
          *Pieces::load(manifest->pieces_path, test::kAlphabet), test::kAlphabet, manifest->hybrid);
    const auto recognizer = make_recognizer(models);
    RecognizerOptions asked;
    asked.partials = asked.written = false;
    asked.pauses = true;
    const auto stream = std::move(recognizer->open(asked)).value();
    const auto events = test::hear(*recognizer, *stream,
                                   test::joined({test::say("two teas"), test::silence(1200)}));
    ASSERT_GE(events.size(), 2u);
    const auto pause = std::find_if(events.rbegin(), events.rend(), [](const RecognizerEvent& e) {
      return e.kind == RecognizerEventKind::kPause;
    });
    ASSERT_NE(pause, events.rend());
    ASSERT_EQ(events.back().kind, RecognizerEventKind::kFinal);
    EXPECT_EQ(pause->transcript.spoken, events.back().transcript.spoken);
    finals.push_back(events.back().transcript.spoken);
  }
  EXPECT_NE(finals[0], finals[1]) << "the speller had no say";
}

TEST_F(HybridPack, ALanguageNetworkHasASay) {
  const auto alone = texts_by(manifest()), unheard = texts_by(with_language("0")),
             both = texts_by(with_language("0.5"));
  ASSERT_EQ(unheard.size(), alone.size());
  for (std::size_t i = 0; i < alone.size(); ++i) {
    EXPECT_EQ(unheard[i].text, alone[i].text);
    EXPECT_EQ(unheard[i].confidence, alone[i].confidence);
  }
  ASSERT_FALSE(both.empty());
  const auto same = [](const TranscriptAlternative& a, const TranscriptAlternative& b) {
    return a.text == b.text && std::abs(a.confidence - b.confidence) < 1e-3f;
  };
  EXPECT_FALSE(std::equal(both.begin(), both.end(), alone.begin(), alone.end(), same));
}

TEST_F(HybridPack, ALanguageNetworkThatDoesNotFitIsRefused) {
  const auto error_of = [&](const std::string& from, const std::string& to) {
    std::string text = with_language("0.4");
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    test::write_file(dir_ + "/manifest.toml", text.replace(at, from.size(), to));
    return error();
  };
  const std::string file = dir_ + "/language.safetensors";
  for (const char* line :
       {"layers = 2\nchannels", "channels = 24", "heads = 3", "inner = 40", "weight = 0.4"}) {
    const std::string key = std::string(line).substr(0, std::string(line).find(' '));
    const bool first = key == "layers";
    expect_has(error_of(line, first ? "channels" : ""),
               "manifest.toml: language_network." + key + ": is missing");
  }
  expect_has(error_of("weight = 0.4", "weight = -1"), "language_network.weight: is -1, wanted");
  expect_has(error_of("weight = 0.4", "weight = nan"), "language_network.weight");
  expect_has(error_of("weight = 0.4", "weight = 101"), "language_network.weight: is 101");
  expect_has(error_of("heads = 3", "heads = 0"), "language_network.heads: is 0, wanted an integer");
  expect_has(error_of("heads = 3", "heads = 5"),
             "language_network.channels: is 24, wanted a multiple of language_network.heads, 5");
  expect_has(error_of("inner = 40", "inner = 40\npieces = 57"),
             "language_network: unknown key 'pieces'; known: layers, channels");
  expect_has(error_of("language = \"language.safetensors\"\n", ""),
             "language_network: needs files.language, which is missing");
  expect_has(error_of("language = \"language.safetensors\"", "language = 3"),
             "files.language: wanted a string");
  expect_has(error_of("[language_network]\nlayers = 2\nchannels = 24\nheads = 3\ninner = 40\n"
                      "weight = 0.4\n",
                      ""),
             "files.language: is of a language network; [language_network] is missing");
  std::string no_speller = with_language("0.4");
  const std::size_t from = no_speller.find("[speller]"), to = no_speller.find("[language_network]");
  no_speller.erase(from, to - from).erase(no_speller.find("pieces = \"pieces.txt\"\n"));
  test::write_file(dir_ + "/manifest.toml", no_speller);
  expect_has(error(), "language_network: needs [speller], which is missing");
  expect_has(error_of("inner = 40", "inner = 41"),
             file + ": language.blocks.0.up.weight is [40, 24], wanted [41, 24]");
  expect_has(error_of("[language_network]\nlayers = 2", "[language_network]\nlayers = 1"),
             "has language.blocks.1.key.weight, but the language network has 1 layers");
  test::write_file(dir_ + "/manifest.toml", with_language("0.4"));
  EXPECT_EQ(error(), "");
  test::write_file(file, test::read_file(test::kGolden + "language_i8.safetensors"));
  expect_has(error(), file + ": language.piece.weight is [17, 24], wanted [57, 24]");
  std::filesystem::remove(file);
  expect_has(error(), file);
}

TEST_F(HybridPack, WhatIsMissingOrWrongIsNamed) {
  EXPECT_EQ(error(), "");
  expect_has(error_with("layers = 2\nbeam", "beam"), "speller.layers: is missing");
  expect_has(error_with("layers = 2\nbeam", "layers = 3\nbeam"), "speller.blocks.2.norm1.weight");
  expect_has(error_with("layers = 2\nbeam", "layers = 1\nbeam"), "the speller has 1 layers");
  expect_has(error_with("beam = 3", "beam = 0"), "speller.beam: is 0, wanted an integer from 1");
  expect_has(error_with("texts = 4", "texts = 257"), "speller.texts: is 257");
  expect_has(error_with("ctc_weight = 0.3", "ctc_weight = -1"), "speller.ctc_weight: is -1");
  expect_has(error_with("texts = 4", "text = 4"), "unknown key 'text'; known: layers, beam");
  expect_has(error_with("pieces = \"pieces.txt\"\n", ""),
             "speller: needs files.pieces, which is missing");
  expect_has(error_with("final_past = 9\nfinal_ahead = 6\n", ""),
             "speller: needs network.final_ahead, which is missing");
  expect_has(error_with("[speller]\nlayers = 2\nbeam = 3\ntexts = 4\nctc_weight = 0.3\n"
                        "language_weight = 0.5\n",
                        ""),
             "files.pieces: is of an attention decoder; [speller] is missing");
  test::write_file(dir_ + "/manifest.toml", manifest());
  test::write_file(dir_ + "/pieces.txt", pieces() + "tea\n");
  expect_has(error(), "speller.piece.weight is [57, 32], wanted [58, 32]");
  test::write_file(dir_ + "/pieces.txt", "<end>\n<text>\n");
  expect_has(error(), dir_ + "/pieces.txt: line 2: is '<text>', wanted '<begin>'");
  std::filesystem::remove(dir_ + "/pieces.txt");
  expect_has(error(), dir_ + "/pieces.txt: there is no such file");
}

}  // namespace
}  // namespace antiphon::asr
