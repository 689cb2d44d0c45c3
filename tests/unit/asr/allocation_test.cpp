// Hearing allocates nothing once a first turn has been heard: audio in, features, network, beam
// search.
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace antiphon::asr
