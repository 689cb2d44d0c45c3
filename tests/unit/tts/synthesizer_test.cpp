// The stage through the engine, on packs of tiny networks: equal to the reference, limits, bad
// packs.
#include "tts/synthesizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <optional>
#include <thread>

#include "tests/support/tiny_packs.h"
#include "tests/unit/tts/reference_runner.h"
#include "tts/stream/speech_stream.h"
#include "tts/text/normalise.h"
#include "tts/vocoder/pitch_network.h"

namespace antiphon::tts {
namespace {

namespace fs = std::filesystem;

using test::read_bytes;

class SynthesizerTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = testing::TempDir() + "tts_packs_" +
           testing::UnitTest::GetInstance()->current_test_info()->name();
    test::write_tiny_packs(
        dir_, "tiny_tacotron.safetensors",
        "voice = \"tiny\"\nstall_factor = 1.0\nstall_frames = 1.0\nmax_frames = 60\n");
    config_.tts_dir = dir_ + "/tts";
    config_.vocoder_dir = dir_ + "/vocoder";
    config_.precision = Precision::kF32;
    config_.max_streams = 3;
  }
  void TearDown() override { fs::remove_all(dir_); }

  void write(const std::string& name, const std::string& bytes) {
    test::write_bytes(dir_ + "/" + name, bytes);
  }

  // A vocoder of three flows that has a pitch network, of which the last hears harmonics; unused:
  // its two other flows alone.
  void pitched_vocoder(bool used, int pitch_layers = 2, int pitch_flows = 1) {
    write("vocoder/weights.safetensors",
          read_bytes(ANTIPHON_SOURCE_DIR "/tests/golden/tts/tiny_harmonics.safetensors"));
    const std::string keys =
        "flows = 3\npitch_channels = 6\npitch_layers = " + std::to_string(pitch_layers) +
        "\npitch_flows = " + std::to_string(pitch_flows) + "\n";
    write("vocoder/manifest.toml",
          "kind = \"vocoder\"\n[vocoder]\nlayers = 6\nchannels = 8\nsigma = 0.1\n" +
              (used ? keys : "flows = 2\n"));
  }

  static std::vector<float> speak(Synthesizer& synthesizer, std::string_view text,
                                  const SynthesisOptions& options = {}) {
    auto stream = synthesizer.open(text, options);
    EXPECT_TRUE(stream.ok()) << stream.status().to_string();
    return stream.ok() ? drain(**stream) : std::vector<float>();
  }
  static std::vector<float> drain(SynthesisStream& stream) {
    std::vector<float> samples;
    for (bool last = false; !last;) {
      const auto chunk = stream.next();
      EXPECT_TRUE(chunk.ok()) << chunk.status().to_string();
      if (!chunk.ok()) break;
      samples.insert(samples.end(), chunk->samples.begin(), chunk->samples.end());
      last = chunk->is_last;
    }
    return samples;
  }
  // Streams that speak in turn, and on threads of their own, do as each would alone.
  void expect_independent() {
    auto synthesizer = create_synthesizer(config_);
    ASSERT_TRUE(synthesizer.ok()) << synthesizer.status().to_string();
    const std::vector<float> alone = speak(**synthesizer, "The cat sat.");
    auto a = (*synthesizer)->open("The cat sat.", {}).value();
    auto b = (*synthesizer)->open("cat sat the cat", {}).value();
    std::vector<float> interleaved;
    for (bool last = false; !last;) {
      (void)b->next();
      const auto chunk = a->next();
      ASSERT_TRUE(chunk.ok());
      interleaved.insert(interleaved.end(), chunk->samples.begin(), chunk->samples.end());
      last = chunk->is_last;
    }
    EXPECT_EQ(interleaved, alone);
    std::vector<std::vector<float>> spoken(3);
    std::vector<std::thread> threads;
    a.reset(), b.reset();
    for (auto& samples : spoken)
      threads.emplace_back([&] { samples = speak(**synthesizer, "The cat sat."); });
    for (auto& thread : threads) thread.join();
    for (const auto& samples : spoken) EXPECT_EQ(samples, alone);
  }
  std::string error() {
    const auto made = create_synthesizer(config_);
    return made.ok() ? "" : made.status().to_string();
  }

