// Packs whose finals look further ahead than partials: which pass says what, and that a pause that
// is looked into leaves the stream as it was.
#include <gtest/gtest.h>

#include "tests/unit/asr/tiny_pack.h"

namespace antiphon::asr {
namespace {

using test::finish;
using test::hear;
using test::joined;
using test::say;
using test::silence;

using Kind = RecognizerEventKind;

// The trained network for finals; for partials one of random weights, which hears nothing.
class TwoPasses : public testing::Test {
 protected:
  void SetUp() override {
    models_ = test::tiny_models();
    ASSERT_TRUE(models_);
    AcousticModelOptions options;
    options.precision = Precision::kF32;
    options.max_streams = 4;
    options.max_batch = 3;
    options.config = test::kTinyNetwork;
    options.spare = true;
    models_->final_acoustic = made("tiny.safetensors", options);
    options.config = test::kTinyListener;
    options.spare = false;
    models_->acoustic = made("listener_f32.safetensors", options);
    ASSERT_TRUE(models_->acoustic && models_->final_acoustic);
    recognizer_ = make_recognizer(models_);
    options_.written = false;
  }

  static std::unique_ptr<AcousticModel> made(const std::string& file,
                                             const AcousticModelOptions& options) {
    auto model = AcousticModel::create(**Weights::load(test::kGolden + file), options);
    EXPECT_TRUE(model.ok()) << model.status().to_string();
    return model.ok() ? std::move(*model) : nullptr;
  }
  std::unique_ptr<RecognizerStream> open() {
    return std::move(recognizer_->open(options_)).value();
  }
  std::vector<RecognizerEvent> events(const std::vector<float>& pcm, std::size_t piece = 1600) {
    const auto stream = open();
    return hear(*recognizer_, *stream, pcm, piece);
  }

