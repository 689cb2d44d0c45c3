// A whole request through tiny networks: chunks, word times, pauses, speed, errors.
#include "tts/stream/speech_stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "tests/unit/tts/reference_runner.h"
#include "tests/unit/tts/vocoder/tiny_harmonics.h"
#include "tts/text/normalise.h"
#include "tts/text/ssml.h"
#include "tts/vocoder/pitch_network.h"

namespace antiphon::tts {
namespace {

class FailingRunner final : public NetRunner {
 public:
  Result<void*> input(std::string_view, std::span<const std::int64_t>) override {
    return internal_error("broken");
  }
  Status run(int) override { return internal_error("broken"); }
  Result<std::span<const float>> output(std::string_view) override {
    return internal_error("broken");
  }
};

class ReferenceSource final : public RunnerSource {
 public:
  ReferenceSource(const Weights& tacotron, const Weights& vocoder_weights, const VoiceData& voice)
      : encoder(encoder_network(tacotron, voice.geometry)),
        decoder(decoder_network(tacotron, voice.geometry, voice.tts.decoder)),
        postnet(postnet_network(tacotron, voice.geometry)),
        vocoder(vocoder_network(vocoder_weights, voice.vocoder.network)),
        runners{&encoder, &decoder, &postnet, nullptr, {{&vocoder}}} {
    if (!voice.vocoder.network.has_pitch()) return;
    pitch.emplace(pitch_network(vocoder_weights, voice.vocoder.network));
    runners.vocoders[0].pitch = &*pitch;
  }
  Runners& take() override { return ++num_lent, runners; }
  void give(Runners&) override { --num_lent; }
  void reset(int slot) override {
    postnet.reset(slot);
    vocoder.reset(slot);
    if (pitch) pitch->reset(slot);
  }
  void release(int) override { ++num_released; }

  ReferenceRunner encoder, decoder, postnet, vocoder;
  std::optional<ReferenceRunner> pitch;
  Runners runners;
  int num_lent = 0, num_released = 0;
};

struct Spoken {
  std::vector<float> samples;
  std::vector<WordTiming> words;
  std::vector<std::size_t> chunks;
};

class Stream : public testing::Test {
 protected:
  void SetUp() override {
    tacotron_ = golden_weights("tiny_tacotron.safetensors");
    vocoder_ = golden_weights("tiny_vocoder.safetensors");
    ASSERT_TRUE(tacotron_ && vocoder_);
    voice_.tts.symbols = U"^$ kætsðə.d";
    voice_.tts.guard.max_frames = 60;
    voice_.tts.guard.stall_frames = 1;
    voice_.tts.guard.stall_factor = 1;
    voice_.vocoder.sigma = 0.1f;
    voice_.vocoder.network.flows = 2, voice_.vocoder.network.layers = 5,
    voice_.vocoder.network.channels = 8;
    voice_.geometry = *read_geometry(*tacotron_);
    voice_.lexicon =
        *Lexicon::parse("a.\tæ\ncat\tkæt\nsat\tsæt\nthe\tðə\nthe(c)\tðə\nten\ttæd\n", "test");
  }

  // A vocoder that has a pitch network, in use or not.
  void pitched_vocoder(bool used) {
    vocoder_ = golden_weights("tiny_harmonics.safetensors");
    if (!used) vocoder_ = std::make_shared<DeafWeights>(vocoder_, 2, 32);
    voice_.vocoder.network = used ? tiny_harmonics() : tiny_flows_alone();
  }

  std::unique_ptr<SpeechStream> open(const std::string& text, float speed = 1, bool ssml = false) {
    auto shared = std::make_shared<VoiceData>(voice_);
    source_ = std::make_shared<ReferenceSource>(*tacotron_, *vocoder_, *shared);
    auto speech = ssml ? parse_ssml(text) : normalise(text);
    EXPECT_TRUE(speech.ok()) << speech.status().to_string();
    return std::make_unique<SpeechStream>(shared, source_, 0, text, *speech, speed);
  }

