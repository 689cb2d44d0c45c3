// Whole conversations over a real socket.
#include <gmock/gmock.h>

#include "tests/support/server_rig.h"

namespace antiphon {
namespace {

using nlohmann::json;
using test::ServerRig;
using test::WsTestClient;
using testing::ElementsAre;

std::vector<std::string> types(const std::vector<json>& messages) {
  std::vector<std::string> out;
  for (const json& m : messages) out.push_back(m["type"]);
  return out;
}

json start(const json& more = json::object()) {
  json message = {{"type", "start"}};
  message.update(more);
  return message;
}

void begin(WsTestClient& client, ServerRig& rig, const json& more = json::object()) {
  ASSERT_EQ(client.open(rig.port()), 101);
  client.send_json(start(more));
  ASSERT_THAT(types(client.until("ready")), ElementsAre("ready"));
}

TEST(Conversation, OneSpokenTurn) {
  ServerRig rig;
  WsTestClient client;
  ASSERT_EQ(client.open(rig.port()), 101);
  client.send_json(start());
  const json ready = client.until("ready").back();
  EXPECT_EQ(ready["version"], 1);
  EXPECT_EQ(ready["reply_rate_hz"], 22050);
  EXPECT_EQ(ready["models"], json({"fake 1"}));
  EXPECT_EQ(ready["voices"], json({"fake", "loud"}));
  client.send_tone(400);
  client.send_silence(600);
  const auto got = client.until("turn_end");
  EXPECT_THAT(types(got), ElementsAre("speech_start", "partial", "speech_end", "final",
                                      "understanding", "reply", "turn_end"));
  EXPECT_EQ(got[3]["text"], "two large lattes");
  EXPECT_EQ(got[4]["intent"], "two");
  EXPECT_EQ(got[5]["text"], "You said two large lattes.");
  const json& end = got.back();
  EXPECT_EQ(end["reason"], "done");
  EXPECT_EQ(end["reply_samples"], 3 * 2205);
  EXPECT_EQ(client.audio_bytes, 3u * 2205 * 2);
  for (const char* stage : {"asr", "nlu", "tts", "total", "endpoint", "heard"})
    EXPECT_TRUE(end["latency_ms"][stage].is_number()) << stage;
}

TEST(Conversation, AnAnswerThatWasBegunEarlyIsSentAfterTheFinal) {
  for (const bool think_ahead : {true, false}) {
    server::ServerConfig config;
    config.think_ahead = think_ahead;
    ServerRig rig(config);
    rig.recognizer->pause_ms = 200;
    WsTestClient client;
    begin(client, rig);
    client.send_tone(400);
    client.send_silence(600);
    const auto got = client.until("turn_end");
    EXPECT_THAT(types(got), ElementsAre("speech_start", "partial", "speech_end", "final",
                                        "understanding", "reply", "turn_end"));
    EXPECT_EQ(got.back()["ahead"], think_ahead);
    EXPECT_EQ(client.audio_bytes, 3u * 2205 * 2);
    EXPECT_EQ(rig.understander->num_calls, 1);
  }
}

TEST(Conversation, SeveralTurnsOnOneConnection) {
  ServerRig rig;
  WsTestClient client;
  begin(client, rig, {{"endpointing", false}});
  for (int turn = 1; turn <= 3; ++turn) {
    client.send_tone(300);
    client.send_json({{"type", "end"}});
    const json end = client.until("turn_end").back();
    EXPECT_EQ(end["turn"], turn);
    EXPECT_EQ(end["reason"], "done");
  }
  client.send_json({{"type", "text"}, {"text", "hello there"}});
  const auto typed = client.until("turn_end");
  EXPECT_THAT(types(typed), ElementsAre("final", "understanding", "reply", "turn_end"));
  client.send_json({{"type", "speak"}, {"text", "Good morning."}});
  const auto spoken = client.until("turn_end");
  EXPECT_THAT(types(spoken), ElementsAre("reply", "turn_end"));
  EXPECT_EQ(spoken.back()["turn"], 5);
}

TEST(Conversation, BargeIn) {
  ServerRig rig;
  rig.synthesizer->num_chunks = 100000;
  rig.synthesizer->on_chunk = [](int) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  };
  WsTestClient client;
  begin(client, rig);
  client.send_tone(300);
  client.send_silence(600);
  EXPECT_EQ(client.until("reply").back()["turn"], 1);
  client.send_json({{"type", "played"}, {"turn", 1}, {"ms", 120}});
  client.send_tone(200);
  const auto got = client.until("speech_start");
  EXPECT_THAT(types(got), ElementsAre("turn_end", "speech_start"));
  EXPECT_EQ(got[0]["reason"], "interrupted");
  EXPECT_EQ(got[1]["turn"], 2);
  const std::size_t before = client.audio_bytes;
  client.until("partial");
  EXPECT_EQ(client.audio_bytes, before);  // nothing of the old reply comes
}

TEST(Conversation, CancelSendsOnlyTurnEnd) {
  ServerRig rig;
  rig.synthesizer->num_chunks = 100000;
  rig.synthesizer->on_chunk = [](int) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  };
  WsTestClient client;
  begin(client, rig);
  client.send_json({{"type", "speak"}, {"text", "A long story."}});
  client.until("reply");
  client.send_json({{"type", "cancel"}, {"turn", 1}});
  const auto got = client.until("turn_end");
  EXPECT_THAT(types(got), ElementsAre("turn_end"));
  EXPECT_EQ(got[0]["reason"], "cancelled");
  client.send_json({{"type", "cancel"}, {"turn", 9}});
  EXPECT_EQ(client.until("error").back()["code"], "not_found");
}

