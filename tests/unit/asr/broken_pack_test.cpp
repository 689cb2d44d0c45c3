// Packs on disk: a whole one hears; every kind of damage is an error that names file and field.
#include <gtest/gtest.h>

#include "asr/recognizer.h"
#include "tests/unit/asr/tiny_pack.h"

namespace antiphon::asr {
namespace {

namespace fs = std::filesystem;

std::string manifest_of_two() {
  std::string text = test::kTinyManifest;
  return text.replace(text.find("layers = 2"), 10, "layers = 2\noutputs_per_step = 2");
}

class BrokenPack : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = testing::TempDir() + "asr_pack_" +
           testing::UnitTest::GetInstance()->current_test_info()->name();
    test::write_tiny_pack(dir_);
    config_.pack_dir = dir_;
    config_.vad_dir = ANTIPHON_SOURCE_DIR "/models/vad";
    config_.precision = Precision::kF32;
    config_.max_streams = 2;
  }
  void TearDown() override { fs::remove_all(dir_); }

  std::string path(const std::string& file) const { return dir_ + "/" + file; }
  // The error of reading the pack; empty: none.
  std::string error() {
    const auto made = create_recognizer(config_);
    return made.ok() ? "" : made.status().message();
  }
  // What the pack makes of somebody who says `text`.
  Transcript heard_by_pack(const std::string& text) {
    const auto recognizer = create_recognizer(config_);
    EXPECT_TRUE(recognizer.ok()) << recognizer.status().to_string();
    if (!recognizer.ok()) return {};
    RecognizerOptions options;
    options.endpointing = false;
    auto stream = std::move((*recognizer)->open(options)).value();
    test::hear(**recognizer, *stream, test::say(text));
    const auto events = test::finish(**recognizer, *stream);
    EXPECT_FALSE(events.empty());
    return events.empty() ? Transcript() : events.back().transcript;
  }
  std::string manifest_error(const std::string& from, const std::string& to) {
    std::string text = test::kTinyManifest;
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    test::write_file(path("manifest.toml"), text.replace(at, from.size(), to));
    const std::string message = error();
    EXPECT_NE(message.find(path("manifest.toml")), std::string::npos) << message;
    return message;
  }
  static void expect_has(const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << "'" << text << "' lacks '" << part << "'";
  }

  std::string dir_;
  RecognizerConfig config_;
};

TEST_F(BrokenPack, AWholePackHears) {
  for (const bool small : {false, true}) {
    if (small) {
      config_.precision = Precision::kInt8;
      test::write_file(path("weights.safetensors"),
                       test::read_file(test::kGolden + "tiny_int8.safetensors"));
    }
    const Transcript heard = heard_by_pack("two teas");
    EXPECT_EQ(heard.text, "Two teas.");
    EXPECT_EQ(heard.spoken, "two teas");
  }
}

TEST_F(BrokenPack, APackOfTwoOutputsAStepHears) {
  test::write_file(path("manifest.toml"), manifest_of_two());
  test::write_file(path("weights.safetensors"),
                   test::read_file(test::kGolden + test::tiny_weights(2)));
  config_.precision = Precision::kInt8;
  EXPECT_EQ(heard_by_pack("two teas").spoken, "two teas");
  const auto manifest = read_pack(dir_);
  ASSERT_TRUE(manifest.ok()) << manifest.status().to_string();
  EXPECT_EQ(manifest->acoustic.outputs_per_step, 2);
  EXPECT_EQ(manifest->decoder.commit_steps, 80);  // rows of 20 ms: the same time
}

TEST_F(BrokenPack, AManifestThatSaysNothingOfOutputsHasOne) {
  const auto manifest = read_pack(dir_);
  ASSERT_TRUE(manifest.ok()) << manifest.status().to_string();
  EXPECT_EQ(manifest->acoustic.outputs_per_step, 1);
  EXPECT_EQ(manifest->decoder.commit_steps, 40);
}

TEST_F(BrokenPack, OutputsThatTheWeightsDoNotHaveAreRefused) {
  expect_has(manifest_error("layers = 2", "layers = 2\noutputs_per_step = 0"),
             "network.outputs_per_step: is 0, wanted an integer from 1 to 4");
  expect_has(manifest_error("layers = 2", "layers = 2\noutputs_per_step = 5"),
             "network.outputs_per_step: is 5");
  test::write_file(path("manifest.toml"), manifest_of_two());
  expect_has(error(), path("weights.safetensors") +
                          ": out.weight is [29, 32], 1 x 29 classes a step, but "
                          "network.outputs_per_step is 2");
  test::write_file(path("manifest.toml"), test::kTinyManifest);
  test::write_file(path("weights.safetensors"),
                   test::read_file(test::kGolden + test::tiny_weights(2)));
  expect_has(error(),
             "out.weight is [58, 32], 2 x 29 classes a step, but network.outputs_per_step is 1");
}

