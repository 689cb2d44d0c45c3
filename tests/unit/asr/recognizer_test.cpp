// One session's recognition on the tiny pack: partials, times, confidence, hot words, slots,
// cancels, batches.
#include "asr/recognizer.h"

#include <gtest/gtest.h>

#include "tests/unit/asr/tiny_pack.h"

namespace antiphon::asr {
namespace {

using test::events_of;
using test::finish;
using test::hear;
using test::joined;
using test::say;
using test::silence;

RecognizerOptions whole_turns() {
  RecognizerOptions options;
  options.endpointing = false;
  options.written = false;
  return options;
}

std::unique_ptr<RecognizerStream> open(Recognizer& recognizer, const RecognizerOptions& options) {
  auto stream = recognizer.open(options);
  EXPECT_TRUE(stream.ok()) << stream.status().to_string();
  return stream.ok() ? std::move(*stream) : nullptr;
}

// The final of a turn that says `pcm`.
Transcript recognise(Recognizer& recognizer, std::span<const float> pcm,
                     const RecognizerOptions& options = whole_turns(), std::size_t piece = 1600) {
  const auto stream = open(recognizer, options);
  hear(recognizer, *stream, pcm, piece);
  const auto events = finish(recognizer, *stream);
  EXPECT_FALSE(events.empty());
  return events.empty() ? Transcript() : events.back().transcript;
}

TEST(RecognizerStream, WordsHaveTimesAndConfidence) {
  const auto recognizer = make_recognizer(test::tiny_models());
  const Transcript t = recognise(*recognizer, say("two teas"));
  EXPECT_TRUE(t.is_final);
  EXPECT_EQ(t.text, "two teas");
  EXPECT_EQ(t.stable_bytes, 8);
  ASSERT_EQ(t.words.size(), 2u);
  EXPECT_EQ(t.words[0].word, "two");
  // Letters are 120 ms apart; a step is 40 ms and the network may peak a step late.
  EXPECT_NEAR(t.words[0].start_ms, 0, 60);
  EXPECT_NEAR(t.words[0].end_ms, 320, 60);
  EXPECT_NEAR(t.words[1].start_ms, 480, 60);
  EXPECT_NEAR(t.words[1].end_ms, 920, 60);
  EXPECT_GT(t.words[0].confidence, 0.8f);
  EXPECT_LE(t.words[0].confidence, 1.0f);
  EXPECT_GT(t.confidence, 0.8f);
}

// A network of two outputs a step: rows of 20 ms.
TEST(RecognizerStream, TwoOutputsAStepTellTheSameTimes) {
  const auto recognizer = make_recognizer(test::tiny_models({.outputs_per_step = 2}));
  const auto pcm = joined({say("two teas"), silence(70)});
  const Transcript want = recognise(*recognizer, pcm, whole_turns(), pcm.size());
  EXPECT_EQ(want.text, "two teas");
  ASSERT_EQ(want.words.size(), 2u);
  // Letters are 120 ms apart, as above.
  EXPECT_NEAR(want.words[0].start_ms, 0, 60);
  EXPECT_NEAR(want.words[0].end_ms, 320, 60);
  EXPECT_NEAR(want.words[1].start_ms, 480, 60);
  EXPECT_NEAR(want.words[1].end_ms, 920, 60);
  for (const std::size_t piece : {16u, 160u, 1600u, 333u, 5001u}) {
    const Transcript got = recognise(*recognizer, pcm, whole_turns(), piece);
    EXPECT_EQ(got.text, want.text) << piece;
    ASSERT_EQ(got.words.size(), want.words.size()) << piece;
    for (std::size_t i = 0; i < got.words.size(); ++i) {
      EXPECT_EQ(got.words[i].start_ms, want.words[i].start_ms) << piece;
      EXPECT_EQ(got.words[i].end_ms, want.words[i].end_ms) << piece;
      // Runs of other lengths sum in another order.
      EXPECT_NEAR(got.words[i].confidence, want.words[i].confidence, 1e-3f) << piece;
    }
  }
}

TEST(RecognizerStream, ThePacksDelayIsTakenOutOfWordTimes) {
  auto models = test::tiny_models();
  models->manifest.decoder.delay_ms = 80;
  const auto late = make_recognizer(std::move(models)),
             plain = make_recognizer(test::tiny_models());
  const auto pcm = say("two teas");
  const Transcript a = recognise(*plain, pcm), b = recognise(*late, pcm);
  ASSERT_EQ(a.words.size(), 2u);
  ASSERT_EQ(b.words.size(), 2u);
  EXPECT_EQ(b.words[0].start_ms, 0);  // no word begins before the turn
  EXPECT_NEAR(b.words[0].end_ms, a.words[0].end_ms - 80, 1e-3);
  EXPECT_NEAR(b.words[1].start_ms, a.words[1].start_ms - 80, 1e-3);
}

// A recording that ends within its last letter.
TEST(RecognizerStream, AbruptEndsKeepTheLastLetter) {
  const auto recognizer = make_recognizer(test::tiny_models());
  auto pcm = say("two teas");
  pcm.resize(pcm.size() - 640 - 700);
  EXPECT_EQ(recognise(*recognizer, pcm).spoken, "two teas");
}

TEST(RecognizerStream, UnclearWordsAreLessConfident) {
  const auto recognizer = make_recognizer(test::tiny_models());
  auto pcm = say("two teas");
  const auto other = say("www wwww");
  for (std::size_t i = 4 * 1920; i < pcm.size(); ++i) pcm[i] = 0.5f * (pcm[i] + other[i]);
  const Transcript t = recognise(*recognizer, pcm);
  ASSERT_GE(t.words.size(), 2u);
  EXPECT_LT(t.words.back().confidence, t.words.front().confidence - 0.05f);
}

TEST(RecognizerStream, AnyPieceSizeGivesTheSameText) {
  const auto recognizer = make_recognizer(test::tiny_models());
  const auto pcm = joined({silence(70), say("give me a large latte please"), silence(55)});
  const Transcript want = recognise(*recognizer, pcm, whole_turns(), pcm.size());
  EXPECT_EQ(want.text, "give me a large latte please");
  for (const std::size_t piece : {16u, 160u, 1600u, 333u, 5001u}) {
    const Transcript got = recognise(*recognizer, pcm, whole_turns(), piece);
    EXPECT_EQ(got.text, want.text) << piece;
    ASSERT_EQ(got.words.size(), want.words.size()) << piece;
    for (std::size_t i = 0; i < got.words.size(); ++i) {
      EXPECT_EQ(got.words[i].start_ms, want.words[i].start_ms) << piece;
      // Runs of other lengths sum in another order.
      EXPECT_NEAR(got.words[i].confidence, want.words[i].confidence, 1e-3f) << piece;
    }
  }
}

TEST(RecognizerStream, StablePrefixOnlyGrows) {
  const auto recognizer = make_recognizer(test::tiny_models());
  for (const bool written : {false, true}) {
    RecognizerOptions options = whole_turns();
    options.written = written;
    const auto stream = open(*recognizer, options);
    auto events =
        hear(*recognizer, *stream, say("give me a large latte and twenty two teas please"), 640);
    for (auto& e : finish(*recognizer, *stream)) events.push_back(std::move(e));
    std::string promised;
    int num_partials = 0;
    for (const RecognizerEvent& e : events) {
      if (e.kind == RecognizerEventKind::kPartial) {
        EXPECT_LE(e.transcript.stable_bytes, static_cast<int>(e.transcript.text.size()));
        EXPECT_FALSE(e.transcript.is_final);
        ++num_partials;
      }
      ASSERT_TRUE(e.transcript.text.starts_with(promised))
          << "'" << promised << "' became '" << e.transcript.text << "'";
      if (e.kind == RecognizerEventKind::kPartial) {
        ASSERT_GE(static_cast<std::size_t>(e.transcript.stable_bytes), promised.size());
        promised = e.transcript.text.substr(0, static_cast<std::size_t>(e.transcript.stable_bytes));
      }
    }
    EXPECT_GE(num_partials, 10);
    EXPECT_GT(promised.size(), 15u) << "something became stable before the end";
    EXPECT_EQ(events.back().kind, RecognizerEventKind::kFinal);
  }
}

TEST(RecognizerStream, PartialsCanBeOff) {
  const auto recognizer = make_recognizer(test::tiny_models());
  RecognizerOptions options = whole_turns();
  options.partials = false;
  const auto stream = open(*recognizer, options);
  for (const auto& e : hear(*recognizer, *stream, say("two teas")))
    EXPECT_NE(e.kind, RecognizerEventKind::kPartial);
  EXPECT_EQ(finish(*recognizer, *stream).back().transcript.text, "two teas");
}

TEST(RecognizerStream, AlternativesAreDistinctAndShareOne) {
  const auto recognizer = make_recognizer(test::tiny_models());
  RecognizerOptions options = whole_turns();
  options.num_alternatives = 5;
  auto pcm = say("two teas", 0.3f);
  const auto other = say("twx tebs", 0.25f);
  for (std::size_t i = 0; i < pcm.size(); ++i) pcm[i] += other[i];
  const Transcript t = recognise(*recognizer, pcm, options);
  ASSERT_GE(t.alternatives.size(), 2u);
  EXPECT_LE(t.alternatives.size(), 5u);
  EXPECT_EQ(t.alternatives[0].text, t.text);
  float sum = 0;
  std::set<std::string> texts;
  for (const auto& a : t.alternatives) {
    sum += a.confidence;
    texts.insert(a.text);
    EXPECT_GT(a.confidence, 0);
  }
  EXPECT_LE(sum, 1.0001f);
  EXPECT_EQ(texts.size(), t.alternatives.size());
  EXPECT_EQ(recognise(*recognizer, say("two teas")).alternatives.size(), 1u);
}

TEST(RecognizerStream, HotWordsAreOfOneSessionOnly) {
  const auto recognizer = make_recognizer(test::tiny_models({.lm = false}));
  // The fourth letter is heard as k and, a little softer, as h.
  auto pcm = say("mocka");
  const auto other = say("mocha");
  for (std::size_t i = 3 * 1920; i < 4 * 1920; ++i) pcm[i] = 0.5f * pcm[i] + 0.45f * other[i];
  const std::string plain = recognise(*recognizer, pcm).text;
  ASSERT_NE(plain, "mocha");
  RecognizerOptions hot = whole_turns();
  hot.hotwords = {{"Mocha", 12}};
  const auto listener = open(*recognizer, hot), bystander = open(*recognizer, whole_turns());
  ASSERT_TRUE(listener->push(pcm).ok());
  ASSERT_TRUE(bystander->push(pcm).ok());
  listener->end_turn();
  bystander->end_turn();
  RecognizerStream* both[] = {listener.get(), bystander.get()};
  ASSERT_TRUE(recognizer->advance(both).ok());
  EXPECT_EQ(events_of(*listener).back().transcript.text, "mocha");
  EXPECT_EQ(events_of(*bystander).back().transcript.text, plain);
}

TEST(RecognizerStream, AssistantPhrasesBiasEverySession) {
  AssistantSpec spec;
  spec.intents.emplace_back();
  spec.intents[0].phrases = {"a large {drink}"};
  SlotSpec drink;
  drink.name = "drink";
  drink.values = {{"mocha", {"mocha"}}};
  spec.intents[0].slots.push_back(drink);
  auto pcm = say("a large mocka");
  const auto other = say("a large mocha");
  for (std::size_t i = 11 * 1920; i < 12 * 1920; ++i) pcm[i] = 0.5f * pcm[i] + 0.45f * other[i];
  const auto plain = make_recognizer(test::tiny_models({.lm = false}));
  EXPECT_NE(recognise(*plain, pcm).text, "a large mocha");
  const auto biased = make_recognizer(test::tiny_models({.lm = false, .assistant = spec}));
  EXPECT_EQ(recognise(*biased, pcm).text, "a large mocha");
  EXPECT_EQ(recognise(*biased, say("two teas")).text, "two teas");
}

TEST(RecognizerStream, StreamsOfOneBatchEqualEachAlone) {
  const auto recognizer = make_recognizer(test::tiny_models({.max_streams = 6, .max_batch = 3}));
  const char* texts[] = {"two teas", "give me a large latte", "no", "flat white to go please", "i"};
  std::vector<std::unique_ptr<RecognizerStream>> streams;
  std::vector<RecognizerStream*> all;
  std::vector<std::vector<float>> audio;
  for (const char* text : texts) {
    streams.push_back(open(*recognizer, whole_turns()));
    all.push_back(streams.back().get());
    audio.push_back(joined({silence(37.0 * static_cast<double>(audio.size())), say(text)}));
  }
  std::vector<std::size_t> at(audio.size(), 0);
  for (int round = 0; round < 100; ++round)
    for (std::size_t i = 0; i < audio.size(); ++i) {
      const std::size_t n = std::min<std::size_t>(audio[i].size() - at[i], 300 * (i + 1));
      ASSERT_TRUE(streams[i]->push(std::span(audio[i]).subspan(at[i], n)).ok());
      if ((at[i] += n) == audio[i].size() && round == 99) streams[i]->end_turn();
      if (i + 1 == audio.size()) {
        ASSERT_TRUE(recognizer->advance(all).ok());
      }
    }
  for (std::size_t i = 0; i < audio.size(); ++i) {
    const auto events = events_of(*streams[i]);
    ASSERT_FALSE(events.empty());
    const Transcript alone = recognise(*recognizer, audio[i]);
    EXPECT_EQ(events.back().transcript.text, texts[i]);
    EXPECT_EQ(events.back().transcript.text, alone.text);
    ASSERT_EQ(events.back().transcript.words.size(), alone.words.size());
    for (std::size_t w = 0; w < alone.words.size(); ++w)
      EXPECT_EQ(events.back().transcript.words[w].start_ms, alone.words[w].start_ms);
  }
}

TEST(RecognizerStream, SilenceIsNoSpeech) {
  const auto recognizer = make_recognizer(test::tiny_models());
  const auto stream = open(*recognizer, whole_turns());
  hear(*recognizer, *stream, silence(800));
  auto events = finish(*recognizer, *stream);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, RecognizerEventKind::kNoSpeech);
  // Nothing at all, and a single sample.
  EXPECT_EQ(finish(*recognizer, *stream).back().kind, RecognizerEventKind::kNoSpeech);
  const float sample[] = {0.1f};
  ASSERT_TRUE(stream->push(sample).ok());
  EXPECT_EQ(finish(*recognizer, *stream).back().kind, RecognizerEventKind::kNoSpeech);
}

TEST(RecognizerStream, CancelForgetsTheTurn) {
  const auto recognizer = make_recognizer(test::tiny_models());
  const auto stream = open(*recognizer, whole_turns());
  hear(*recognizer, *stream, say("give me a large"));
  ASSERT_TRUE(stream->push(say("latte")).ok());  // queued, never heard
  stream->cancel_turn();
  EXPECT_TRUE(events_of(*stream).empty());
  EXPECT_FALSE(stream->ready());
  const double cancelled_ms = 20 * 120;
  hear(*recognizer, *stream, say("two teas"));
  const auto events = finish(*recognizer, *stream);
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.back().transcript.text, "two teas");
  // The clock of the stream went on.
  EXPECT_NEAR(events.back().transcript.words[0].start_ms, cancelled_ms, 60);
}

