// The client of `converse --server` against a real server over fake stages.
#include "cli/server_turn.h"

#include "tests/support/server_rig.h"

namespace antiphon::cli {
namespace {

Recording spoken(int rate_hz) {
  Recording out;
  out.rate_hz = rate_hz;
  out.samples.assign(static_cast<std::size_t>(rate_hz / 2), 0.5f);
  return out;
}

ServerTurnOptions options_for(test::ServerRig& rig) {
  ServerTurnOptions out;
  out.url = "ws://127.0.0.1:" + std::to_string(rig.port()) + "/v1/converse";
  out.timeout_s = 5;
  return out;
}

TEST(ServerTurn, StreamsInRealTime) {
  test::ServerRig rig;
  auto options = options_for(rig);
  std::string partial;
  options.on_partial = [&](const std::string& text) { partial = text; };
  const auto begin = std::chrono::steady_clock::now();
  const auto got = converse_with_server(spoken(16000), options);
  ASSERT_TRUE(got.ok()) << got.status().message();
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(490));
  EXPECT_EQ(partial, "two large lattes");
  EXPECT_EQ(got->transcript.text, "two large lattes");
  EXPECT_EQ(got->understanding.intent, "two");
  EXPECT_EQ(got->reply.text, "You said two large lattes.");
  EXPECT_EQ(got->answer.samples.size(), 3u * 2205);
  EXPECT_EQ(got->answer.rate_hz, 22050);
  EXPECT_GT(got->latency.total_ms, 0);
}

TEST(ServerTurn, AsksForAVoice) {
  test::ServerRig rig;
  auto options = options_for(rig);
  options.real_time = false;
  for (const auto& [voice, peak] : {std::pair<const char*, double>{"", 0.25}, {"loud", 0.5}}) {
    options.voice = voice;
    const auto got = converse_with_server(spoken(16000), options);
    ASSERT_TRUE(got.ok()) << got.status().message();
    EXPECT_NEAR(*std::ranges::max_element(got->answer.samples), peak, 0.01);
  }
  options.voice = "nobody";
  EXPECT_NE(converse_with_server(spoken(16000), options).status().message().find("\"loud\""),
            std::string::npos);
}

// As a microphone does, the client goes on with silence until the server has found the end.
TEST(ServerTurn, ServerFindsTheEnd) {
  test::ServerRig rig;
  auto options = options_for(rig);
  options.endpointing = true;
  const auto begin = std::chrono::steady_clock::now();
  const auto got = converse_with_server(spoken(16000), options);
  const auto took = std::chrono::steady_clock::now() - begin;
  ASSERT_TRUE(got.ok()) << got.status().message();
  EXPECT_EQ(got->reason, TurnEndReason::kDone);
  EXPECT_EQ(got->answer.samples.size(), 3u * 2205);
  EXPECT_GE(got->latency.endpoint_ms, 400);          // min_silence_ms is 500, chunks are 100 ms
  EXPECT_LT(took, std::chrono::milliseconds(2900));  // the server ended the turn, not `end`
}

TEST(ServerTurn, SilenceAloneIsNoSpeech) {
  test::ServerRig rig;
  auto options = options_for(rig);
  options.endpointing = true;
  options.real_time = false;
  Recording silence = spoken(16000);
  silence.samples.assign(8000, 0.0f);
  const auto got = converse_with_server(silence, options);
  ASSERT_TRUE(got.ok()) << got.status().message();
  EXPECT_EQ(got->reason, TurnEndReason::kNoSpeech);
}

TEST(ServerTurn, EveryRate) {
  test::ServerRig rig;
  auto options = options_for(rig);
  options.real_time = false;
  for (const int rate_hz : {4000, 8000, 44100, 48000, 96000}) {
    const auto got = converse_with_server(spoken(rate_hz), options);
    ASSERT_TRUE(got.ok()) << rate_hz << " " << got.status().message();
    EXPECT_EQ(got->reason, TurnEndReason::kDone);
  }
}

TEST(ServerTurn, ErrorsSayWhatToDo) {
  ServerTurnOptions options;
  options.url = "ws://127.0.0.1:1/v1/converse";
  auto got = converse_with_server(spoken(16000), options);
  ASSERT_FALSE(got.ok());
  EXPECT_NE(got.status().message().find("antiphon serve"), std::string::npos);
  options.url = "http://x";
  EXPECT_EQ(converse_with_server(spoken(16000), options).status().code(),
            StatusCode::kInvalidArgument);
  test::ServerRig rig;
  options = options_for(rig);
  options.url += "/nothing";
  EXPECT_FALSE(converse_with_server(spoken(16000), options).ok());
  rig.understander->fail = true;
  EXPECT_FALSE(converse_with_server(spoken(16000), options_for(rig)).ok());
}

}  // namespace
}  // namespace antiphon::cli
