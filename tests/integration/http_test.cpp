// The HTTP side of the one door.
#include <gmock/gmock.h>

#include "tests/support/server_rig.h"

namespace antiphon {
namespace {

using test::http_exchange;
using test::ServerRig;
using test::WsTestClient;
using testing::HasSubstr;
using testing::StartsWith;

std::string get(int port, const std::string& path) {
  return http_exchange(port, "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
}

TEST(Http, Healthz) {
  ServerRig rig;
  const std::string got = get(rig.port(), "/healthz");
  EXPECT_THAT(got, StartsWith("HTTP/1.1 200 OK"));
  EXPECT_THAT(got, HasSubstr("ok\n"));
}

TEST(Http, MetricsCountTurnsByStage) {
  ServerRig rig;
  {
    WsTestClient client;
    ASSERT_EQ(client.open(rig.port()), 101);
    client.send_json({{"type", "start"}});
    client.send_tone(300);
    client.send_silence(600);
    ASSERT_FALSE(client.until("turn_end").empty());
    const std::string during = get(rig.port(), "/metrics");
    EXPECT_THAT(during, HasSubstr("antiphon_sessions 1"));
  }
  ASSERT_TRUE(rig.all_gone());
  const std::string got = get(rig.port(), "/metrics");
  EXPECT_THAT(got, HasSubstr("antiphon_turn_seconds_count{stage=\"total\"} 1"));
  EXPECT_THAT(got, HasSubstr("antiphon_turn_seconds_count{stage=\"asr\"} 1"));
  EXPECT_THAT(got, HasSubstr("antiphon_turns_total{reason=\"done\"} 1"));
  EXPECT_THAT(got, HasSubstr("antiphon_turns_total{reason=\"error\"} 0"));
  EXPECT_THAT(got, HasSubstr("antiphon_sessions 0"));
}

TEST(Http, UnknownPathSaysWhatThereIs) {
  ServerRig rig;
  const std::string got = get(rig.port(), "/nothing");
  EXPECT_THAT(got, StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(got, HasSubstr("/v1/converse"));
}

TEST(Http, OtherMethods) {
  ServerRig rig;
  const std::string got =
      http_exchange(rig.port(), "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
  EXPECT_THAT(got, StartsWith("HTTP/1.1 405"));
  EXPECT_THAT(got, HasSubstr("Allow: GET"));
}

TEST(Http, ConverseWithoutUpgrade) {
  ServerRig rig;
  EXPECT_THAT(get(rig.port(), "/v1/converse"), StartsWith("HTTP/1.1 426"));
}

TEST(Http, UpgradeWithoutKeyIsRefused) {
  ServerRig rig;
  const std::string got = http_exchange(rig.port(),
                                        "GET /v1/converse HTTP/1.1\r\nHost: x\r\nUpgrade: "
                                        "websocket\r\nConnection: Upgrade\r\n\r\n");
  EXPECT_THAT(got, StartsWith("HTTP/1.1 400"));
  EXPECT_TRUE(rig.all_gone());
}

TEST(Http, Garbage) {
  ServerRig rig;
  EXPECT_THAT(http_exchange(rig.port(), "hello\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(http_exchange(rig.port(), std::string(9000, 'x')), StartsWith("HTTP/1.1 431"));
  EXPECT_TRUE(rig.all_gone());
}

TEST(Http, SlowRequestIsCutOff) {
  server::ServerConfig config;
  config.handshake_timeout_s = 0.1;
  ServerRig rig(config);
  EXPECT_THAT(http_exchange(rig.port(), "GET /heal"), StartsWith("HTTP/1.1 408"));
  EXPECT_TRUE(rig.all_gone());
}

}  // namespace
}  // namespace antiphon