  std::shared_ptr<SharedModels> models_;
  std::unique_ptr<Recognizer> recognizer_;
  RecognizerOptions options_;
};

TEST_F(TwoPasses, PartialsAreOfTheFirstAndFinalsOfTheSecond) {
  const auto pcm = joined({silence(300), say("two teas"), silence(900)});
  for (const std::size_t piece : {std::size_t{512}, std::size_t{1600}, pcm.size()}) {
    const auto got = events(pcm, piece);
    ASSERT_FALSE(got.empty());
    ASSERT_EQ(got.back().kind, Kind::kFinal);
    EXPECT_EQ(got.back().transcript.text, "two teas");
    EXPECT_NEAR(got.back().transcript.words[0].start_ms, 300, 60);
    for (const auto& event : got) {
      if (event.kind == Kind::kPartial) {
        EXPECT_EQ(event.transcript.text.find("two"), std::string::npos);
      }
    }
  }
}

TEST_F(TwoPasses, AStreamWithoutPartialsHasTheSecondAlone) {
  const auto with = open();
  EXPECT_EQ(models_->acoustic->num_used(), 1);
  EXPECT_EQ(models_->final_acoustic->num_used(), 1);
  options_.partials = false;
  const auto without = open();
  EXPECT_EQ(models_->acoustic->num_used(), 1);
  EXPECT_EQ(models_->final_acoustic->num_used(), 2);
  const auto got = hear(*recognizer_, *without, joined({say("two teas"), silence(900)}));
  ASSERT_EQ(got.size(), 3u);
  EXPECT_EQ(got[2].transcript.text, "two teas");
}

TEST_F(TwoPasses, TurnsFollowEachOtherAndMayBeEndedOrCancelled) {
  options_.partials = false;
  const auto stream = open();
  hear(*recognizer_, *stream, say("give me a large"));
  stream->cancel_turn();
  while (stream->pop()) continue;
  hear(*recognizer_, *stream, joined({silence(200), say("to go")}));
  const auto ended = finish(*recognizer_, *stream);
  ASSERT_FALSE(ended.empty());
  EXPECT_EQ(ended.back().transcript.text, "to go");
  const auto next = hear(*recognizer_, *stream, joined({say("no latte"), silence(900)}));
  ASSERT_EQ(next.size(), 3u);
  EXPECT_EQ(next[2].transcript.text, "no latte");
}

TEST_F(TwoPasses, APauseTellsWhatTheFinalWillSayAndChangesNothing) {
  const auto pcm = joined({say("two"), silence(350), say("teas"), silence(900)});
  options_.partials = false;
  const auto want = events(pcm);
  ASSERT_EQ(want.size(), 3u);
  options_.pauses = true;
  const auto got = events(pcm);
  ASSERT_EQ(got.size(), 5u) << "once a silence";
  EXPECT_EQ(got[1].kind, Kind::kPause);
  EXPECT_EQ(got[1].transcript.spoken, "two");
  EXPECT_EQ(got[2].kind, Kind::kPause);
  EXPECT_EQ(got[2].transcript.spoken, got[4].transcript.spoken);
  EXPECT_EQ(got[4].transcript.spoken, want[2].transcript.spoken);
  // The pause before the end has heard all but the last of the silence.
  EXPECT_NEAR(got[4].transcript.confidence, want[2].transcript.confidence, 0.02);
  EXPECT_EQ(models_->final_acoustic->num_used(), 0) << "the spare slot does not count";
}

// Of a turn that the endpointer ends nothing is left to run where a pause has told it.
TEST_F(TwoPasses, AFinalThatAPauseToldNeedsNoFlush) {
  options_.partials = false;
  const std::vector<float> chunk(VoiceActivity::kChunkSamples);
  for (const bool pauses : {false, true}) {
    options_.pauses = pauses;
    const auto opened = open();
    auto& stream = static_cast<Stream&>(*opened);
    hear(*recognizer_, stream, joined({say("two"), silence(400)}));
    for (int i = 0; i < 20 && !stream.ending(); ++i) {
      if (i > 0) {
        ASSERT_TRUE(test::advance(*recognizer_, stream).ok());
      }
      ASSERT_TRUE(stream.push(chunk).ok());
      ASSERT_TRUE(stream.listen().ok());
    }
    ASSERT_TRUE(stream.ending());
    EXPECT_EQ(stream.steps_waiting(*models_->final_acoustic) == 0, pauses);
    ASSERT_TRUE(test::advance(*recognizer_, stream).ok());
    const auto got = test::events_of(stream);
    ASSERT_FALSE(got.empty());
    EXPECT_EQ(got.back().transcript.spoken, "two");
  }
}

// A piece of audio with both the rest of a turn and its end: what an earlier pause told is not it.
TEST_F(TwoPasses, AFinalIsNotThatOfAnEarlierPause) {
  options_.partials = false;
  const auto begin = joined({say("two"), silence(400)}), rest = joined({say("teas"), silence(900)});
  std::string finals[2];
  for (const bool pauses : {false, true}) {
    options_.pauses = pauses;
    const auto stream = open();
    const auto first = hear(*recognizer_, *stream, begin);
    ASSERT_FALSE(first.empty());
    ASSERT_EQ(first.back().kind == Kind::kPause, pauses);
    const auto got = hear(*recognizer_, *stream, rest, rest.size());
    ASSERT_FALSE(got.empty());
    ASSERT_EQ(got.back().kind, Kind::kFinal);
    finals[pauses] = got.back().transcript.spoken;
  }
  EXPECT_EQ(finals[0], finals[1]);
  EXPECT_NE(finals[1], "two");
}

TEST_F(TwoPasses, StreamsThatRunTogetherAreTheSingleOnes) {
  const std::string said[] = {"two teas", "give me a large latte", "no"};
  std::vector<std::unique_ptr<RecognizerStream>> streams;
  std::vector<RecognizerStream*> all;
  for (const std::string& text : said) {
    streams.push_back(open());
    ASSERT_TRUE(streams.back()->push(joined({say(text), silence(900)})).ok());
    all.push_back(streams.back().get());
  }
  const auto waits = [&] {
    return std::any_of(all.begin(), all.end(), [](auto* s) { return s->ready(); });
  };
  while (waits()) ASSERT_TRUE(recognizer_->advance(all).ok());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto got = test::events_of(*all[i]);
    ASSERT_FALSE(got.empty());
    EXPECT_EQ(got.back().transcript.text, said[i]);
  }
}

// A network with blocks for finals, whose weights are random: what it hears is of no use, but the
// same however a turn ends. Turns of one step, shorter than the look-ahead of 200 ms and longer.
TEST_F(TwoPasses, AFinalIsTheSameByOneFlushAndStepByStep) {
  AcousticModelOptions options;
  options.precision = Precision::kF32;
  options.max_streams = 4;
  options.max_batch = 2;  // of three that end together
  options.config = test::kTinyListener;
  options.config.ahead = options.config.lookahead = 5;
  options.spare = true;
  options_.endpointing = options_.partials = false;
  const std::size_t samples[] = {100, 640, 1900, 7000, 16000, 24000};
  std::vector<std::vector<Transcript>> finals;
  for (const bool flush : {false, true}) {
    options.flush = flush;
    models_->final_acoustic = made("listener_f32.safetensors", options);
    ASSERT_TRUE(models_->final_acoustic);
    finals.emplace_back();
    for (const std::size_t first : {0u, 3u}) {
      std::vector<std::unique_ptr<RecognizerStream>> streams;
      std::vector<RecognizerStream*> all;
      const auto pcm = say("give me a large latte");
      for (std::size_t i = first; i < first + 3; ++i) {
        streams.push_back(open());
        ASSERT_TRUE(streams.back()->push(std::span(pcm).first(samples[i])).ok());
        streams.back()->end_turn();
        all.push_back(streams.back().get());
      }
      ASSERT_TRUE(recognizer_->advance(all).ok());
      for (auto* stream : all) {
        EXPECT_FALSE(stream->ready());
        const auto got = test::events_of(*stream);
        ASSERT_FALSE(got.empty());
        finals.back().push_back(got.back().transcript);
      }
    }
  }
  int heard = 0;
  for (std::size_t i = 0; i < std::size(samples); ++i) {
    EXPECT_EQ(finals[1][i].text, finals[0][i].text) << samples[i];
    EXPECT_NEAR(finals[1][i].confidence, finals[0][i].confidence, 1e-3) << samples[i];
    heard += !finals[0][i].text.empty();
  }
  EXPECT_GE(heard, 3);
}

TEST_F(TwoPasses, SlotsOfBothComeBack) {
  for (int round = 0; round < 3; ++round) {
    std::vector<std::unique_ptr<RecognizerStream>> streams;
    for (int i = 0; i < 4; ++i) streams.push_back(open());
    EXPECT_EQ(recognizer_->open(options_).status().code(), StatusCode::kExhausted);
    EXPECT_EQ(models_->acoustic->num_used(), 4);
  }
  EXPECT_EQ(models_->acoustic->num_used(), 0);
  EXPECT_EQ(models_->final_acoustic->num_used(), 0);
}

}  // namespace
}  // namespace antiphon::asr
