// What is left behind: vanishing clients, time-outs, admission, slow readers, drain.
#include <gmock/gmock.h>

#include "tests/support/server_rig.h"

namespace antiphon {
namespace {

using nlohmann::json;
using test::ServerRig;
using test::WsTestClient;

const json kStart = {{"type", "start"}};

std::string metrics(ServerRig& rig) {
  return test::http_exchange(rig.port(), "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
}

TEST(Lifetime, FiftyClientsThatVanishLeaveNothing) {
  server::ServerConfig config;
  config.max_sessions = 50;
  ServerRig rig(config);
  rig.synthesizer->num_chunks = 100000;
  rig.synthesizer->on_chunk = [](int) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  {
    std::vector<WsTestClient> clients(50);
    for (std::size_t i = 0; i < clients.size(); ++i) {
      ASSERT_EQ(clients[i].open(rig.port()), 101);
      clients[i].send_json(kStart);
      ASSERT_EQ(clients[i].until("ready").size(), 1u);
      clients[i].send_tone(300);                         // heard
      if (i % 3 > 0) clients[i].send_silence(600);       // answered
      if (i % 3 > 1) clients[i].until("understanding");  // spoken
    }
    EXPECT_EQ(rig.recognizer->num_open, 50);
  }
  EXPECT_TRUE(rig.all_gone());
  EXPECT_THAT(metrics(rig), testing::HasSubstr("antiphon_sessions 0"));
  WsTestClient again;
  ASSERT_EQ(again.open(rig.port()), 101);
  again.send_json(kStart);
  EXPECT_EQ(again.until("ready").back()["type"], "ready");
}

TEST(Lifetime, OverloadIsRefusedAtTheDoor) {
  server::ServerConfig config;
  config.max_sessions = 1;
  ServerRig rig(config);
  WsTestClient first, second;
  ASSERT_EQ(first.open(rig.port()), 101);
  first.send_json(kStart);
  first.until("ready");
  ASSERT_EQ(second.open(rig.port()), 101);
  EXPECT_EQ(second.until("error").back()["code"], "exhausted");
  EXPECT_EQ(second.wait_close(), 1013);
  first.vanish();
  ASSERT_TRUE(rig.all_gone());
  ASSERT_EQ(second.open(rig.port()), 101);
  second.send_json(kStart);
  EXPECT_EQ(second.until("ready").back()["type"], "ready");
}

TEST(Lifetime, NoFreeStateSlot) {
  ServerRig rig;
  rig.recognizer->max_streams = 0;
  WsTestClient client;
  ASSERT_EQ(client.open(rig.port()), 101);
  client.send_json(kStart);
  EXPECT_EQ(client.until("error").back()["code"], "exhausted");
  EXPECT_EQ(client.wait_close(), 1013);
}

TEST(Lifetime, StartMustComeInTime) {
  server::ServerConfig config;
  config.start_timeout_s = 0.1;
  ServerRig rig(config);
  WsTestClient client;
  ASSERT_EQ(client.open(rig.port()), 101);
  EXPECT_EQ(client.until("error").back()["code"], "timeout");
  EXPECT_EQ(client.wait_close(), 1008);
  EXPECT_TRUE(rig.all_gone());
}

TEST(Lifetime, IdleClientsAreClosed) {
  server::ServerConfig config;
  config.idle_timeout_s = 0.1;
  ServerRig rig(config);
  WsTestClient client;
  ASSERT_EQ(client.open(rig.port()), 101);
  client.send_json(kStart);
  client.until("ready");
  EXPECT_EQ(client.wait_close(), 1008);
}

TEST(Lifetime, DeadPeersAreFoundByPing) {
  server::ServerConfig config;
  config.ping_interval_s = 0.1;
  config.pong_timeout_s = 0.2;
  ServerRig rig(config);
  WsTestClient alive, dead;
  dead.answer_pings = false;
  ASSERT_EQ(alive.open(rig.port()), 101);
  ASSERT_EQ(dead.open(rig.port()), 101);
  EXPECT_FALSE(alive.next(0.8).has_value());
  EXPECT_EQ(dead.wait_close(1), 0);
  EXPECT_EQ(rig.server->num_connections(), 1);
}

TEST(Lifetime, AudioOfASessionIsLimited) {
  server::ServerConfig config;
  config.max_audio_s = 1;
  ServerRig rig(config);
  WsTestClient client;
  ASSERT_EQ(client.open(rig.port()), 101);
  client.send_json(kStart);
  client.until("ready");
  client.send_silence(1200);
  EXPECT_EQ(client.until("error").back()["code"], "exhausted");
  EXPECT_EQ(client.wait_close(), 1008);
}

TEST(Lifetime, AReplyWaitsForAClientThatReadsSlowly) {
  server::ServerConfig config;
  config.room_output_bytes = 8192;
  ServerRig rig(config);
  rig.synthesizer->num_chunks = 3000;  // 13 MB, over every socket buffer
  std::atomic<int> made{0};
  rig.synthesizer->on_chunk = [&](int) { ++made; };
  WsTestClient client;
  ASSERT_EQ(client.open(rig.port()), 101);
  client.send_json(kStart);
  client.until("ready");
  client.send_json({{"type", "speak"}, {"text", "A novel."}});
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  EXPECT_LT(made, 3000);
  EXPECT_EQ(client.until("turn_end", 20).back()["reason"], "done");
  EXPECT_EQ(client.audio_bytes, 3000u * 4410);
}

TEST(Lifetime, ReadingPausesWhileRecognitionIsBehind) {
  server::ServerConfig config;
  config.max_waiting_audio_s = 0.5;
  ServerRig rig(config);
  WsTestClient client;
  ASSERT_EQ(client.open(rig.port()), 101);
  client.send_json({{"type", "start"}, {"endpointing", false}});
  client.until("ready");
  client.send_tone(60000);  // a minute at once
  client.send_json({{"type", "end"}});
  const auto got = client.until("turn_end", 20);
  EXPECT_EQ(got.back()["reason"], "done");
  EXPECT_NEAR(got.at(3)["words"][0]["end_ms"].get<double>(), 60000, 1);
}

TEST(Lifetime, DrainLetsATurnFinish) {
  ServerRig rig;
  rig.synthesizer->num_chunks = 40;
  rig.synthesizer->on_chunk = [](int) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  };
  WsTestClient busy, idle;
  for (WsTestClient* client : {&busy, &idle}) {
    ASSERT_EQ(client->open(rig.port()), 101);
    client->send_json(kStart);
    client->until("ready");
  }
  busy.send_json({{"type", "speak"}, {"text", "hello"}});
  busy.until("reply");
  const int port = rig.port();
  std::thread stopper([&] { rig.server->stop(); });
  EXPECT_EQ(idle.wait_close(), 1001);
  EXPECT_EQ(busy.until("turn_end").back()["reason"], "done");
  EXPECT_EQ(busy.wait_close(), 1001);
  busy.vanish();
  idle.vanish();
  stopper.join();
  EXPECT_FALSE(WsTestClient().connect(port));
  EXPECT_EQ(rig.recognizer->num_open, 0);
}

TEST(Lifetime, DrainEndsAtItsTimeOut) {
  server::ServerConfig config;
  config.drain_timeout_s = 0.2;
  ServerRig rig(config);
  rig.synthesizer->num_chunks = 100000;
  rig.synthesizer->on_chunk = [](int) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  };
  WsTestClient client;
  ASSERT_EQ(client.open(rig.port()), 101);
  client.send_json(kStart);
  client.send_json({{"type", "speak"}, {"text", "hello"}});
  client.until("reply");
  const auto begin = std::chrono::steady_clock::now();
  rig.server->stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(4));
  EXPECT_EQ(client.wait_close(), 1001);
  EXPECT_EQ(rig.synthesizer->num_open, 0);
}

TEST(Lifetime, PortInUseIsAClearError) {
  ServerRig rig;
  server::ServerConfig config;
  config.port = rig.port();
  const auto second = server::Server::start(config, *rig.assistant, rig.logger);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.status().message(), testing::HasSubstr("cannot listen on 127.0.0.1:"));
}

}  // namespace
}  // namespace antiphon