  std::string dir_;
  SynthesizerConfig config_;
};

// The networks of the packs over the interpreter, in the same chain.
class ReferenceSource final : public RunnerSource {
 public:
  ReferenceSource(const Weights& tacotron, const Weights& vocoder, const VoiceData& voice)
      : encoder_(encoder_network(tacotron, voice.geometry)),
        decoder_(decoder_network(tacotron, voice.geometry, voice.tts.decoder)),
        postnet_(postnet_network(tacotron, voice.geometry)),
        vocoder_(vocoder_network(vocoder, voice.vocoder.network)),
        runners_{&encoder_, &decoder_, &postnet_, nullptr, {{&vocoder_}}} {
    if (!voice.vocoder.network.has_pitch()) return;
    pitch_.emplace(pitch_network(vocoder, voice.vocoder.network));
    runners_.vocoders[0].pitch = &*pitch_;
  }
  Runners& take() override { return runners_; }
  void give(Runners&) override {}
  void reset(int) override {}
  void release(int) override {}

 private:
  ReferenceRunner encoder_, decoder_, postnet_, vocoder_;
  std::optional<ReferenceRunner> pitch_;
  Runners runners_;
};

TEST_F(SynthesizerTest, EngineEqualsTheReference) {
  for (const bool pitched : {false, true}) {
    if (pitched) pitched_vocoder(true);
    auto synthesizer = create_synthesizer(config_);
    ASSERT_TRUE(synthesizer.ok()) << synthesizer.status().to_string();
    EXPECT_EQ((*synthesizer)->rate_hz(), 22050);
    const std::vector<float> got = speak(**synthesizer, "The cat sat.");
    auto voice = std::make_shared<VoiceData>();
    voice->tts = *read_tts_manifest(config_.tts_dir);
    voice->vocoder = *read_vocoder_manifest(config_.vocoder_dir);
    voice->lexicon = *Lexicon::load(voice->tts.lexicon_path);
    const auto weights = golden_weights("tiny_tacotron.safetensors");
    const auto vocoder =
        golden_weights(pitched ? "tiny_harmonics.safetensors" : "tiny_vocoder.safetensors");
    voice->geometry = *read_geometry(*weights);
    SpeechStream reference(voice, std::make_shared<ReferenceSource>(*weights, *vocoder, *voice), 0,
                           "The cat sat.", *normalise("The cat sat."), 1);
    const std::vector<float> want = drain(reference);
    // f32 against double over 60 recurrent frames and the flows' exponentials.
    expect_near(got, want, 2e-3, pitched ? "audio with harmonics" : "audio");
  }
}

TEST_F(SynthesizerTest, StreamsAreIndependent) {
  config_.num_lanes = 2;
  expect_independent();
  pitched_vocoder(true);
  expect_independent();
}

