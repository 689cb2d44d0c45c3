// Every input that the server refuses, and how.
#include "tests/support/server_rig.h"

namespace antiphon {
namespace {

using nlohmann::json;
using test::ServerRig;
using test::WsFrame;
using test::WsTestClient;

const json kStart = {{"type", "start"}};

// The fatal error's code and the close code.
void expect_closed(WsTestClient& client, const std::string& code, int close_code) {
  const auto got = client.until("error");
  ASSERT_FALSE(got.empty());
  EXPECT_EQ(got.back()["code"], code);
  EXPECT_EQ(got.back()["fatal"], true);
  EXPECT_FALSE(got.back()["message"].get<std::string>().empty());
  EXPECT_EQ(client.wait_close(), close_code);
}

class Rejected : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(client.open(rig.port()), 101); }
  void TearDown() override {
    client.vanish();
    EXPECT_TRUE(rig.all_gone());
    WsTestClient other;  // the server is well
    ASSERT_EQ(other.open(rig.port()), 101);
    other.send_json(kStart);
    EXPECT_EQ(other.until("ready").size(), 1u);
  }
  void start() {
    client.send_json(kStart);
    ASSERT_EQ(client.until("ready").size(), 1u);
  }
  ServerRig rig;
  WsTestClient client;
};

TEST_F(Rejected, AudioBeforeStart) {
  client.send_tone(100);
  expect_closed(client, "invalid_argument", 1003);
}

TEST_F(Rejected, OtherMessageBeforeStart) {
  client.send_json({{"type", "end"}});
  expect_closed(client, "invalid_argument", 1008);
}

TEST_F(Rejected, StartTwice) {
  start();
  client.send_json(kStart);
  expect_closed(client, "invalid_argument", 1008);
}

TEST_F(Rejected, HalfASample) {
  start();
  client.send_frame(WsFrame::kBinary, "abc");
  expect_closed(client, "invalid_argument", 1007);
}

TEST_F(Rejected, FloatsThatAreNotNumbers) {
  client.send_json({{"type", "start"}, {"encoding", "float32"}});
  client.until("ready");
  client.send_frame(WsFrame::kBinary, std::string("\x00\x00\xc0\x7f", 4));
  expect_closed(client, "invalid_argument", 1007);
}

TEST_F(Rejected, NotJson) {
  client.send_text("{\"type\": ");
  expect_closed(client, "invalid_argument", 1007);
}

TEST_F(Rejected, JsonWithoutType) {
  client.send_text("[1, 2]");
  expect_closed(client, "invalid_argument", 1007);
}

TEST_F(Rejected, TextThatIsNotUtf8) {
  client.send_text("{\"type\": \"\xff\xfe\"}");
  EXPECT_EQ(client.wait_close(), 1007);
}

TEST_F(Rejected, OversizedMessage) {
  start();
  client.send_frame(WsFrame::kBinary, std::string(65538, '\0'));
  EXPECT_EQ(client.wait_close(), 1009);
}

TEST_F(Rejected, LargestMessageIsTaken) {
  start();
  client.send_frame(WsFrame::kBinary, std::string(65536, '\0'));
  client.send_json({{"type", "text"}, {"text", "hi"}});
  EXPECT_EQ(client.until("turn_end").back()["reason"], "done");
}

TEST_F(Rejected, UnmaskedFrame) {
  client.send_raw(std::string("\x81\x02{}", 4));
  EXPECT_EQ(client.wait_close(), 1002);
}

TEST_F(Rejected, HalfAFrameThenGone) {
  start();
  client.send_raw(std::string("\x82\xfe\x0c", 3));
  client.vanish();
}

TEST_F(Rejected, ClosingInTheMiddleOfATurn) {
  start();
  client.send_tone(300);
  client.send_frame(WsFrame::kClose, std::string("\x03\xe8", 2));
  EXPECT_EQ(client.wait_close(), 1000);
}

TEST_F(Rejected, UnknownTypeIsNotFatal) {
  start();
  client.send_json({{"type", "dance"}});
  const json error = client.until("error").back();
  EXPECT_EQ(error["code"], "unsupported");
  EXPECT_EQ(error["fatal"], false);
  client.send_json({{"type", "text"}, {"text", "hi"}});
  EXPECT_EQ(client.until("turn_end").back()["reason"], "done");
}

TEST_F(Rejected, UnknownFieldsAreIgnored) {
  client.send_json({{"type", "start"}, {"colour", "red"}});
  EXPECT_EQ(client.until("ready").back()["type"], "ready");
}

TEST_F(Rejected, TextWithoutText) {
  start();
  client.send_json({{"type", "text"}});
  const json error = client.until("error").back();
  EXPECT_EQ(error["fatal"], false);
  EXPECT_EQ(error["message"], "text: text: wanted a string");
}

TEST_F(Rejected, OverlongTextEndsItsTurnOnly) {
  start();
  client.send_json({{"type", "speak"}, {"text", std::string(20001, 'a')}});
  EXPECT_EQ(client.until("turn_end").back()["reason"], "error");
}

TEST_F(Rejected, CompressedFramesWithoutNegotiation) {
  start();
  client.send_raw(std::string("\xc1\x80\x01\x02\x03\x04", 6));
  EXPECT_EQ(client.wait_close(), 1002);
}

TEST_F(Rejected, UnknownVoiceNamesThoseThatThereAre) {
  client.send_json({{"type", "start"}, {"voice", "nobody"}});
  const auto got = client.until("error");
  ASSERT_FALSE(got.empty());
  EXPECT_EQ(got.back()["code"], "invalid_argument");
  EXPECT_EQ(got.back()["message"], "start: voice: wanted \"fake\", \"loud\", got \"nobody\"");
  EXPECT_EQ(client.wait_close(), 1008);
}

class RejectedStart : public testing::TestWithParam<json> {};

TEST_P(RejectedStart, ClosesWith1008) {
  ServerRig rig;
  WsTestClient client;
  ASSERT_EQ(client.open(rig.port()), 101);
  json message = kStart;
  message.update(GetParam());
  client.send_json(message);
  const auto got = client.until("error");
  ASSERT_FALSE(got.empty());
  EXPECT_EQ(got.back()["fatal"], true);
  EXPECT_NE(got.back()["message"].get<std::string>().find("start: "), std::string::npos);
  EXPECT_EQ(client.wait_close(), 1008);
}

INSTANTIATE_TEST_SUITE_P(
    Fields, RejectedStart,
    testing::Values(json{{"rate_hz", 7999}}, json{{"rate_hz", 48001}}, json{{"rate_hz", 16000.5}},
                    json{{"rate_hz", "fast"}}, json{{"channels", 2}}, json{{"encoding", "mp3"}},
                    json{{"encoding", 3}}, json{{"reply", "song"}}, json{{"partials", "yes"}},
                    json{{"endpointing", 1}}, json{{"hotwords", "latte"}},
                    json{{"hotwords", {{{"text", "a"}, {"boost", 99}}}}},
                    json{{"hotwords", {{{"boost", 1}}}}}, json{{"voice", "nobody"}},
                    json{{"context", json::array()}}));

}  // namespace
}  // namespace antiphon
