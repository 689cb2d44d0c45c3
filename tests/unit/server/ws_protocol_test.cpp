// The WebSocket machine, client against server, without a socket.
#include <gtest/gtest.h>

#include <vector>

#include "server/transport.h"

namespace antiphon::server {
namespace {

struct Peer final : WsEvents {
  void on_open() override { open = true; }
  void on_text(std::string_view payload) override { texts.emplace_back(payload); }
  void on_binary(std::string_view payload) override { binaries.emplace_back(payload); }
  void on_pong() override { ++pongs; }
  void on_output(std::string_view bytes) override { output.append(bytes); }
  void on_close(int code, std::string_view why) override {
    close_code = code;
    reason = why;
  }
  std::unique_ptr<WsProtocol> ws;
  std::string output, reason;
  std::vector<std::string> texts, binaries;
  bool open = false;
  int pongs = 0, close_code = 0;
};

struct WsPair : testing::Test {
  void SetUp() override {
    server.ws = WsProtocol::accept(server, 65536);
    auto made = WsProtocol::connect(client, "ws://localhost:1/v1/converse", 1 << 20);
    ASSERT_TRUE(made.ok());
    client.ws = std::move(made).value();
    run();
    ASSERT_TRUE(server.open && client.open);
  }
  // One byte at a time, so that every boundary is met. A server that is done lets its socket go
  // first (RFC 6455, 7.1.1): the client meets the end of input then.
  void run() {
    while (!server.output.empty() || !client.output.empty()) {
      for (const char byte : std::exchange(client.output, {})) server.ws->feed({&byte, 1});
      for (const char byte : std::exchange(server.output, {})) client.ws->feed({&byte, 1});
    }
    if (server.close_code != 0) client.ws->end_of_input();
  }
  Peer server, client;
};

TEST_F(WsPair, CarriesMessagesBothWays) {
  client.ws->send_text("hello");
  client.ws->send_binary(std::string(65536, 'x'));
  server.ws->send_text("{}");
  run();
  EXPECT_EQ(server.texts, std::vector<std::string>{"hello"});
  EXPECT_EQ(server.binaries.at(0).size(), 65536u);
  EXPECT_EQ(client.texts, std::vector<std::string>{"{}"});
}

TEST_F(WsPair, PingsArePonged) {
  server.ws->ping();
  run();
  EXPECT_EQ(server.pongs, 1);
}

TEST_F(WsPair, ClosesWithCodeAndReason) {
  server.ws->close(1013, "all sessions are in use");
  run();
  EXPECT_EQ(client.close_code, 1013);
  EXPECT_EQ(client.reason, "all sessions are in use");
  EXPECT_EQ(server.close_code, 1013);
  server.ws->send_text("late");
  EXPECT_TRUE(server.output.empty());
}

TEST_F(WsPair, LongReasonsAreCut) {
  server.ws->close(1008, std::string(500, 'r'));
  run();
  EXPECT_EQ(client.close_code, 1008);
  EXPECT_EQ(client.reason.size(), 123u);
}

TEST_F(WsPair, TooBigIs1009) {
  client.ws->send_binary(std::string(65537, 'x'));
  run();
  EXPECT_EQ(client.close_code, 1009);
  EXPECT_TRUE(server.binaries.empty());
}

TEST_F(WsPair, EndOfInputCloses) {
  server.ws->end_of_input();
  EXPECT_EQ(server.close_code, 1006);
}

TEST(WsProtocol, BadUrl) {
  Peer peer;
  EXPECT_FALSE(WsProtocol::connect(peer, "not a url", 100).ok());
}

}  // namespace
}  // namespace antiphon::server