TEST(Conversation, SilenceOnly) {
  ServerRig rig;
  WsTestClient client;
  begin(client, rig, {{"endpointing", false}});
  client.send_silence(1000);
  client.send_json({{"type", "end"}});
  EXPECT_EQ(client.until("turn_end").back()["reason"], "no_speech");
}

TEST(Conversation, EveryEncodingAndRate) {
  ServerRig rig;
  for (const int rate_hz : {8000, 16000, 22050, 44100, 48000}) {
    for (const char* encoding : {"pcm16", "float32", "mulaw", "alaw"}) {
      WsTestClient client;
      begin(client, rig, {{"rate_hz", rate_hz}, {"encoding", encoding}, {"endpointing", false}});
      const std::size_t width = encoding[0] == 'p' ? 2 : encoding[0] == 'f' ? 4 : 1;
      std::string audio(static_cast<std::size_t>(rate_hz) / 10 * width, '\x21');
      for (int i = 0; i < 5; ++i) client.send_frame(test::WsFrame::kBinary, audio);
      client.send_json({{"type", "end"}});
      const auto got = client.until("turn_end");
      ASSERT_FALSE(got.empty());
      EXPECT_EQ(got.back()["reason"], "done") << rate_hz << " " << encoding;
      // Half a second was heard, whatever the rate.
      EXPECT_NEAR(got.at(3)["words"][0]["end_ms"].get<double>(), 500, 5);
    }
  }
}

TEST(Conversation, RepliesAsTextAndHotwordsAndContext) {
  ServerRig rig;
  WsTestClient client;
  begin(client, rig,
        {{"reply", "text"}, {"context", "It is red."}, {"hotwords", {{{"text", "latte"}}}}});
  client.send_json({{"type", "text"}, {"text", "colour"}});
  const auto got = client.until("turn_end");
  EXPECT_EQ(got[1]["answer"], "It is red.");
  EXPECT_EQ(client.audio_bytes, 0u);
}

TEST(Conversation, ErrorsOfStagesDoNotEndIt) {
  ServerRig rig;
  rig.understander->fail = true;
  WsTestClient client;
  begin(client, rig);
  client.send_json({{"type", "text"}, {"text", "hi"}});
  const auto got = client.until("turn_end");
  EXPECT_THAT(types(got), ElementsAre("final", "error", "turn_end"));
  EXPECT_EQ(got[1]["fatal"], false);
  EXPECT_EQ(got[2]["reason"], "error");
  rig.understander->fail = false;
  client.send_json({{"type", "text"}, {"text", "hi"}});
  EXPECT_EQ(client.until("turn_end").back()["reason"], "done");
}

TEST(Conversation, StrangeTexts) {
  ServerRig rig;
  WsTestClient client;
  begin(client, rig);
  const std::vector<std::string> texts = {std::string(), std::string(20000, 'a'),
                                          std::string("\xF0\x9F\x98\x80 zxqv")};
  for (const std::string& text : texts) {
    client.send_json({{"type", "text"}, {"text", text}});
    EXPECT_TRUE(client.until("turn_end").back().contains("reason"));
  }
}

}  // namespace
}  // namespace antiphon
