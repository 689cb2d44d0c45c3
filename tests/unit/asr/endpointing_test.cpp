// Turns that the recogniser ends itself: where they begin and end, and that nothing said is lost.
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

class Endpointing : public testing::Test {
 protected:
  Endpointing() : recognizer_(make_recognizer(test::tiny_models())) { options_.written = false; }
  std::vector<RecognizerEvent> events(const std::vector<float>& pcm, std::size_t piece = 1600) {
    options_.partials = false;
    stream_ = std::move(recognizer_->open(options_)).value();
    return hear(*recognizer_, *stream_, pcm, piece);
  }
  std::unique_ptr<Recognizer> recognizer_;
  std::unique_ptr<RecognizerStream> stream_;
  RecognizerOptions options_;
};

TEST_F(Endpointing, TheFirstLetterIsInThePreRoll) {
  for (const double before_ms : {0.0, 100.0, 500.0, 1230.0}) {
    const auto got = events(joined({silence(before_ms), say("two teas"), silence(900)}));
    ASSERT_EQ(got.size(), 3u) << before_ms;
    EXPECT_EQ(got[0].kind, Kind::kSpeechStart);
    EXPECT_NEAR(got[0].at_ms, before_ms, 64) << "chunks of 32 ms";
    EXPECT_EQ(got[1].kind, Kind::kSpeechEnd);
    EXPECT_NEAR(got[1].at_ms, before_ms + 8 * 120 - 40, 64);
    EXPECT_EQ(got[2].kind, Kind::kFinal);
    EXPECT_EQ(got[2].transcript.text, "two teas") << before_ms;
    EXPECT_NEAR(got[2].transcript.words[0].start_ms, before_ms, 60);
    EXPECT_NEAR(got[2].transcript.words[1].end_ms, before_ms + 920, 60);
  }
}

TEST_F(Endpointing, TurnsFollowEachOtherOnOneClock) {
  const auto got = events(
      joined({silence(300), say("two teas"), silence(1000), say("no latte"), silence(1000)}));
  ASSERT_EQ(got.size(), 6u);
  EXPECT_EQ(got[2].transcript.text, "two teas");
  EXPECT_EQ(got[5].transcript.text, "no latte");
  EXPECT_NEAR(got[5].transcript.words[0].start_ms, 300 + 960 + 1000, 60);
}

TEST_F(Endpointing, PieceSizesChangeNothing) {
  const auto pcm =
      joined({silence(210), say("two teas"), silence(800), say("to go"), silence(700)});
  const auto want = events(pcm, pcm.size());
  ASSERT_EQ(want.size(), 6u);
  for (const std::size_t piece : {16u, 160u, 1600u, 777u}) {
    const auto got = events(pcm, piece);
    ASSERT_EQ(got.size(), want.size()) << piece;
    for (std::size_t i = 0; i < got.size(); ++i) {
      EXPECT_EQ(got[i].kind, want[i].kind);
      EXPECT_EQ(got[i].at_ms, want[i].at_ms);
      EXPECT_EQ(got[i].transcript.text, want[i].transcript.text);
    }
  }
}

TEST_F(Endpointing, TellsWhichAudioDecided) {
  const auto pcm = joined({silence(300), say("two teas"), silence(900)});
  for (const auto& [asked_ms, silence_ms] :
       {std::pair{480.0, 480.0}, {500.0, 512.0}, {60.0, 64.0}}) {
    options_.min_silence_ms = asked_ms;
    const auto got = events(pcm);
    ASSERT_GE(got.size(), 3u);
    EXPECT_EQ(got[1].kind, Kind::kSpeechEnd);
    EXPECT_DOUBLE_EQ(got[1].decided_ms - got[1].at_ms, silence_ms) << "chunks of 32 ms";
  }
}

