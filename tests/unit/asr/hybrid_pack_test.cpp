// Packs whose finals are spelled: what they hear, and what is wrong with those that do not fit.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "asr/hybrid_decoder.h"
#include "asr/recognizer.h"
#include "tests/unit/asr/tiny_pack.h"

namespace antiphon::asr {
namespace {

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
  // With `to` in place of `from` in a manifest.
  std::string error_with(const std::string& from, const std::string& to,
                         std::string text = manifest()) {
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
    speller.config = {.pieces = 57, .layers = 2, .channels = 32, .heads = 2, .inner = 48};
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
    return error_with(from, to, with_language("0.4"));
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