TEST_F(SynthesizerTest, HarmonicsJoinTheAudio) {
  const std::string text = "The cat sat. The cat.";
  pitched_vocoder(false);
  const auto plain = create_synthesizer(config_);
  ASSERT_TRUE(plain.ok()) << plain.status().to_string();
  pitched_vocoder(true);
  config_.plans.dir = dir_;
  const auto made = create_synthesizer(config_);
  ASSERT_TRUE(made.ok()) << made.status().to_string();
  EXPECT_TRUE(fs::exists(dir_ + "/tts_pitch.plan"));
  const std::vector<float> pitched = speak(**made, text), without = speak(**plain, text);
  EXPECT_EQ(pitched.size(), without.size());
  EXPECT_NE(pitched, without);
  EXPECT_EQ(speak(**made, text), pitched);
  for (int round = 0; round < 10; ++round) {  // leaving in the middle leaves nothing behind
    auto stream = (*made)->open(text, {}).value();
    ASSERT_TRUE(stream->next().ok());
  }
  EXPECT_EQ(speak(**made, text), pitched);
  const auto again = create_synthesizer(config_);
  ASSERT_TRUE(again.ok()) << again.status().to_string();
  EXPECT_EQ(speak(**again, text), pitched);
  pitched_vocoder(true, 3);  // and a frame for harmonics: longer than two flows' 12 groups
  EXPECT_NE(error().find("vocoder/manifest.toml"), std::string::npos) << error();
  EXPECT_NE(error().find("vocoder.pitch_layers"), std::string::npos) << error();
  pitched_vocoder(true, 2, 0);
  EXPECT_NE(error().find("flow.2.start.weight: wanted [8, 32], got [8, 96]"), std::string::npos)
      << error();
  write("vocoder/weights.safetensors",
        read_bytes(ANTIPHON_SOURCE_DIR "/tests/golden/tts/tiny_vocoder.safetensors"));
  write("vocoder/manifest.toml",
        "kind = \"vocoder\"\n[vocoder]\nflows = 2\nlayers = 5\nchannels = 8\n"
        "pitch_channels = 6\npitch_layers = 1\n");
  EXPECT_NE(error().find("vocoder/weights.safetensors"), std::string::npos) << error();
  EXPECT_NE(error().find("pitch.start.weight"), std::string::npos) << error();
}

TEST_F(SynthesizerTest, SlotsRunOutAndComeBack) {
  auto synthesizer = create_synthesizer(config_);
  ASSERT_TRUE(synthesizer.ok());
  std::vector<std::unique_ptr<SynthesisStream>> streams;
  for (int i = 0; i < 3; ++i) streams.push_back((*synthesizer)->open("the cat", {}).value());
  EXPECT_EQ((*synthesizer)->open("the cat", {}).status().code(), StatusCode::kExhausted);
  ASSERT_TRUE(streams[1]->next().ok());
  for (int round = 0; round < 50; ++round) {  // leaving in the middle leaves nothing behind
    streams[1].reset();
    streams[1] = (*synthesizer)->open("the cat sat", {}).value();
    if (round % 2) (void)streams[1]->next();
  }
  // A stream outlives the synthesiser.
  synthesizer->reset();
  EXPECT_FALSE(drain(*streams[0]).empty());
}

TEST_F(SynthesizerTest, EachStreamHasTheVoiceThatItAskedFor) {
  const auto manifest = [&](const std::string& voices) {
    write("tts/manifest.toml",
          "kind = \"tts\"\n[tts]\nsymbols = \"^$ kætsðə.d\"\nmax_frames = 60\nvoices = [" + voices +
              "]\n");
  };
  manifest("\"one\", \"two\", \"three\"");
  EXPECT_NE(error().find("tts/manifest.toml: tts.voices: wanted 1 name ("), std::string::npos)
      << error();
  EXPECT_NE(error().find("has no speaker.embedding.weight), got 3"), std::string::npos) << error();
  write("tts/weights.safetensors",
        read_bytes(ANTIPHON_SOURCE_DIR "/tests/golden/tts/tiny_voices.safetensors"));
  auto made = create_synthesizer(config_);
  ASSERT_TRUE(made.ok()) << made.status().to_string();
  EXPECT_EQ((*made)->voices(), (std::vector<std::string>{"one", "two", "three"}));
  const auto by = [&](const char* voice) {
    SynthesisOptions options;
    options.voice = voice;
    return speak(**made, "The cat sat.", options);
  };
  const std::vector<float> one = by("one"), two = by("two");
  EXPECT_EQ(by(""), one);
  EXPECT_NE(two, one);
  EXPECT_NE(by("three"), two);
  EXPECT_EQ(by("two"), two);  // whoever spoke before
  SynthesisOptions marked;
  marked.ssml = true;
  EXPECT_EQ(speak(**made, "<speak><voice name='two'>The cat sat.</voice></speak>", marked), two);
  const std::vector<float> both =
      speak(**made, "<speak>The cat sat. <voice name='two'>The cat sat.</voice></speak>", marked);
  ASSERT_GT(both.size(), one.size());
  EXPECT_TRUE(std::equal(one.begin(), one.end(), both.begin()));
  EXPECT_NE(both, speak(**made, "The cat sat. The cat sat."));
  marked.voice = "two";
  EXPECT_EQ(speak(**made, "<speak>The cat sat.</speak>", marked), two);
  SynthesisOptions nobody;
  nobody.voice = "four";
  EXPECT_NE(
      (*made)->open("x", nobody).status().message().find("wanted \"one\", \"two\", \"three\""),
      std::string::npos);
  manifest("\"one\", \"two\"");
  EXPECT_NE(error().find("tts/manifest.toml: tts.voices: wanted 3 names (one for each row of "),
            std::string::npos)
      << error();
  EXPECT_NE(error().find("weights.safetensors), got 2"), std::string::npos) << error();
}

