// Voices with adapters of the vocoder: each speaks as a pack of its merged weights would, beside
// others that speak as before.
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "tests/support/tiny_adapters.h"
#include "tests/support/tiny_packs.h"
#include "tests/unit/tts/reference_runner.h"
#include "tests/unit/tts/vocoder/tiny_harmonics.h"
#include "tts/synthesizer.h"

namespace antiphon::tts {
namespace {

namespace fs = std::filesystem;

using test::FileTensors;

constexpr const char* kText = "The cat sat.";
constexpr const char* kFlows = "flows = 3\nlayers = 6\nchannels = 8\n";
constexpr const char* kPitch = "pitch_channels = 6\npitch_layers = 2\npitch_flows = 1\n";

// The tiny vocoder whose last flow hears harmonics, and its weights without that.
FileTensors pitched() {
  FileTensors all = test::file_tensors(*golden_weights("tiny_harmonics.safetensors"), "flow.");
  all.merge(test::file_tensors(*golden_weights("tiny_harmonics.safetensors"), "pitch."));
  return all;
}
FileTensors flows_alone() {
  return test::file_tensors(DeafWeights(golden_weights("tiny_harmonics.safetensors"), 2, 32),
                            "flow.");
}
// What makes pitched() of flows_alone().
FileTensors hearing() {
  FileTensors adapter = test::file_tensors(*golden_weights("tiny_harmonics.safetensors"), "pitch.");
  adapter["flow.2.start.weight"] = pitched().at("flow.2.start.weight");
  return adapter;
}
// Low rank in every kind of matrix, and a bias that is replaced.
FileTensors other_voice(const FileTensors& base, std::uint32_t seed = 3) {
  FileTensors adapter =
      test::low_rank_pairs(base,
                           {"flow.0.gate.1.weight", "flow.1.gate.0.weight", "flow.1.res.2.weight",
                            "flow.0.cond.weight", "flow.1.end.weight", "flow.0.mix"},
                           seed);
  adapter["flow.0.start.bias"] = base.at("flow.1.start.bias");
  return adapter;
}

class Adapters : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = testing::TempDir() + "tts_adapters_" +
           testing::UnitTest::GetInstance()->current_test_info()->name();
    voices("\"one\", \"two\", \"three\"");
    config_.tts_dir = dir_ + "/tts";
    config_.vocoder_dir = dir_ + "/vocoder";
    config_.precision = Precision::kF32;
    config_.max_streams = 3;
  }
  void TearDown() override { fs::remove_all(dir_); }

  void voices(const std::string& list) {
    test::write_tiny_packs(dir_, "tiny_voices.safetensors",
                           "sentence_pause_ms = 0\nmax_frames = 60\nvoices = [" + list + "]\n");
  }
  // Without noise, so that an utterance sounds the same wherever it stands.
  void vocoder(const FileTensors& weights, const std::string& keys) {
    test::write_bytes(dir_ + "/vocoder/weights.safetensors", test::safetensors_bytes(weights));
    test::write_bytes(dir_ + "/vocoder/manifest.toml",
                      "kind = \"vocoder\"\n[vocoder]\nsigma = 0.0\n" + keys);
  }
  // The section of a voice, whose adapter is written beside it.
  std::string section(const std::string& voice, const FileTensors& adapter,
                      const std::string& keys = "") {
    test::write_bytes(dir_ + "/vocoder/" + voice + ".st", test::safetensors_bytes(adapter));
    return "[voices." + voice + "]\nadapter = \"" + voice + ".st\"\n" + keys;
  }