TEST(RecognizerStream, SlotsRunOutAndComeBack) {
  const auto models = test::tiny_models({.max_streams = 2});
  const auto recognizer = make_recognizer(models);
  for (int round = 0; round < 5; ++round) {
    auto first = open(*recognizer, whole_turns()), second = open(*recognizer, whole_turns());
    const auto third = recognizer->open(whole_turns());
    EXPECT_EQ(third.status().code(), StatusCode::kExhausted);
    hear(*recognizer, *first, say("give me"));  // goes in the middle of a turn
    first.reset();
    EXPECT_EQ(recognise(*recognizer, say("two teas")).text, "two teas");
  }
  EXPECT_EQ(models->acoustic->num_used(), 0);
  EXPECT_EQ(models->voice->num_used(), 0);
}

TEST(RecognizerStream, AStreamThatOpensHalfwayGivesItsSlotBack) {
  auto models = test::tiny_models({.max_streams = 2});
  models->voice = std::make_unique<test::LoudnessVoice>(0);
  const auto recognizer = make_recognizer(models);
  EXPECT_EQ(recognizer->open(whole_turns()).status().code(), StatusCode::kExhausted);
  EXPECT_EQ(models->acoustic->num_used(), 0);
}

TEST(RecognizerStream, OptionsOutOfRangeAreNamed) {
  const auto recognizer = make_recognizer(test::tiny_models());
  const auto error = [&](auto change) {
    RecognizerOptions options;
    change(options);
    const auto stream = recognizer->open(options);
    EXPECT_EQ(stream.status().code(), StatusCode::kInvalidArgument);
    return stream.status().message();
  };
  EXPECT_NE(error([](auto& o) { o.min_silence_ms = 10; }).find("min_silence_ms is 10"),
            std::string::npos);
  EXPECT_NE(error([](auto& o) { o.max_turn_ms = 1e9; }).find("max_turn_ms"), std::string::npos);
  EXPECT_NE(error([](auto& o) { o.no_speech_ms = -1; }).find("no_speech_ms"), std::string::npos);
  EXPECT_NE(error([](auto& o) { o.num_alternatives = 0; }).find("num_alternatives"),
            std::string::npos);
  EXPECT_NE(error([](auto& o) { o.hotwords = {{"x", 99}}; }).find("'x'"), std::string::npos);
  EXPECT_NE(error([](auto& o) { o.hotwords = {{"4711", 1}}; }).find("4711"), std::string::npos);
}

TEST(RecognizerStream, TooMuchAudioAtOnceIsRefusedWhole) {
  const auto recognizer = make_recognizer(test::tiny_models());
  const auto stream = open(*recognizer, whole_turns());
  ASSERT_TRUE(stream->push(silence(119000)).ok());
  EXPECT_EQ(stream->push(silence(2000)).code(), StatusCode::kExhausted);
  EXPECT_TRUE(stream->push(silence(1000)).ok()) << "nothing was taken of what was refused";
}

}  // namespace
}  // namespace antiphon::asr
