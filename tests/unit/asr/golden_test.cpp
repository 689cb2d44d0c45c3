// Features and the acoustic network equal PyTorch (tests/golden/asr), however the audio is cut and
// batched.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "asr/acoustic_model.h"
#include "asr/log_mel.h"
#include "tests/unit/asr/tiny_pack.h"

namespace antiphon::asr {
namespace {

using test::kGolden;

std::vector<float> tensor(const std::string& file, const std::string& name) {
  const auto weights = Weights::load(file);
  EXPECT_TRUE(weights.ok()) << weights.status().to_string();
  const auto view = (*weights)->tensor(name);
  EXPECT_TRUE(view.ok()) << view.status().to_string();
  return {view->f32().begin(), view->f32().end()};
}

std::vector<float> golden(const std::string& name) {
  return tensor(kGolden + "golden.safetensors", name);
}

std::vector<float> speech() {
  return tensor(ANTIPHON_SOURCE_DIR "/tests/golden/vad/speech.safetensors", "audio");
}

// Zeros up to whole output steps and the end of the last window, as the golden data has them.
std::vector<float> padded(std::vector<float> pcm) {
  pcm.resize((pcm.size() + 639) / 640 * 640 + 200);
  return pcm;
}

std::vector<float> features(std::span<const float> pcm, std::size_t piece) {
  LogMel mel = *LogMel::create({});
  std::vector<float> frames;
  for (std::size_t at = 0; at < pcm.size(); at += piece) {
    mel.push(pcm.subspan(at, std::min(piece, pcm.size() - at)));
    while (mel.num_ready() > 0) {
      frames.resize(frames.size() + 80);
      EXPECT_TRUE(mel.pop(std::span(frames).last(80)));
    }
  }
  return frames;
}

void expect_near(std::span<const float> got, std::span<const float> want, float bound,
                 const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  float worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) worst = std::max(worst, std::fabs(got[i] - want[i]));
  EXPECT_LE(worst, bound) << what;
}

TEST(LogMelGolden, EqualsPyTorchInAnyChunking) {
  for (const char* name : {"speech", "tones"}) {
    const auto pcm = padded(name == std::string("speech") ? speech() : golden("tones.pcm"));
    const auto want = golden(std::string(name) + ".features");
    const auto whole = features(pcm, pcm.size());
    // The power is a sum of 512 products in f32 on both sides: relative to the loudest bin its
    // error is some 512 eps. Quiet bins beside a loud tone differ most; log(x + 1e-6) / 4.
    expect_near(whole, want, 2e-3f, name);
    for (const std::size_t piece : {16u, 160u, 1600u, 1u, 7u, 333u, 4001u})
      EXPECT_EQ(features(pcm, piece), whole) << name << " in pieces of " << piece;
  }
}

TEST(LogMelGolden, ResetForgets) {
  LogMel mel = *LogMel::create({});
  const auto pcm = speech();
  std::vector<float> first(80), again(80);
  mel.push(std::span(pcm).first(5000));
  ASSERT_TRUE(mel.pop(first));
  mel.reset();
  EXPECT_EQ(mel.num_ready(), 0);
  mel.push(std::span(pcm).first(256));
  ASSERT_TRUE(mel.pop(again));
  EXPECT_EQ(first, again);
}

TEST(LogMelGolden, WrongSettingsAreNamed) {
  const auto field = [](LogMelConfig c) { return LogMel::create(c).status().message(); };
  EXPECT_NE(field({.fft_samples = 500}).find("fft_samples is 500"), std::string::npos);
  EXPECT_NE(field({.window_samples = 513}).find("window_samples"), std::string::npos);
  EXPECT_NE(field({.hop_samples = 0}).find("hop_samples"), std::string::npos);
  EXPECT_NE(field({.mel_bins = 0}).find("mel_bins"), std::string::npos);
  EXPECT_NE(field({.high_hz = 9000}).find("high_hz"), std::string::npos);
}

struct Net {
  const char* weights;
  Precision precision;
  const char* isa;
  int outputs = 1;  // a step
};

class AcousticGolden : public testing::TestWithParam<Net> {
 protected:
  static std::unique_ptr<AcousticModel> model(int max_streams = 6, int max_batch = 4) {
    AcousticModelOptions options;
    options.config = test::kTinyNetwork;
    options.config.outputs_per_step = GetParam().outputs;
    options.precision = GetParam().precision;
    options.max_streams = max_streams;
    options.max_batch = max_batch;
    options.max_isa = GetParam().isa;
    auto made = AcousticModel::create(**Weights::load(kGolden + GetParam().weights), options);
    EXPECT_TRUE(made.ok()) << made.status().to_string();
    return std::move(made).value();
  }
  // f32: sums of at most 400 products in another order through five layers and the recurrence.
  // INT8 weights are the same numbers on both sides, but the engine also rounds activations to 8
  // bits where that is faster: steps of 1/127 of the largest, averaged over 32 inputs.
  static float bound() { return GetParam().precision == Precision::kF32 ? 2e-3f : 1e-2f; }
  static std::string suffix() {
    return GetParam().weights == std::string("tiny.safetensors") ? ".logp" : ".logp_int8";
  }
  static std::vector<float> golden_logp(const std::string& of) {
    const char* file = GetParam().outputs == 1 ? "golden.safetensors" : "golden_two.safetensors";
    return tensor(kGolden + file, of + suffix());
  }
  static std::size_t step_floats() { return static_cast<std::size_t>(GetParam().outputs) * 29; }
};

// The log-probabilities of a whole utterance, cut into runs of up to `steps` steps.
std::vector<float> run_all(AcousticModel& net, int slot, std::span<const float> frames, int steps) {
  const auto step =
      static_cast<std::size_t>(AcousticConfig::kFramesPerStep * net.config().mel_bins);
  std::vector<float> out;
  net.reset(slot);
  for (std::size_t at = 0; at < frames.size();) {
    const std::size_t n = std::min(static_cast<std::size_t>(steps), (frames.size() - at) / step);
    const AcousticItem item = {slot, frames.subspan(at, n * step)};
    const auto got = net.run(std::span(&item, 1), static_cast<int>(n));
    EXPECT_TRUE(got.ok()) << got.status().to_string();
    out.insert(out.end(), got->begin(), got->end());
    at += n * step;
  }
  const AcousticItem flush = {slot, {}};
  const auto got = net.run(std::span(&flush, 1), net.config().lookahead);
  EXPECT_TRUE(got.ok()) << got.status().to_string();
  out.insert(out.end(), got->begin(), got->end());
  const std::size_t delay =
      static_cast<std::size_t>(net.config().lookahead) * net.config().step_floats();
  out.erase(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(delay));
  return out;
}

TEST_P(AcousticGolden, EqualsPyTorchInAnyCut) {
  const auto net = model();
  const int slot = *net->acquire();
  for (const char* name : {"speech", "tones"}) {
    const auto frames = golden(std::string(name) + ".features");
    const auto want = golden_logp(name);
    ASSERT_EQ(want.size(), frames.size() / (4 * 80) * step_floats());
    for (const int steps : {1, 2, 3, 5, 16}) {
      expect_near(run_all(*net, slot, frames, steps), want, bound(),
                  std::string(name) + " in runs of " + std::to_string(steps));
    }
  }
}

TEST_P(AcousticGolden, BatchOfUnevenStreamsEqualsEachAlone) {
  const auto net = model();
  const auto frames = golden("speech.features");
  const std::size_t step = 4 * 80, num_steps = frames.size() / step;
  std::vector<std::vector<float>> inputs, alone;
  std::vector<int> slots;
  std::mt19937 random(3);
  for (int i = 0; i < 4; ++i) {
    const std::size_t begin = random() % (num_steps / 2),
                      count = 5 + random() % (num_steps / 2 - 5);
    inputs.emplace_back(frames.begin() + static_cast<std::ptrdiff_t>(begin * step),
                        frames.begin() + static_cast<std::ptrdiff_t>((begin + count) * step));
    slots.push_back(*net->acquire());
    alone.push_back(run_all(*net, slots.back(), inputs.back(), 3));
    net->reset(slots.back());
  }
  std::vector<std::vector<float>> together(4);
  std::vector<std::size_t> at(4, 0);
  std::vector<int> flushed(4, 0);
  bool busy = true;
  for (int round = 0; busy; ++round) {
    busy = false;
    const std::size_t steps = 1 + static_cast<std::size_t>(round % 2);
    std::vector<AcousticItem> items;
    std::vector<std::size_t> who;
    for (std::size_t i = 0; i < 4; ++i) {
      if ((static_cast<std::size_t>(round) + i) % 5 == 0) {  // not everybody speaks at once
        busy |= flushed[i] < 4;
        continue;
      }
      const std::size_t left = (inputs[i].size() - at[i]) / step;
      if (left >= steps) {
        items.push_back({slots[i], std::span(inputs[i]).subspan(at[i], steps * step)});
        at[i] += steps * step;
      } else if (left == 0 && flushed[i] + static_cast<int>(steps) <= 4) {
        items.push_back({slots[i], {}});
        flushed[i] += static_cast<int>(steps);
      } else {
        busy |= flushed[i] < 4;
        continue;
      }
      who.push_back(i);
      busy = true;
    }
    if (items.empty()) continue;
    const auto got = net->run(items, static_cast<int>(steps));
    ASSERT_TRUE(got.ok()) << got.status().to_string();
    const std::size_t share = got->size() / items.size();
    for (std::size_t k = 0; k < who.size(); ++k) {
      const auto part = got->subspan(k * share, share);
      together[who[k]].insert(together[who[k]].end(), part.begin(), part.end());
    }
  }
  for (std::size_t i = 0; i < 4; ++i) {
    ASSERT_GE(together[i].size(), 4 * step_floats());
    together[i].erase(together[i].begin(),
                      together[i].begin() + static_cast<std::ptrdiff_t>(4 * step_floats()));
    // A batch may take another kernel: the order of sums differs, as above.
    expect_near(together[i], alone[i], bound(), "stream " + std::to_string(i));
  }
}

TEST_P(AcousticGolden, SlotsRunOutAndComeBackClean) {
  const auto net = model(2, 2);
  const auto frames = golden("tones.features");
  const int first = *net->acquire();
  const auto want = run_all(*net, first, frames, 4);
  const int second = *net->acquire();
  const auto none = net->acquire();
  EXPECT_EQ(none.status().code(), StatusCode::kExhausted);
  EXPECT_EQ(net->num_used(), 2);
  net->release(first);
  const int again = *net->acquire();
  // Not reset by the test: acquire() gives a clean slot.
  const AcousticItem item = {again, std::span(frames).first(4 * 80 * 5)};
  const auto got = net->run(std::span(&item, 1), 5);
  ASSERT_TRUE(got.ok());
  expect_near(got->subspan(4 * step_floats()), std::span(want).first(step_floats()), bound(),
              "first step after reuse");
  net->release(again);
  net->release(second);
  EXPECT_EQ(net->num_used(), 0);
}

INSTANTIATE_TEST_SUITE_P(
    All, AcousticGolden,
    testing::Values(Net{"tiny.safetensors", Precision::kF32, ""},
                    Net{"tiny_int8.safetensors", Precision::kF32, ""},
                    Net{"tiny_int8.safetensors", Precision::kInt8, ""},
                    Net{"tiny_int8.safetensors", Precision::kInt8, "avx2"},
                    Net{"tiny_int8.safetensors", Precision::kInt8, "portable"},
                    Net{"tiny_two.safetensors", Precision::kF32, "", 2},
                    Net{"tiny_two.safetensors", Precision::kInt8, "", 2},
                    Net{"tiny_two.safetensors", Precision::kInt8, "avx2", 2},
                    Net{"tiny_two.safetensors", Precision::kInt8, "portable", 2}),
    [](const auto& p) {
      const std::string isa = p.param.isa;
      return std::string(p.param.weights == std::string("tiny.safetensors") ? "f32" : "int8") +
             (p.param.precision == Precision::kF32 ? "_expanded" : "_streamed") +
             (isa.empty() ? "" : "_" + isa) + (p.param.outputs > 1 ? "_two_outputs" : "");
    });

}  // namespace
}  // namespace antiphon::asr
