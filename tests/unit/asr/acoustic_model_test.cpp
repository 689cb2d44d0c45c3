// Features and acoustic network equal PyTorch on golden data (tests/golden/asr,
// training/asr/model.py), in chunks of any length.
#include "asr/acoustic_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "asr/log_mel.h"
#include "asr/pass.h"
#include "engine/weights.h"

namespace antiphon::asr {
namespace {

constexpr int kLookahead = 4, kClasses = 29, kBins = 80;
constexpr std::size_t kFrameFloats = AcousticConfig::kFramesPerStep * kBins;

std::shared_ptr<const Weights> golden(const std::string& name) {
  auto weights = Weights::load(ANTIPHON_SOURCE_DIR "/tests/golden/asr/" + name + ".safetensors");
  EXPECT_TRUE(weights.ok()) << weights.status().to_string();
  return *weights;
}

AcousticModelOptions tiny_options(Precision precision) {
  AcousticModelOptions options;
  options.config = {.mel_bins = kBins,
                    .front = 12,
                    .width = 24,
                    .layers = 2,
                    .lookahead = kLookahead,
                    .classes = kClasses};
  options.precision = precision;
  options.max_streams = 2;
  options.max_batch = 2;
  options.max_steps = 8;
  return options;
}

TEST(LogMelGolden, EqualsPyTorchWhateverTheChunks) {
  const auto data = golden("tiny_f32");
  const TensorView pcm_view = *data->tensor("golden.pcm"),
                   want_view = *data->tensor("golden.features");
  const auto* pcm = static_cast<const std::int32_t*>(pcm_view.data);
  const std::size_t num_samples = static_cast<std::size_t>(pcm_view.dims[0]);
  const auto want = want_view.f32();
  auto mel = LogMel::create({});
  ASSERT_TRUE(mel.ok()) << mel.status().to_string();
  std::vector<float> frame(kBins), chunk;
  std::size_t at = 0, num_frames = 0;
  const auto drain = [&] {
    for (; mel->pop(frame); ++num_frames) {
      ASSERT_LE((num_frames + 1) * kBins, want.size() + kBins);
      for (std::size_t bin = 0; bin < kBins && (num_frames + 1) * kBins <= want.size(); ++bin) {
        // Transforms in f32 beside PyTorch's: relative error of a power near 1e-5 at 60 dB under
        // the peak, a quarter of its log.
        ASSERT_NEAR(frame[bin], want[num_frames * kBins + bin], 1e-4)
            << "frame " << num_frames << " bin " << bin;
      }
    }
  };
  for (const std::size_t length : {1, 159, 160, 161, 7, 1000, 640, 3333}) {
    chunk.clear();
    for (std::size_t i = 0; i < length && at < num_samples; ++i)
      chunk.push_back(static_cast<float>(pcm[at++]) / 32768.0f);
    mel->push(chunk);
    drain();
  }
  chunk.clear();
  while (at < num_samples) chunk.push_back(static_cast<float>(pcm[at++]) / 32768.0f);
  chunk.insert(chunk.end(), 400, 0.0f);  // zeros follow the last sample
  mel->push(chunk);
  drain();
  EXPECT_GE(num_frames * kBins, want.size());
}

struct Case {
  const char* file;
  Precision precision;
  double bound;
};

class AcousticGolden : public testing::TestWithParam<Case> {};

// The stream's outputs without the look-ahead's delay, [steps, classes]; a second stream hears the
// same one chunk later.
std::vector<float> stream(AcousticModel& model, std::span<const float> features) {
  std::vector<float> out;
  const int slot = *model.acquire(), other = *model.acquire();
  model.reset(slot);
  model.reset(other);
  const int num_steps = static_cast<int>(features.size() / kFrameFloats);
  int at = 0;
  for (const int steps : {1, 3, 8, 2, 5, 6, kLookahead}) {
    const bool flush = at >= num_steps;
    const auto frames = flush ? std::span<const float>()
                              : features.subspan(at * kFrameFloats, steps * kFrameFloats);
    const AcousticItem items[] = {{slot, frames}, {other, features.first(steps * kFrameFloats)}};
    const auto got = model.run(items, steps);
    EXPECT_TRUE(got.ok()) << got.status().to_string();
    out.insert(out.end(), got->begin(), got->begin() + steps * kClasses);
    at += steps;
  }
  EXPECT_EQ(at, num_steps + kLookahead);
  out.erase(out.begin(), out.begin() + kLookahead * kClasses);
  return out;
}

TEST_P(AcousticGolden, EqualsPyTorchInChunks) {
  const auto weights = golden(GetParam().file);
  const auto want = weights->tensor("golden.logp")->f32();
  auto model = AcousticModel::create(*weights, tiny_options(GetParam().precision));
  ASSERT_TRUE(model.ok()) << model.status().to_string();
  const auto got = stream(**model, weights->tensor("golden.features")->f32());
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i)
    ASSERT_NEAR(got[i], want[i], GetParam().bound) << "value " << i;
}

// f32: some 100 terms a sum through five layers. INT8: the weights are the golden's own; what is
// added is the rounding of activations where the tuner chose u8 x s8.
INSTANTIATE_TEST_SUITE_P(All, AcousticGolden,
                         testing::Values(Case{"tiny_f32", Precision::kF32, 1e-4},
                                         Case{"tiny_i8", Precision::kF32, 1e-4},
                                         Case{"tiny_i8", Precision::kInt8, 0.05}),
                         [](const auto& param) {
                           return std::string(param.param.file) +
                                  (param.param.precision == Precision::kF32 ? "_as_f32"
                                                                            : "_as_int8");
                         });

// Powers of two; at a turn's end no more than three steps that mean nothing for a run less.
TEST(RunLength, IsAPowerOfTwoAndAtTheEndNearlyEnough) {
  const int waiting[] = {0, 1, 2, 3, 4, 5, 6, 9, 12, 13, 16, 17, 29, 31, 32, 100};
  const int going_on[] = {0, 1, 2, 2, 4, 4, 4, 8, 8, 8, 16, 16, 16, 16, 32, 32};
  const int ended[] = {0, 1, 2, 4, 4, 8, 8, 8, 8, 16, 16, 16, 32, 32, 32, 32};
  for (std::size_t i = 0; i < std::size(waiting); ++i) {
    EXPECT_EQ(run_length(waiting[i], 32, false), going_on[i]) << waiting[i];
    EXPECT_EQ(run_length(waiting[i], 32, true), ended[i]) << waiting[i];
  }
  EXPECT_EQ(run_length(31, 16, true), 16) << "as many as a run may have";
}

}  // namespace
}  // namespace antiphon::asr