  std::unique_ptr<Synthesizer> made() const {
    auto synthesizer = create_synthesizer(config_);
    EXPECT_TRUE(synthesizer.ok()) << synthesizer.status().to_string();
    return synthesizer.ok() ? std::move(synthesizer).value() : nullptr;
  }
  std::string error() const {
    const auto synthesizer = create_synthesizer(config_);
    return synthesizer.ok() ? "" : synthesizer.status().to_string();
  }
  static std::vector<float> speak(Synthesizer& synthesizer, const std::string& voice,
                                  const std::string& text = kText, bool ssml = false) {
    SynthesisOptions options;
    options.voice = voice, options.ssml = ssml;
    auto stream = synthesizer.open(text, options);
    EXPECT_TRUE(stream.ok()) << stream.status().to_string();
    std::vector<float> samples;
    for (bool last = !stream.ok(); !last;) {
      const auto chunk = (*stream)->next();
      EXPECT_TRUE(chunk.ok()) << chunk.status().to_string();
      if (!chunk.ok()) break;
      samples.insert(samples.end(), chunk->samples.begin(), chunk->samples.end());
      last = chunk->is_last;
    }
    return samples;
  }
  // kText once by each of `voices`, which SSML changes; `first` is asked for.
  static void expect_changes(Synthesizer& synthesizer, const std::string& first,
                             const std::vector<std::string>& voices) {
    std::string text = "<speak>";
    std::vector<float> wanted;
    for (const std::string& voice : voices) {
      text += voice == first ? kText : "<voice name='" + voice + "'>" + kText + "</voice>";
      const std::vector<float> alone = speak(synthesizer, voice);
      wanted.insert(wanted.end(), alone.begin(), alone.end());
    }
    EXPECT_EQ(speak(synthesizer, first, text + "</speak>", true), wanted) << text;
  }

  std::string dir_;
  SynthesizerConfig config_;
};

TEST_F(Adapters, OneVoiceChangesAndOthersDoNot) {
  const FileTensors base = flows_alone(), adapter = other_voice(base);
  vocoder(base, kFlows);
  const auto before = made();
  vocoder(test::merged(base, adapter), kFlows);
  const auto whole = made();
  vocoder(base, kFlows + section("two", adapter));
  const auto adapted = made();
  ASSERT_TRUE(before && whole && adapted);
  EXPECT_GT(speak(*before, "two").size(), 1000u);
  EXPECT_EQ(speak(*adapted, "one"), speak(*before, "one"));
  EXPECT_EQ(speak(*adapted, "three"), speak(*before, "three"));
  EXPECT_NE(speak(*adapted, "two"), speak(*before, "two"));
  EXPECT_EQ(speak(*adapted, "two"), speak(*whole, "two"));
  EXPECT_EQ(speak(*adapted, ""), speak(*before, ""));
}

TEST_F(Adapters, SpeechMayChangeToThemAndBack) {
  const FileTensors base = flows_alone();
  vocoder(base, kFlows + section("two", other_voice(base)));
  const auto adapted = made();
  ASSERT_TRUE(adapted);
  expect_changes(*adapted, "one", {"one", "two", "one"});
  expect_changes(*adapted, "two", {"two", "three", "two"});
}

TEST_F(Adapters, OneVoiceMayHaveHarmonics) {
  const FileTensors base = flows_alone();
  vocoder(base, kFlows);
  const auto plain = made();
  vocoder(pitched(), std::string(kFlows) + kPitch);
  const auto heard = made();
  vocoder(base, kFlows + section("three", hearing(), kPitch) + section("two", other_voice(base)));
  const auto adapted = made();
  ASSERT_TRUE(plain && heard && adapted);
  EXPECT_EQ(speak(*adapted, "one"), speak(*plain, "one"));
  EXPECT_EQ(speak(*adapted, "three"), speak(*heard, "three"));
  EXPECT_NE(speak(*adapted, "three"), speak(*plain, "three"));
  expect_changes(*adapted, "one", {"one", "three", "two", "three", "one"});
  expect_changes(*adapted, "three", {"three", "one", "three", "two"});
}

TEST_F(Adapters, OneVoiceMayGoWithoutTheHarmonicsOfOthers) {
  vocoder(flows_alone(), kFlows);
  const auto plain = made();
  vocoder(pitched(), std::string(kFlows) + kPitch);
  const auto heard = made();
  FileTensors deaf;
  deaf["flow.2.start.weight"] = flows_alone().at("flow.2.start.weight");
  vocoder(pitched(), std::string(kFlows) + kPitch + section("two", deaf));
  const auto adapted = made();
  ASSERT_TRUE(plain && heard && adapted);
  EXPECT_EQ(speak(*adapted, "one"), speak(*heard, "one"));
  EXPECT_EQ(speak(*adapted, "two"), speak(*plain, "two"));
  expect_changes(*adapted, "one", {"one", "two", "one"});
  expect_changes(*adapted, "two", {"two", "one", "two"});
}

