// Streams of uneven lengths over one acoustic plan: batched, they are the single streams.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "asr/acoustic_model.h"
#include "tests/support/seeded_weights.h"

namespace antiphon::asr {
namespace {

constexpr int kBins = 80, kPerStep = AcousticConfig::kFramesPerStep;
// Steps that each stream brings in each round; 0: none.
const std::vector<std::vector<int>> kRounds = {
    {1, 4, 2, 0}, {2, 2, 2, 2}, {0, 4, 1, 4}, {4, 1, 1, 1}, {1, 0, 0, 2}};

std::vector<float> frames_of(int stream, int num_frames) {
  std::mt19937 random(static_cast<unsigned>(stream) + 1);
  std::normal_distribution<float> value(0, 0.5f);
  std::vector<float> frames(static_cast<std::size_t>(num_frames * kBins));
  for (float& f : frames) f = value(random);
  return frames;
}

std::unique_ptr<AcousticModel> make_model(Precision precision) {
  AcousticModelOptions options;
  options.precision = precision;
  options.max_streams = 6;
  options.max_batch = 4;
  options.max_steps = 4;
  auto model = AcousticModel::create(test::acoustic_weights(true), options);
  EXPECT_TRUE(model.ok()) << model.status().to_string();
  return model.ok() ? std::move(*model) : nullptr;
}

// Log-probabilities of every stream over all rounds. batched: streams with the same number of
// steps share a run, as the recogniser does it.
std::vector<std::vector<float>> run_all(AcousticModel& model, bool batched) {
  const std::size_t num_streams = kRounds[0].size();
  std::vector<std::vector<float>> input, output(num_streams);
  std::vector<int> slots, taken(num_streams, 0);
  for (std::size_t s = 0; s < num_streams; ++s) {
    input.push_back(frames_of(static_cast<int>(s), 20 * kPerStep));
    slots.push_back(*model.acquire());
  }
  for (const std::vector<int>& round : kRounds)
    for (const int steps : {4, 2, 1}) {
      std::vector<std::size_t> members;
      for (std::size_t s = 0; s < num_streams; ++s)
        if (round[s] == steps) members.push_back(s);
      const std::size_t group = batched ? members.size() : 1;
      for (std::size_t i = 0; i < members.size(); i += group) {
        std::vector<AcousticItem> items;
        for (std::size_t j = i; j < i + group; ++j) {
          const std::size_t s = members[j];
          const auto begin = static_cast<std::size_t>(taken[s] * kPerStep * kBins);
          const auto count = static_cast<std::size_t>(steps * kPerStep * kBins);
          items.push_back({slots[s], std::span(input[s]).subspan(begin, count)});
          taken[s] += steps;
        }
        const auto log_probs = model.run(items, steps);
        EXPECT_TRUE(log_probs.ok()) << log_probs.status().to_string();
        if (!log_probs.ok()) return output;
        const std::size_t share = log_probs->size() / group;
        for (std::size_t j = 0; j < group; ++j) {
          const auto part = log_probs->subspan(j * share, share);
          std::vector<float>& to = output[members[i + j]];
          to.insert(to.end(), part.begin(), part.end());
        }
      }
    }
  for (const int slot : slots) model.release(slot);
  return output;
}

TEST(AcousticStreams, BatchedInt8IsTheSingleStreamsBitForBit) {
  const auto model = make_model(Precision::kInt8);
  ASSERT_TRUE(model);
  const auto single = run_all(*model, false), batched = run_all(*model, true);
  EXPECT_EQ(model->num_used(), 0);
  for (std::size_t s = 0; s < single.size(); ++s) {
    ASSERT_FALSE(single[s].empty());
    EXPECT_EQ(single[s], batched[s]) << "stream " << s;
  }
  EXPECT_NE(single[0], single[1]);
}

// In f32 the order of a sum depends on how many rows share a pass over the weights: each of the
// 1376 products of a gate is rounded once, and four layers pass the difference on.
TEST(AcousticStreams, BatchedF32IsWithinRounding) {
  const auto model = make_model(Precision::kF32);
  ASSERT_TRUE(model);
  const auto single = run_all(*model, false), batched = run_all(*model, true);
  for (std::size_t s = 0; s < single.size(); ++s) {
    ASSERT_EQ(single[s].size(), batched[s].size());
    for (std::size_t i = 0; i < single[s].size(); ++i)
      ASSERT_NEAR(single[s][i], batched[s][i], 1e-4) << "stream " << s << " at " << i;
  }
}

}  // namespace
}  // namespace antiphon::asr
