// The voices that ship, the first and the last, equal PyTorch on one sentence, network by network,
// at every precision and ISA.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/tts/pack_runner.h"
#include "tts/acoustic/acoustic_decoder.h"
#include "tts/acoustic/postnet_stream.h"
#include "tts/pack/manifest.h"

namespace antiphon::tts {
namespace {

using test::expect_near;

const test::GoldenSource kSource = {
    "tts-en.safetensors", "tts-en/weights.safetensors",
    "python3 -m training.tts.golden models/tts-en tests/golden/packs"};
const test::GoldenSource kG2pSource = {
    "tts-en-g2p.safetensors", "tts-en/g2p.safetensors",
    "python3 -m training.tts.golden models/tts-en tests/golden/packs"};
const char* const kPack = ANTIPHON_SOURCE_DIR "/models/tts-en";

class TtsPackGolden : public testing::TestWithParam<test::EnginePath> {
 protected:
  void SetUp() override {
    golden_ = test::PackGolden::load(kSource);
    ASSERT_TRUE(golden_);
    auto manifest = read_tts_manifest(kPack);
    ASSERT_TRUE(manifest.ok()) << manifest.status().to_string();
    manifest_ = *std::move(manifest);
    auto weights = Weights::load(manifest_.weights_path);
    ASSERT_TRUE(weights.ok()) << weights.status().to_string();
    weights_ = *std::move(weights);
    auto geometry = read_geometry(*weights_);
    ASSERT_TRUE(geometry.ok()) << geometry.status().to_string();
    geometry_ = *geometry;
    ids_ = golden_->i32("ids");
    symbols_ = {{"N", {1, 42, static_cast<std::int64_t>(ids_.size())}}};
  }

  // f32: the same numbers summed in another order. INT8: the same weights, but a row of activations
  // is rounded to 16 bits before each product.
  static double bound(double f32, double int8) {
    return GetParam().precision == Precision::kF32 ? f32 : int8;
  }
  PackRunner encoder() const {
    return {encoder_network(*weights_, geometry_), GetParam(), symbols_};
  }

  PackRunner postnet() const {
    const std::int64_t block = manifest_.decoder.block_frames;
    return {postnet_network(*weights_, geometry_), GetParam(), {{"T", {block, block, block}}}};
  }

  // The speakers that there are numbers of, and what the names of theirs begin with.
  std::vector<std::pair<int, std::string>> spoken() const {
    if (geometry_.speakers < 2) return {{0, ""}};
    return {{0, ""}, {geometry_.speakers - 1, "last_"}};
  }

