// A pack of three voices behind a real socket: each session is spoken to in the one it asked for.
#include "server/audio_codec.h"
#include "tests/support/server_rig.h"
#include "tests/support/tiny_packs.h"
#include "tts/synthesizer.h"

namespace antiphon {
namespace {

using nlohmann::json;

constexpr const char* kText = "The cat sat.";

class Voices : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = testing::TempDir() + "antiphon_voices_test";
    test::write_tiny_packs(dir_, "tiny_voices.safetensors",
                           "voices = [\"one\", \"two\", \"three\"]\nmax_frames = 60\n");
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::unique_ptr<Synthesizer> synthesizer() const {
    tts::SynthesizerConfig config;
    config.tts_dir = dir_ + "/tts";
    config.vocoder_dir = dir_ + "/vocoder";
    auto made = tts::create_synthesizer(config);
    EXPECT_TRUE(made.ok()) << made.status().to_string();
    return made.ok() ? std::move(made).value() : nullptr;
  }
  // kText without a server.
  static std::string pcm16_of(Synthesizer& synthesizer, const std::string& voice) {
    SynthesisOptions options;
    options.voice = voice;
    auto stream = synthesizer.open(kText, options);
    EXPECT_TRUE(stream.ok()) << stream.status().to_string();
    std::string audio;
    for (bool last = !stream.ok(); !last;) {
      const auto chunk = (*stream)->next();
      EXPECT_TRUE(chunk.ok()) << chunk.status().to_string();
      if (!chunk.ok()) break;
      audio += server::encode_pcm16(chunk->samples);
      last = chunk->is_last;
    }
    return audio;
  }

  std::string dir_;
};

TEST_F(Voices, EachSessionHasItsOwn) {
  const auto direct = synthesizer();
  ASSERT_TRUE(direct);
  test::ServerRig rig({}, synthesizer());
  test::WsTestClient first, second;
  const auto start = [&](test::WsTestClient& client, json message) {
    message["type"] = "start";
    ASSERT_EQ(client.open(rig.port()), 101);
    client.send_json(message);
    EXPECT_EQ(client.until("ready").back()["voices"], json({"one", "two", "three"}));
  };
  start(first, json::object());
  start(second, {{"voice", "two"}});
  for (test::WsTestClient* client : {&first, &second})  // both at once
    client->send_json({{"type", "speak"}, {"text", kText}});
  for (test::WsTestClient* client : {&first, &second})
    EXPECT_EQ(client->until("turn_end").back()["reason"], "done");
  const std::string one = pcm16_of(*direct, "one"), two = pcm16_of(*direct, "two");
  EXPECT_GT(one.size(), 1000u);
  EXPECT_NE(one, two);
  EXPECT_TRUE(first.audio == one);
  EXPECT_TRUE(second.audio == two);
}

}  // namespace
}  // namespace antiphon