TEST_F(SynthesizerTest, BadRequestsAreNamed) {
  auto made = create_synthesizer(config_);
  ASSERT_TRUE(made.ok());
  Synthesizer& s = **made;
  const auto with = [](const char* voice, float speed, bool ssml) {
    SynthesisOptions options;
    options.voice = voice, options.speed = speed, options.ssml = ssml;
    return options;
  };
  const auto message = [&](std::string_view text, const SynthesisOptions& options) {
    const auto stream = s.open(text, options);
    EXPECT_EQ(stream.status().code(), StatusCode::kInvalidArgument);
    return stream.status().message();
  };
  EXPECT_NE(message("x", with("nobody", 1, false)).find("got \"nobody\""), std::string::npos);
  EXPECT_NE(message("x", with("", 3, false)).find("0.5 to 2"), std::string::npos);
  EXPECT_NE(message("x", with("", NAN, false)).find("speed"), std::string::npos);
  EXPECT_NE(message("\xff", {}).find("UTF-8"), std::string::npos);
  EXPECT_NE(message(std::string(20001, 'a'), {}).find("20000"), std::string::npos);
  EXPECT_NE(message("no tags", with("", 1, true)).find("<speak>"), std::string::npos);
  EXPECT_TRUE(speak(s, "").empty());
}

// What every answer keeps, whatever the text was. Returns the words whose times were given.
std::vector<std::string> checked_words(Synthesizer& synthesizer, const std::string& text) {
  auto stream = synthesizer.open(text, {});
  EXPECT_TRUE(stream.ok()) << stream.status().to_string();
  std::vector<std::string> words;
  std::int64_t samples = 0;
  double before_ms = 0;
  for (bool last = false; stream.ok() && !last;) {
    const auto chunk = (*stream)->next();
    EXPECT_TRUE(chunk.ok()) << chunk.status().to_string();
    if (!chunk.ok()) break;
    last = chunk->is_last;
    EXPECT_EQ(chunk->start_sample, samples);
    EXPECT_TRUE(last || !chunk->samples.empty());
    samples += static_cast<std::int64_t>(chunk->samples.size());
    for (const float x : chunk->samples)
      if (!(std::abs(x) <= 1)) ADD_FAILURE() << "sample " << x;
    for (const WordTiming& w : chunk->words) {
      EXPECT_LE(before_ms, w.start_ms + 1e-9) << w.word;
      EXPECT_LE(w.start_ms, w.end_ms) << w.word;
      EXPECT_NE(text.find(w.word), std::string::npos) << w.word;
      before_ms = w.end_ms;
      words.push_back(w.word);
    }
  }
  EXPECT_LE(before_ms, static_cast<double>(samples) / 22.05 + 1);
  return words;
}