  std::unique_ptr<test::PackGolden> golden_;
  TtsManifest manifest_;
  std::shared_ptr<const Weights> weights_;
  AcousticGeometry geometry_;
  std::vector<std::int32_t> ids_;
  std::map<std::string, DimRange> symbols_;
};

TEST_P(TtsPackGolden, EncoderEqualsPyTorch) {
  const PackRunner net = encoder();
  ASSERT_TRUE(net);
  AcousticDecoder acoustic(geometry_, manifest_.decoder, manifest_.guard,
                           manifest_.alignment_width);
  for (const auto& [speaker, of] : spoken()) {
    ASSERT_TRUE(acoustic.begin(*net, ids_, 1, speaker).ok());
    // Values below 3: 7e-7 in f32, 6e-5 with activations rounded to 16 bits.
    for (const std::string name : {"encoder", "log_frames"})
      expect_near(net.output(name), golden_->f32(of + name), bound(1e-5, 5e-4), of + name);
  }
}

TEST_P(TtsPackGolden, PostnetEqualsPyTorch) {
  const PackRunner net = postnet();
  ASSERT_TRUE(net);
  PostnetStream stream(geometry_, manifest_.decoder.block_frames);
  stream.begin();
  std::vector<float> mel = golden_->f32("mel_before"), out;
  ASSERT_TRUE(stream.push(*net, 0, mel, true, out).ok());
  // Log-mels down to -11, five convolutions of 1280 products: 2e-6 and 4e-4.
  expect_near(out, golden_->f32("mel_after"), bound(2e-5, 4e-3), "mel_after");
}

// All networks in the blocks that ship. Each frame is made of the one before, so that errors grow
// with the frames: the first forty are held to less than all.
TEST_P(TtsPackGolden, SentenceEqualsPyTorchToItsEnd) {
  DecoderConfig config = manifest_.decoder;
  config.emit_alignment = true;
  const PackRunner first = encoder(), post = postnet(),
                   net(decoder_network(*weights_, geometry_, config), GetParam(), symbols_);
  ASSERT_TRUE(first && net && post);
  GuardConfig guard = manifest_.guard;
  guard.max_skipped_frames = 1e9f;  // as in training: the window alone
  AcousticDecoder acoustic(geometry_, config, guard, manifest_.alignment_width);
  PostnetStream stream(geometry_, config.block_frames);
  ASSERT_TRUE(acoustic.begin(*first, ids_, 1).ok());
  stream.begin();
  std::vector<float> pending, out, mel, alignment, stop;
  const auto keep = [](std::vector<float>& all, std::span<const float> block) {
    all.insert(all.end(), block.begin(), block.end());
  };
  while (!acoustic.done()) {
    ASSERT_TRUE(acoustic.block(*net, pending).ok());
    keep(mel, net.output("mel"));
    keep(alignment, net.output("alignment"));
    keep(stop, net.output("stop"));
    ASSERT_TRUE(stream.push(*post, 0, pending, acoustic.done(), out).ok());
  }
  EXPECT_EQ(acoustic.num_forced(), 0);  // the attention walked by itself
  const auto first_frames = [&](std::vector<float>& all, const char* name, double most) {
    const std::vector<float> want = golden_->f32(name);
    ASSERT_GE(all.size(), want.size());
    expect_near(std::span(all).first(want.size()), want, most, name);
  };
  first_frames(alignment, "alignment", bound(3e-5, 1e-3));  // 3e-6 and 6e-5 where this was written
  first_frames(stop, "stop", bound(1e-9, 4e-8));            // 2e-11 and 1.3e-8 of at most 7e-6
  first_frames(mel, "mel_before", bound(2e-4, 1e-2));       // 2e-5 and 1e-3, log-mels down to -11
  // 4e-4 and 7e-2 within 191 frames, of which there are neither more nor fewer.
  expect_near(out, golden_->f32("mel"), bound(4e-3, 0.15), "mel");
}

TEST_P(TtsPackGolden, FramesOfTheLastVoiceEqualPyTorch) {
  const auto [speaker, of] = spoken().back();
  if (speaker == 0) GTEST_SKIP() << "the pack has one voice";
  const PackRunner first = encoder(), net(decoder_network(*weights_, geometry_, manifest_.decoder),
                                          GetParam(), symbols_);
  ASSERT_TRUE(first && net);
  GuardConfig guard = manifest_.guard;
  guard.max_skipped_frames = 1e9f;  // as in training: the window alone
  AcousticDecoder acoustic(geometry_, manifest_.decoder, guard, manifest_.alignment_width);
  ASSERT_TRUE(acoustic.begin(*first, ids_, 1, speaker).ok());
  const std::vector<float> want = golden_->f32(of + "mel_before");
  std::vector<float> mel;
  while (!acoustic.done() && mel.size() < want.size()) ASSERT_TRUE(acoustic.block(*net, mel).ok());
  ASSERT_GE(mel.size(), want.size());
  expect_near(std::span(mel).first(want.size()), want, bound(2e-4, 1e-2), of + "mel_before");
}

INSTANTIATE_TEST_SUITE_P(Paths, TtsPackGolden, testing::ValuesIn(test::kEnginePaths),
                         test::engine_path_name);

class G2pPackGolden : public testing::TestWithParam<test::EnginePath> {};

TEST_P(G2pPackGolden, LogitsEqualPyTorch) {
  const auto golden = test::PackGolden::load(kG2pSource);
  ASSERT_TRUE(golden);
  const auto manifest = read_tts_manifest(kPack);
  ASSERT_TRUE(manifest.ok()) << manifest.status().to_string();
  const auto weights = Weights::load(manifest->g2p_path);
  ASSERT_TRUE(weights.ok()) << weights.status().to_string();
  const int repeat = G2pConfig().repeat;
  const PackRunner net(g2p_network(**weights, {}), GetParam(), {{"T", {1, 24, 60}}});
  ASSERT_TRUE(net);
  for (const std::string word : {"antiphon", "qwertyish", "o'malley", "a", "zyzzyva"}) {
    const std::vector<std::int32_t> ids = golden->i32(word + ".ids");
    const std::int64_t dims[] = {1, static_cast<std::int64_t>(ids.size()) * repeat};
    auto* at = static_cast<std::int32_t*>(*net->input("ids", dims));
    for (const std::int32_t id : ids) at = std::fill_n(at, repeat, id);
    ASSERT_TRUE(net->run(-1).ok());
    // Logits up to 40: 2e-5 in f32, 5e-4 with activations rounded to 16 bits.
    expect_near(net.output("logits"), golden->f32(word + ".logits"),
                GetParam().precision == Precision::kF32 ? 2e-4 : 5e-3, word);
  }
}

INSTANTIATE_TEST_SUITE_P(Paths, G2pPackGolden, testing::ValuesIn(test::kEnginePaths),
                         test::engine_path_name);

}  // namespace
}  // namespace antiphon::tts
