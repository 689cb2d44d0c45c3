// Hearing allocates nothing once a first turn has been heard: audio in, features, network, beam
// search.
#include <gtest/gtest.h>

#include <algorithm>

#include "asr/acoustic_model.h"
#include "tests/unit/asr/tiny_pack.h"

namespace antiphon::test {
long allocations();  // counting_new.cpp
}

namespace antiphon::asr {
namespace {

TEST(Allocations, NoneWhileATurnIsHeard) {
  const auto recognizer = make_recognizer(test::tiny_models());
  RecognizerOptions options;
  options.endpointing = options.partials = false;  // a partial is a message and owns its text
  auto stream = std::move(recognizer->open(options)).value();
  const auto pcm = test::say("give me a large latte and two flat whites please");
  RecognizerStream* streams[] = {stream.get()};
  long counted = 0;
  for (int turn = 0; turn < 3; ++turn) {
    const long before = antiphon::test::allocations();
    for (std::size_t at = 0; at < pcm.size(); at += 1600) {
      ASSERT_TRUE(stream->push(std::span(pcm).subspan(at, 1600)).ok());
      ASSERT_TRUE(recognizer->advance(streams).ok());
    }
    counted = antiphon::test::allocations() - before;
    EXPECT_EQ(test::finish(*recognizer, *stream).back().transcript.spoken,
              "give me a large latte and two flat whites please");
  }
  EXPECT_EQ(counted, 0) << "in the third turn";
}

// Two streams through a network with blocks, in runs of several lengths, one of them flushed first
// step by step, then both at once.
TEST(Allocations, NoneInRunsOfANetworkWithBlocks) {
  const auto weights = Weights::load(test::kGolden + "listener_i8.safetensors");
  ASSERT_TRUE(weights.ok()) << weights.status().to_string();
  AcousticModelOptions options;
  options.config = test::kTinyListener;
  options.max_streams = options.max_batch = 2;
  options.max_steps = 8;
  const auto model = AcousticModel::create(**weights, options);
  ASSERT_TRUE(model.ok()) << model.status().to_string();
  constexpr int kStepFloats = AcousticConfig::kFramesPerStep * 80;
  const std::vector<float> frames(8 * kStepFloats, 0.5f);
  const int slots[] = {*(*model)->acquire(), *(*model)->acquire()};
  const auto part = [&](int steps) {
    return std::span(frames).first(static_cast<std::size_t>(steps * kStepFloats));
  };
  long counted = 0;
  for (int turn = 0; turn < 3; ++turn) {
    const long before = antiphon::test::allocations();
    for (const int steps : {1, 2, 3, 8, 2, 1}) {
      const AcousticItem items[] = {{slots[0], part(steps)}, {slots[1], part(std::min(steps, 2))}};
      ASSERT_TRUE((*model)->run(items, steps).ok());
    }
    ASSERT_TRUE((*model)->flush(slots).ok());
    for (const int slot : slots) (*model)->reset(slot);
    counted = antiphon::test::allocations() - before;
  }
  EXPECT_EQ(counted, 0) << "in the third turn";
}

}  // namespace
}  // namespace antiphon::asr