TEST_F(BrokenPack, TheTwoKindsOfNetworksDoNotMix) {
  expect_has(manifest_error("front = 24\n", ""), "network.front: is missing");
  expect_has(manifest_error("lookahead = 4\n", ""), "network.lookahead: is missing");
  expect_has(manifest_error("lookahead = 4", "lookahead = 4\nfinal_ahead = 6"),
             "network.final_ahead: is of networks with blocks");
  expect_has(manifest_error("front = 24\n", "blocks = 1\nahead = 8\nfinal_ahead = 11\n"),
             "network.final_ahead: 1 blocks x 11 frames of 20 ms are no whole steps of 40");
  expect_has(manifest_error("front = 24\n", "blocks = 2\nahead = 4\nfinal_past = 125\n"),
             "network.final_past: needs network.final_ahead, which is missing");
  expect_has(manifest_error("lookahead = 4", "lookahead = 4\npast = 61"),
             "network.past: is of networks with blocks");
  expect_has(manifest_error("front = 24", "front = 24\nblocks = 2"),
             "network.front: a network with blocks has none");
  expect_has(manifest_error("front = 24", "blocks = 2\nahead = 1"),
             "network.lookahead: is 4, but blocks and ahead make 1");
  expect_has(manifest_error("front = 24", "blocks = 1\nahead = 3"),
             "network.ahead: 1 blocks x 3 frames of 20 ms are no whole steps of 40");
  expect_has(manifest_error("front = 24", "blocks = 33"), "network.blocks: is 33");
}

TEST_F(BrokenPack, APackWithBlocksIsRead) {
  std::string text = test::kTinyManifest;
  const std::string geometry =
      "width = 24\nlayers = 2\noutputs_per_step = 2\nblocks = 2\nchannels = 32\nheads = 2\n"
      "inner = 48\npast = 7\nahead = 2\nfinal_past = 9\nfinal_ahead = 6\n";
  const std::size_t from = text.find("front"), to = text.find("alphabet");
  test::write_file(path("manifest.toml"), text.replace(from, to - from, geometry));
  test::write_file(path("weights.safetensors"),
                   test::read_file(test::kGolden + "listener_i8.safetensors"));
  EXPECT_EQ(error(), "");
  const auto manifest = read_pack(dir_);
  ASSERT_TRUE(manifest.ok()) << manifest.status().to_string();
  EXPECT_EQ(manifest->acoustic.lookahead, 2);
  EXPECT_EQ(manifest->acoustic.past, 7);
  const AcousticConfig last = manifest->final_acoustic();
  EXPECT_EQ(last.past, 9);
  EXPECT_EQ(last.ahead, 6);
  EXPECT_EQ(last.lookahead, 6);
}

TEST_F(BrokenPack, TruncatedWeightsNameTheFile) {
  const std::string file = path("weights.safetensors"), bytes = test::read_file(file);
  std::size_t head = 0;
  for (int i = 7; i >= 0; --i) head = head << 8 | static_cast<unsigned char>(bytes[i]);
  for (const std::size_t length :
       {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{8}, std::size_t{9}, head / 2,
        head + 7, head + 8, head + 9, bytes.size() / 2, bytes.size() - 4, bytes.size() - 1}) {
    test::write_file(file, bytes.substr(0, length));
    expect_has(error(), file);
  }
}

TEST_F(BrokenPack, ATruncatedModelNamesFileAndSection) {
  const std::string file = path("lm.anlm"), bytes = test::read_file(file);
  for (const std::size_t length : {std::size_t{0}, std::size_t{31}, std::size_t{32},
                                   std::size_t{1000}, bytes.size() / 2, bytes.size() - 1}) {
    test::write_file(file, bytes.substr(0, length));
    const std::string message = error();
    expect_has(message, file);
    expect_has(message, "reaches beyond");
  }
}