TEST_F(Endpointing, TellsOfPausesWithWhatTheFinalWillSay) {
  options_.pauses = true;
  const auto got = events(joined({say("two"), silence(350), say("teas"), silence(900)}));
  ASSERT_EQ(got.size(), 5u);
  EXPECT_EQ(got[1].kind, Kind::kPause);
  EXPECT_EQ(got[1].transcript.spoken, "two");
  EXPECT_EQ(got[2].kind, Kind::kPause);
  EXPECT_EQ(got[2].transcript.spoken, "twoteas");
  // "teas" sounds up to 1150 ms; 160 ms of look-ahead and 64 of silence, up to whole chunks.
  EXPECT_GE(got[2].at_ms - 1150, 224);
  EXPECT_LE(got[2].at_ms - 1150, 224 + 96);
  EXPECT_EQ(got[3].kind, Kind::kSpeechEnd);
  EXPECT_EQ(got[4].transcript.spoken, got[2].transcript.spoken);
}

TEST_F(Endpointing, PausesShorterThanAskedDoNotEndATurn) {
  const auto pcm = joined({say("two"), silence(300), say("teas"), silence(900)});
  options_.min_silence_ms = 500;
  EXPECT_EQ(events(pcm).size(), 3u);
  options_.min_silence_ms = 200;
  const auto got = events(pcm);
  ASSERT_EQ(got.size(), 6u);
  EXPECT_EQ(got[2].transcript.text, "two");
  EXPECT_EQ(got[5].transcript.text, "teas");
}

TEST_F(Endpointing, LongTurnsAreCutAndNothingIsDroppedBetween) {
  options_.max_turn_ms = 1000;
  std::string heard;
  int num_finals = 0;
  for (const auto& e : events(joined({say("give me a large latte please"), silence(900)}))) {
    if (e.kind != Kind::kFinal) continue;
    ++num_finals;
    for (const char c : e.transcript.text)
      if (c != ' ') heard += c;
  }
  EXPECT_GE(num_finals, 3);
  // A cut may fall into a letter: it is then heard on one side, on both or on none.
  EXPECT_GE(heard.size() + static_cast<std::size_t>(num_finals),
            std::string("givemealargelatteplease").size());
}

TEST_F(Endpointing, SilenceEndsOnlyWhenAsked) {
  EXPECT_TRUE(events(silence(5000)).empty());
  const auto nothing = finish(*recognizer_, *stream_);
  ASSERT_EQ(nothing.size(), 1u);
  EXPECT_EQ(nothing[0].kind, Kind::kNoSpeech);
  options_.no_speech_ms = 1000;
  const auto got = events(silence(2500));
  ASSERT_EQ(got.size(), 2u) << "each further second again";
  EXPECT_EQ(got[0].kind, Kind::kNoSpeech);
  EXPECT_NEAR(got[0].at_ms, 1000, 32);
}

TEST_F(Endpointing, TheCallerMayEndATurnFirst) {
  auto got = events(joined({silence(200), say("two teas")}));
  ASSERT_EQ(got.size(), 1u);
  got = finish(*recognizer_, *stream_);
  ASSERT_FALSE(got.empty());
  EXPECT_EQ(got.back().kind, Kind::kFinal);
  EXPECT_EQ(got.back().transcript.text, "two teas");
}

TEST_F(Endpointing, AClickIsNotSpeech) {
  auto click = silence(600);
  for (std::size_t i = 4096; i < 4300; ++i) click[i] = 0.5f;  // in one chunk
  EXPECT_TRUE(events(click).empty());
}

TEST_F(Endpointing, CancelledSpeechDoesNotComeBack) {
  events(joined({silence(200), say("two teas")}));
  stream_->cancel_turn();
  while (stream_->pop()) continue;
  const auto got = hear(*recognizer_, *stream_, joined({silence(300), say("to go"), silence(900)}));
  ASSERT_EQ(got.size(), 3u);
  EXPECT_EQ(got[2].transcript.text, "to go");
}

}  // namespace
}  // namespace antiphon::asr