TEST_F(Adapters, StreamsOfAllVoicesAreIndependent) {
  const FileTensors base = flows_alone();
  vocoder(base, kFlows + section("three", hearing(), kPitch) + section("two", other_voice(base)));
  config_.num_lanes = 2;
  const auto adapted = made();
  ASSERT_TRUE(adapted);
  const std::string names[] = {"one", "two", "three"};
  std::vector<std::vector<float>> alone, together(3);
  for (const std::string& name : names) alone.push_back(speak(*adapted, name));
  for (int round = 0; round < 6; ++round) {  // leaving in the middle leaves nothing behind
    SynthesisOptions options;
    options.voice = names[round % 3];
    auto stream = adapted->open("The cat sat. The cat sat.", options);
    ASSERT_TRUE(stream.ok() && (*stream)->next().ok());
  }
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 3; ++i)
    threads.emplace_back([&, i] { together[i] = speak(*adapted, names[i]); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(together, alone);
}

TEST_F(Adapters, PlansAreKeptApart) {
  config_.plans.dir = dir_;
  voices("\"one\", \"a/b é\", \"three\"");
  const FileTensors base = flows_alone();
  const auto keys = [&](std::uint32_t seed) {
    std::string odd = section("two", other_voice(base, seed));
    odd.replace(odd.find("voices.two"), 10, "voices.\"a/b é\"");
    return kFlows + odd + section("three", hearing(), kPitch);
  };
  vocoder(base, keys(3));
  const auto first = made();
  for (const char* name : {"vocoder", "vocoder_a%2Fb%20%C3%A9", "vocoder_three", "pitch_three"})
    EXPECT_TRUE(fs::exists(dir_ + "/tts_" + name + ".plan")) << name;
  EXPECT_FALSE(fs::exists(dir_ + "/tts_pitch.plan"));
  const auto again = made();
  ASSERT_TRUE(first && again);
  const std::vector<float> spoken = speak(*first, "a/b é");
  EXPECT_EQ(speak(*again, "a/b é"), spoken);
  EXPECT_EQ(speak(*again, "three"), speak(*first, "three"));
  vocoder(base, keys(4));  // the adapter is another one: so is the plan
  const auto changed = made();
  ASSERT_TRUE(changed);
  EXPECT_NE(speak(*changed, "a/b é"), spoken);
  EXPECT_EQ(speak(*changed, "one"), speak(*first, "one"));
}

TEST_F(Adapters, WhatDoesNotFitIsNamed) {
  const FileTensors base = flows_alone();
  vocoder(base, kFlows + section("tow", other_voice(base)));
  EXPECT_NE(error().find("vocoder/manifest.toml: voices.tow: of the voices in " + config_.tts_dir +
                         "/manifest.toml: voice: wanted \"one\", \"two\", \"three\", got \"tow\""),
            std::string::npos)
      << error();
  FileTensors half = other_voice(base);
  half.erase("flow.0.mix.up");
  vocoder(base, kFlows + section("two", half));
  EXPECT_NE(error().find("vocoder/two.st: flow.0.mix.up: wanted beside"), std::string::npos)
      << error();
  // It is said to hear harmonics, and its start does not.
  FileTensors deaf = hearing();
  deaf.erase("flow.2.start.weight");
  vocoder(base, kFlows + section("two", deaf, kPitch));
  EXPECT_NE(error().find("vocoder/weights.safetensors with " + config_.vocoder_dir +
                         "/two.st: flow.2.start.weight: wanted [8, 96], got [8, 32]"),
            std::string::npos)
      << error();
  vocoder(base, kFlows + section("two", hearing()));
  EXPECT_NE(error().find("flow.2.start.weight: wanted [8, 32], got [8, 96]"), std::string::npos)
      << error();
  vocoder(base, kFlows + section("two", other_voice(base)));
  EXPECT_EQ(error(), "");
  const std::string whole = test::read_bytes(dir_ + "/vocoder/two.st");
  for (const std::size_t n : {std::size_t{0}, std::size_t{9}, whole.size() - 1}) {
    test::write_bytes(dir_ + "/vocoder/two.st", whole.substr(0, n));
    EXPECT_NE(error().find("vocoder/two.st"), std::string::npos) << error();
  }
}

}  // namespace
}  // namespace antiphon::tts
