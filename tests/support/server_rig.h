// A server on a free port over fake stages.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <thread>

#include "antiphon/assistant.h"
#include "server/server.h"
#include "tests/support/fake_stages.h"
#include "tests/support/ws_test_client.h"

namespace antiphon::test {

// True as soon as `condition` holds; false after `seconds`.
inline bool eventually(const std::function<bool()>& condition, double seconds = 5) {
  for (int i = 0; i < seconds * 200; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return condition();
}

class ServerRig {
 public:
  // Over `speech` in the place of the fake synthesizer, where one is given.
  explicit ServerRig(server::ServerConfig config = {}, std::unique_ptr<Synthesizer> speech = {}) {
    AssistantStages stages;
    stages.recognizer.reset(recognizer = new FakeRecognizer);
    stages.understander.reset(understander = new FakeUnderstander);
    stages.dialog.reset(dialog = new FakeDialog);
    if (speech)
      stages.synthesizer = std::move(speech);
    else
      stages.synthesizer.reset(synthesizer = new FakeSynthesizer);
    stages.models = {"fake 1"};
    assistant = Assistant::with_stages(std::move(stages));
    config.port = 0;
    auto started = server::Server::start(config, *assistant, logger);
    EXPECT_TRUE(started.ok()) << started.status().to_string();
    if (started.ok()) server = std::move(started).value();
  }
  int port() const { return server->port(); }
  bool all_gone() {
    return eventually([this] {
      return server->num_connections() == 0 && recognizer->num_open == 0 &&
             (!synthesizer || synthesizer->num_open == 0);
    });
  }

  FakeRecognizer* recognizer = nullptr;
  FakeUnderstander* understander = nullptr;
  FakeDialog* dialog = nullptr;
  FakeSynthesizer* synthesizer = nullptr;  // null: another one speaks
  NullLogger logger;
  std::unique_ptr<Assistant> assistant;
  std::unique_ptr<server::Server> server;
};

}  // namespace antiphon::test