TEST_F(BrokenPack, ATruncatedManifestIsRefusedOrMeansTheSame) {
  const std::string& text = test::kTinyManifest;
  const std::size_t network_end = text.find("\nalphabet");  // which has a default
  for (std::size_t length = 0; length < text.size(); ++length) {
    test::write_file(path("manifest.toml"), text.substr(0, length));
    const auto manifest = read_pack(dir_);
    if (length + 1 < network_end) {  // a network key is missing or cut
      ASSERT_FALSE(manifest.ok()) << length;
    }
    if (!manifest.ok()) {
      expect_has(manifest.status().message(), path("manifest.toml"));
      continue;
    }
    EXPECT_EQ(manifest->acoustic.width, 32);
  }
}

TEST_F(BrokenPack, MissingFilesAreNamed) {
  for (const char* file : {"manifest.toml", "weights.safetensors", "lm.anlm"}) {
    fs::rename(path(file), path("aside"));
    const auto made = create_recognizer(config_);
    EXPECT_EQ(made.status().code(), StatusCode::kNotFound) << file;
    expect_has(made.status().message(), path(file));
    fs::rename(path("aside"), path(file));
  }
  config_.vad_dir = "/nonexistent/vad";
  expect_has(error(), "/nonexistent/vad");
}

TEST_F(BrokenPack, KeysAreChecked) {
  for (const char* key : {"mel_bins", "front", "width", "layers", "lookahead"}) {
    const std::size_t at = test::kTinyManifest.find(std::string(key) + " =");
    const std::string line =
        test::kTinyManifest.substr(at, test::kTinyManifest.find('\n', at) - at);
    expect_has(manifest_error(line, ""), std::string("network.") + key + ": is missing");
    expect_has(manifest_error(line, std::string(key) + " = true"), std::string("network.") + key);
  }
  expect_has(manifest_error("prune", "prunes"), "unknown key 'prunes'; known: beam_width, prune");
  expect_has(manifest_error("layers = 2", "layers = 2\ntails = 3"), "unknown key 'tails'");
  expect_has(manifest_error("width = 32", "width = 0"),
             "network.width: is 0, wanted an integer from 1");
  expect_has(manifest_error("width = 32", "width = 32.5"), "network.width: wanted an integer");
  expect_has(manifest_error("lm_weight = 0.6", "lm_weight = nan"), "decoder.lm_weight");
  expect_has(manifest_error("beam_width = 24", "beam_width = 5000"), "decoder.beam_width: is 5000");
  expect_has(manifest_error(" 'abc", "abc"), "network.alphabet: wanted the letters");
  expect_has(manifest_error(" 'abc", " 'aabc"), "'a' is there twice");
  expect_has(manifest_error("[pack]", "kind = \"tts\"\n[pack]"), "kind: is 'tts', wanted 'asr'");
  expect_has(manifest_error("lm = \"lm.anlm\"", "lm = 3"), "files.lm: wanted a string");
  expect_has(manifest_error("[files]", "[files]\nmodel = \"x\""), "files.model: unknown key");
  expect_has(manifest_error("[files]", "[files]\n\"lm.anlm\" = { bytes = 7 }"),
             "files.lm.anlm.bytes: is 7");
  expect_has(manifest_error("[files]", "[files]\n\"gone\" = { bytes = 7 }"), "files.gone");
  expect_has(manifest_error("width = 32", "width = ="), "line 6");
  expect_has(manifest_error("[network]\n", "[network]\nwidth = 3\n"), "manifest.toml");
}

TEST_F(BrokenPack, WrongGeometryNamesTheTensor) {
  const auto weights_error = [&](const char* from, const char* to) {
    std::string text = test::kTinyManifest;
    text.replace(text.find(from), std::string(from).size(), to);
    test::write_file(path("manifest.toml"), text);
    const std::string message = error();
    expect_has(message, path("weights.safetensors"));
    return message;
  };
  expect_has(weights_error("front = 24", "front = 25"),
             "conv1.weight is [24, 80, 5], wanted [25, 80, 5]");
  expect_has(weights_error("width = 32", "width = 31"), "conv2.weight");
  expect_has(weights_error("layers = 2", "layers = 3"), "norms.2.weight");
  expect_has(weights_error("layers = 2", "layers = 1"), "network.layers is 1");
  expect_has(weights_error("lookahead = 4", "lookahead = 5"), "ahead.weight");
  expect_has(weights_error("xyz\"", "xyzé\""), "out.weight is [29, 32]");
}

}  // namespace
}  // namespace antiphon::asr
