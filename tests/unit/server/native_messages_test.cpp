// Native messages: fields, defaults and refusals.
#include "server/native_messages.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "server/error_map.h"

namespace antiphon::server {
namespace {

TEST(NativeMessages, StartHasDefaults) {
  const auto got = parse_client_message(R"({"type":"start","later":1})");
  ASSERT_TRUE(got.ok());
  const auto& start = std::get<StartMessage>(*got);
  EXPECT_EQ(start.rate_hz, 16000);
  EXPECT_TRUE(start.endpointing);
  EXPECT_TRUE(start.partials);
  EXPECT_TRUE(start.written);
  EXPECT_EQ(start.reply, ReplyMode::kAudio);
}

TEST(NativeMessages, StartTakesEverything) {
  const auto got = parse_client_message(
      R"({"type":"start","rate_hz":8000,"encoding":"alaw","reply":"none","partials":false,"written":false,)"
      R"("endpointing":false,"hotwords":[{"text":"latte","boost":2.5}],"context":"c","voice":"v"})");
  ASSERT_TRUE(got.ok());
  const auto& start = std::get<StartMessage>(*got);
  EXPECT_EQ(start.encoding, Encoding::kAlaw);
  EXPECT_FALSE(start.written);
  EXPECT_EQ(start.reply, ReplyMode::kNone);
  ASSERT_EQ(start.hotwords.size(), 1u);
  EXPECT_EQ(start.hotwords[0].boost, 2.5f);
}

TEST(NativeMessages, NotAnObjectIsTold) {
  for (const char* text : {"", "{", "3", "[]", "{}", R"({"type":3})", R"({"type":null})"})
    EXPECT_EQ(parse_client_message(text).status().code(), StatusCode::kUnsupported) << text;
}

TEST(NativeMessages, DeepNestingIsHarmless) {
  EXPECT_FALSE(parse_client_message(std::string(60000, '[')).ok());
}

TEST(NativeMessages, TurnNumbers) {
  EXPECT_EQ(std::get<CancelMessage>(*parse_client_message(R"({"type":"cancel"})")).turn, 0u);
  EXPECT_FALSE(parse_client_message(R"({"type":"cancel","turn":-1})").ok());
  EXPECT_FALSE(parse_client_message(R"({"type":"cancel","turn":1e300})").ok());
  EXPECT_FALSE(parse_client_message(R"({"type":"played","turn":"1"})").ok());
}

TEST(NativeMessages, TextThatIsNotUtf8IsMended) {
  Reply reply;
  reply.text = "a\xff";
  EXPECT_NO_THROW((void)nlohmann::json::parse(reply_json(reply)));
}

TEST(ErrorMap, EveryCodeHasACloseCode) {
  EXPECT_EQ(close_code(StatusCode::kExhausted), 1013);
  EXPECT_EQ(close_code(StatusCode::kInvalidArgument), 1008);
  EXPECT_EQ(close_code(StatusCode::kInternal), 1011);
  EXPECT_EQ(close_code(StatusCode::kDeviceLost), 1011);
  EXPECT_EQ(close_code(StatusCode::kCancelled), 1001);
}

}  // namespace
}  // namespace antiphon::server