TEST_F(SynthesizerTest, AwkwardTextsAreSpokenOrSilent) {
  auto made = create_synthesizer(config_);
  ASSERT_TRUE(made.ok());
  using Words = std::vector<std::string>;
  const std::string nul("the\0 cat", 8);
  const std::pair<std::string, Words> cases[] = {
      {"", {}},
      {" \t\n ", {}},
      {"😀", {}},
      {"👩‍👩‍👧‍👦🇩🇪", {}},
      {"The 😀 cat ❤️ sat.", {"The", "cat", "sat"}},
      {nul, {"the", "cat"}},
      {"the\x01\x02 cat\x7f\x1b", {"the", "cat"}},
      {"the\u200b cat\ufeff", {"the", "cat"}},
      {"\u202ethe cat\u202c", {"the", "cat"}},
      {"日本語 the cat Привет שלום العربية ไทย", {"the", "cat"}},
      {"the zzxqv cat", {"the", "cat"}},  // no sound that this pack knows
      {"...!!!---...", {}},
      {std::string(300, 'q'), {}},
  };
  for (const auto& [text, words] : cases) EXPECT_EQ(checked_words(**made, text), words) << text;
}

TEST_F(SynthesizerTest, TwentyThousandBytesAreSpokenToTheEnd) {
  write(
      "tts/manifest.toml",
      "kind = \"tts\"\n[tts]\nsymbols = \"^$ kætsðə.d\"\nvoices = [\"tiny\"]\nstall_factor = 1.0\n"
      "stall_frames = 1.0\nmax_frames = 12\nsentence_pause_ms = 0\n");
  auto made = create_synthesizer(config_);
  ASSERT_TRUE(made.ok());
  const std::string sentence = "The cat sat. ";
  std::string text;
  while (text.size() + sentence.size() <= 20000) text += sentence;
  text.append(20000 - text.size(), ' ');
  EXPECT_EQ(checked_words(**made, text).size(), 3 * (text.size() / sentence.size()));
  // One word without an end: its beginning is spoken, and nothing runs away.
  EXPECT_LE(checked_words(**made, std::string(20000, 'a')).size(), 1u);
}

TEST_F(SynthesizerTest, PlansAreKeptAndLoadedAgain) {
  config_.plans.dir = dir_;
  const auto first = create_synthesizer(config_);
  ASSERT_TRUE(first.ok()) << first.status().to_string();
  EXPECT_TRUE(fs::exists(dir_ + "/tts_vocoder.plan"));
  const auto again = create_synthesizer(config_);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(speak(**first, "the cat"), speak(**again, "the cat"));
  write("tts_vocoder.plan", read_bytes(dir_ + "/tts_vocoder.plan").substr(0, 1000));
  EXPECT_EQ(error(), "");  // a cut plan is built anew
}

TEST_F(SynthesizerTest, BrokenPacksAreNamed) {
  for (const std::string name :
       {"tts/weights.safetensors", "tts/lexicon.tsv.zst", "tts/manifest.toml",
        "vocoder/weights.safetensors", "vocoder/manifest.toml"}) {
    const std::string whole = read_bytes(dir_ + "/" + name);
    for (const std::size_t n : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{9},
                                whole.size() / 2, whole.size() - 1}) {
      if (name.ends_with("toml") && n + 1 == whole.size()) continue;  // its last line break
      write(name, whole.substr(0, n));
      const std::string got = error();
      EXPECT_NE(got.find(name), std::string::npos) << name << " cut to " << n << ": " << got;
    }
    fs::remove(dir_ + "/" + name);
    EXPECT_NE(error().find(name), std::string::npos) << error();
    write(name, whole);
  }
  EXPECT_EQ(error(), "");
  write("tts/manifest.toml", "kind = \"tts\"\n[tts]\nsymbols = \"^$ kæt\"\n");
  EXPECT_NE(error().find("embedding.weight"), std::string::npos) << error();
}

}  // namespace
}  // namespace antiphon::tts
