// The recogniser that ships equals PyTorch on a person's utterance, at every precision and ISA.
#include "tests/support/pack_golden.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "asr/acoustic_model.h"
#include "asr/log_mel.h"
#include "asr/pack.h"
#include "asr/speller.h"
#include "tests/support/sha256.h"

namespace antiphon::asr {
namespace {

using antiphon::test::EnginePath;
using antiphon::test::expect_near;
using antiphon::test::PackGolden;

const antiphon::test::GoldenSource kSource = {
    "asr-en.safetensors", "asr-en/weights.safetensors",
    "python3 -m training.asr.golden models/asr-en tests/golden/packs --data DATA"};

// The answers of FIPS 180-4's examples and of an empty file.
TEST(Sha256, EqualsTheStandard) {
  using antiphon::test::hex, antiphon::test::sha256;
  EXPECT_EQ(hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

struct Told {
  std::vector<float> log_probs, heard;
};

// What the network tells of an utterance, `steps` steps a run, as a stream is heard, and its end at
// once.
Told run_all(AcousticModel& net, std::span<const float> frames, int steps) {
  const int slot = *net.acquire(), lookahead = net.config().lookahead;
  const auto step =
      static_cast<std::size_t>(AcousticConfig::kFramesPerStep * net.config().mel_bins);
  Told out;
  const auto add = [&](const Result<std::span<const float>>& got) {
    EXPECT_TRUE(got.ok()) << got.status().to_string();
    if (!got.ok()) return;
    out.log_probs.insert(out.log_probs.end(), got->begin(), got->end());
    out.heard.insert(out.heard.end(), net.heard().begin(), net.heard().end());
  };
  for (std::size_t at = 0; at < frames.size();) {
    const std::size_t n = std::min(static_cast<std::size_t>(steps), (frames.size() - at) / step);
    const AcousticItem item = {slot, frames.subspan(at, n * step)};
    add(net.run(std::span(&item, 1), static_cast<int>(n)));
    at += n * step;
  }
  add(net.flush(std::span(&slot, 1)));
  net.release(slot);
  const auto without_delay = [&](std::vector<float>& values, std::size_t step_floats) {
    values.erase(values.begin(),
                 values.begin() + static_cast<std::ptrdiff_t>(step_floats) * lookahead);
  };
  without_delay(out.log_probs, net.config().step_floats());
  without_delay(out.heard, static_cast<std::size_t>(AcousticConfig::kBlockFramesPerStep *
                                                    net.config().channels));
  return out;
}

TEST(AsrPackGolden, FeaturesEqualPyTorch) {
  const auto golden = PackGolden::load(kSource);
  ASSERT_TRUE(golden);
  const auto manifest = read_pack(ANTIPHON_SOURCE_DIR "/models/asr-en");
  ASSERT_TRUE(manifest.ok()) << manifest.status().to_string();
  std::vector<float> pcm, frames;
  for (const std::int32_t s : golden->i32("pcm")) pcm.push_back(static_cast<float>(s) / 32768);
  // Zeros up to whole steps, and the end of the last window.
  pcm.resize((pcm.size() + 639) / 640 * 640 + 200);
  LogMel mel = *LogMel::create(manifest->mel);
  mel.push(pcm);
  while (mel.num_ready() > 0) {
    frames.resize(frames.size() + 80);
    ASSERT_TRUE(mel.pop(std::span(frames).last(80)));
  }
  // log(power + 1e-6) / 4 of sums of some 512 products in f32, whose error is relative to the
  // frame's loudest bin: 3e-5 where this was written.
  expect_near(frames, golden->f32("features"), 2e-4, "features");
}

class AsrPackGolden : public testing::TestWithParam<EnginePath> {};

TEST_P(AsrPackGolden, WhatItTellsEqualsPyTorch) {
  const auto golden = PackGolden::load(kSource);
  ASSERT_TRUE(golden);
  const auto manifest = read_pack(ANTIPHON_SOURCE_DIR "/models/asr-en");
  ASSERT_TRUE(manifest.ok()) << manifest.status().to_string();
  AcousticModelOptions options;
  options.config = manifest->final_acoustic();
  options.precision = GetParam().precision;
  options.max_isa = GetParam().isa;
  options.max_streams = options.max_batch = 1;
  options.frames = true;
  const auto weights = Weights::load(manifest->weights_path);
  ASSERT_TRUE(weights.ok()) << weights.status().to_string();
  const auto net = AcousticModel::create(**weights, options);
  ASSERT_TRUE(net.ok()) << net.status().to_string();
  // f32: the same numbers summed in another order, a few roundings of values near 28 (2e-5 where
  // this was written). INT8: the same weights, but a row of activations is rounded to 16 bits
  // before each product, and the recurrent layer carries that on (2e-3).
  const double bound = options.precision == Precision::kF32 ? 2e-4 : 1e-2;
  const Told told = run_all(**net, golden->f32("features"), 10);
  expect_near(told.log_probs, golden->f32("logp"), bound, "logp");
  expect_near(told.heard, golden->f32("heard"), 4 * bound, "heard");  // to 4 x as large
}

TEST_P(AsrPackGolden, TheAttentionDecoderEqualsPyTorch) {
  const auto golden = PackGolden::load(kSource);
  ASSERT_TRUE(golden);
  const auto manifest = read_pack(ANTIPHON_SOURCE_DIR "/models/asr-en");
  ASSERT_TRUE(manifest.ok()) << manifest.status().to_string();
  const auto pieces = Pieces::load(manifest->pieces_path, manifest->decoder.alphabet);
  ASSERT_TRUE(pieces.ok()) << pieces.status().to_string();
  SpellerOptions options;
  options.config.pieces = pieces->size();
  options.config.layers = manifest->speller_layers;
  options.config.language = manifest->language;
  std::shared_ptr<const Weights> language;
  if (!manifest->language_path.empty()) {
    ASSERT_TRUE(golden->made_from("language_sha256", "asr-en/language.safetensors"));
    language = *Weights::load(manifest->language_path);
  }
  options.precision = GetParam().precision;
  options.max_isa = GetParam().isa;
  const auto speller =
      Speller::create(**Weights::load(manifest->weights_path), options, language.get());
  ASSERT_TRUE(speller.ok()) << speller.status().to_string();
  ASSERT_TRUE((*speller)->hear(golden->f32("heard")).ok());
  std::vector<SpelledNode> nodes;
  for (const std::int32_t piece : golden->i32("pieces"))
    nodes.push_back({piece, static_cast<std::int32_t>(nodes.size()) - 1});
  const auto spelled = (*speller)->grow(nodes);
  ASSERT_TRUE(spelled.ok()) << spelled.status().to_string();
  const double bound = options.precision == Precision::kF32 ? 2e-4 : 2e-2;
  expect_near(*spelled, golden->f32("spelled"), bound, "spelled");
}

INSTANTIATE_TEST_SUITE_P(Paths, AsrPackGolden, testing::ValuesIn(antiphon::test::kEnginePaths),
                         antiphon::test::engine_path_name);

}  // namespace
}  // namespace antiphon::asr