  Spoken speak(const std::string& text, float speed = 1, bool ssml = false) {
    const auto stream = open(text, speed, ssml);
    Spoken spoken;
    for (bool last = false; !last;) {
      auto chunk = stream->next();
      EXPECT_TRUE(chunk.ok()) << chunk.status().to_string();
      if (!chunk.ok()) break;
      EXPECT_EQ(chunk->start_sample, static_cast<std::int64_t>(spoken.samples.size()));
      EXPECT_TRUE(chunk->is_last || !chunk->samples.empty());
      spoken.samples.insert(spoken.samples.end(), chunk->samples.begin(), chunk->samples.end());
      spoken.chunks.push_back(chunk->samples.size());
      for (auto& word : chunk->words) spoken.words.push_back(std::move(word));
      last = chunk->is_last;
    }
    EXPECT_EQ(stream->next().status().code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(source_->num_lent, 0);
    return spoken;
  }

  std::shared_ptr<const Weights> tacotron_, vocoder_;
  VoiceData voice_;
  std::shared_ptr<ReferenceSource> source_;
};

TEST_F(Stream, SpeaksInChunks) {
  const Spoken spoken = speak("The cat sat. The cat sat.");
  EXPECT_GT(spoken.chunks.size(), 1u);
  EXPECT_GE(spoken.chunks[0], 20u * 256);
  EXPECT_LE(spoken.chunks[0], 60u * 256);
  for (const float x : spoken.samples) ASSERT_TRUE(std::abs(x) <= 1.0f);
}

TEST_F(Stream, ChunkSizesDoNotChangeTheAudio) {
  const Spoken usual = speak("The cat sat.");
  voice_.first_vocoder_frames = 7, voice_.vocoder_frames = 5;
  voice_.tts.decoder.block_frames = 11;
  const Spoken other = speak("The cat sat.");
  expect_near(other.samples, usual.samples, 1e-6,
              "audio");  // the interpreter's doubles, kept as f32 between blocks
}

TEST_F(Stream, HarmonicsCostNoTime) {
  voice_.tts.decoder.alignment = Alignment::kDurations;
  voice_.tts.guard.max_frames = 600;
  pitched_vocoder(false);
  const Spoken plain = speak("The cat sat. The cat.");
  pitched_vocoder(true);
  const Spoken pitched = speak("The cat sat. The cat.");
  EXPECT_EQ(pitched.chunks, plain.chunks);
  ASSERT_EQ(pitched.samples.size(), plain.samples.size());
  double most = 0;
  for (std::size_t i = 0; i < plain.samples.size(); ++i)
    most = std::max(most, std::abs(double{pitched.samples[i]} - plain.samples[i]));
  EXPECT_GT(most, 1e-3);
  voice_.first_vocoder_frames = 7, voice_.vocoder_frames = 5;
  voice_.tts.decoder.block_frames = 11;
  // Of the interpreter's doubles f32 is kept between blocks: frames' pitch is then 1e-7 octaves
  // off, after 5 s a multiple at 5 kHz is 0.01 radians off, and this mel's are about 0.003 loud.
  expect_near(speak("The cat sat. The cat.").samples, pitched.samples, 3e-5, "audio");
}

TEST_F(Stream, EveryUtteranceBeginsItsHarmonicsAnew) {
  pitched_vocoder(true);
  voice_.vocoder.sigma = 0;
  voice_.tts.decoder.dropout = false;
  voice_.tts.sentence_pause_ms = 0;
  const std::vector<float> once = speak("The cat sat.").samples;
  std::vector<float> thrice = speak("The cat sat. The cat sat. The cat sat.").samples;
  ASSERT_EQ(thrice.size(), 3 * once.size());
  for (std::size_t i = 0; i < thrice.size(); ++i)
    ASSERT_EQ(thrice[i], once[i % once.size()]) << "at " << i;
}

TEST_F(Stream, SameTextSameSamples) {
  EXPECT_EQ(speak("the cat").samples, speak("the cat").samples);
}

TEST_F(Stream, WordTimesNameTheUsersWords) {
  const Spoken spoken = speak("The cat sat. 10 cat!");
  std::vector<std::string> words;
  double before = 0;
  const double total_ms = static_cast<double>(spoken.samples.size()) * 1000 / 22050;
  for (const WordTiming& w : spoken.words) {
    words.push_back(w.word);
    EXPECT_LE(before, w.start_ms + 1e-9);
    EXPECT_LE(w.start_ms, w.end_ms);
    EXPECT_LE(w.end_ms, total_ms + 1);
    before = w.end_ms;
  }
  EXPECT_EQ(words, (std::vector<std::string>{"The", "cat", "sat", "10", "cat"}));
}

TEST_F(Stream, DurationsInPlaceOfAttention) {
  voice_.tts.decoder.alignment = Alignment::kDurations;
  voice_.tts.guard.max_frames = 600;
  const Spoken spoken = speak("The cat sat.");
  ASSERT_EQ(spoken.words.size(), 3u);
  EXPECT_GT(spoken.words[2].start_ms, spoken.words[1].start_ms);
  EXPECT_GT(spoken.samples.size(),
            100u * 256);  // the tiny network predicts some 30 frames a symbol
}

TEST_F(Stream, NothingToSayIsOneEmptyLastChunk) {
  for (const char* text : {"", "  ", "😀", "...", "日本語"}) {
    const auto stream = open(text);
    const auto chunk = stream->next();
    ASSERT_TRUE(chunk.ok());
    EXPECT_TRUE(chunk->is_last);
    EXPECT_TRUE(chunk->samples.empty());
    EXPECT_FALSE(stream->next().ok());
  }
}

TEST_F(Stream, WordsWithoutKnownSoundsAreSilent) { EXPECT_TRUE(speak("qqq").samples.empty()); }

TEST_F(Stream, SpeedAndPauses) {
  const auto usual = speak("the cat").samples.size();
  EXPECT_NEAR(static_cast<double>(speak("the cat", 2.0f).samples.size()),
              static_cast<double>(usual) / 2, 2 * 256);
  EXPECT_NEAR(static_cast<double>(speak("the cat", 0.5f).samples.size()),
              static_cast<double>(usual) * 2, 2 * 256);
  const Spoken paused = speak("<speak>the cat<break time='1s'/></speak>", 1, true);
  EXPECT_GE(paused.samples.size(), 22050u);
  EXPECT_EQ(std::count(paused.samples.end() - 22050, paused.samples.end(), 0.0f), 22050);
  const Spoken lead = speak("<speak><break time='100ms'/>the cat</speak>", 1, true);
  EXPECT_EQ(std::count(lead.samples.begin(), lead.samples.begin() + 2205, 0.0f), 2205);
  ASSERT_FALSE(lead.words.empty());
  EXPECT_GE(lead.words[0].start_ms, 100);
}

TEST_F(Stream, ErrorsEndTheStreamAndGiveBackWhatItHeld) {
  FailingRunner broken;
  pitched_vocoder(true);
  for (int k = 0; k < 5; ++k) {
    auto stream = open("the cat");
    NetRunner** nets[] = {&source_->runners.encoder, &source_->runners.decoder,
                          &source_->runners.postnet, &source_->runners.vocoders[0].flows,
                          &source_->runners.vocoders[0].pitch};
    *nets[k] = &broken;
    EXPECT_EQ(stream->next().status().code(), StatusCode::kInternal);
    EXPECT_EQ(stream->next().status().code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(source_->num_lent, 0);
    stream.reset();
    EXPECT_EQ(source_->num_released, 1);
  }
}

TEST_F(Stream, LeavingInTheMiddleGivesTheSlotBack) {
  auto stream = open("The cat sat. The cat sat. The cat sat.");
  ASSERT_TRUE(stream->next().ok());
  stream.reset();
  EXPECT_EQ(source_->num_released, 1);
}

}  // namespace
}  // namespace antiphon::tts
