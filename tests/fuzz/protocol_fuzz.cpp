// libFuzzer: frames of a client of the native protocol, one a line; a line that begins with 'b' is
// a binary frame of what follows. What is sent back is JSON, and nothing stays behind.
#include <deque>
#include <mutex>
#include <nlohmann/json.hpp>

#include "antiphon/assistant.h"
#include "server/native_protocol.h"
#include "tests/fuzz/input_file.h"
#include "tests/support/fake_stages.h"

namespace antiphon {
namespace {

constexpr int kMaxFrames = 64;

// A strand that runs when it is told to; lanes post to it.
class QueueExecutor final : public Executor {
 public:
  void post(std::function<void()> task) override {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  bool run_one() {
    std::function<void()> task;
    {
      const std::lock_guard lock(mutex_);
      if (tasks_.empty()) return false;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
    return true;
  }

 private:
  std::mutex mutex_;
  std::deque<std::function<void()>> tasks_;
};

class CheckedOutbox final : public server::Outbox {
 public:
  void send_text(std::string_view payload) override {
    if (!nlohmann::json::parse(payload, nullptr, false).is_object()) __builtin_trap();
  }
  void send_binary(std::string_view payload) override {
    if (payload.size() % 2 != 0) __builtin_trap();
  }
  void close(int code, std::string_view) override {
    if (code < 1000 || code > 1015) __builtin_trap();
    closed_ = true;
  }
  bool has_room() const override { return true; }
  void pause_reading(bool) override {}
  bool closed() const { return closed_; }

 private:
  bool closed_ = false;
};

struct Host {
  Host() {
    AssistantStages stages;
    auto fake = std::make_unique<test::FakeRecognizer>();
    recognizer = fake.get();
    stages.recognizer = std::move(fake);
    stages.understander = std::make_unique<test::FakeUnderstander>();
    stages.dialog = std::make_unique<test::FakeDialog>();
    stages.synthesizer = std::make_unique<test::FakeSynthesizer>();
    assistant = Assistant::with_stages(std::move(stages));
  }
  void settle(QueueExecutor& executor) {
    do assistant->wait_idle();
    while (executor.run_one());
  }
  test::FakeRecognizer* recognizer = nullptr;
  std::unique_ptr<Assistant> assistant;
  server::ServerConfig config;
  server::Metrics metrics;
};

void converse(Host& host, std::string_view frames) {
  const auto executor = std::make_shared<QueueExecutor>();
  CheckedOutbox outbox;
  server::NativeProtocol protocol(*host.assistant, host.config, host.metrics, executor, outbox);
  for (int i = 0; i < kMaxFrames && !frames.empty() && !outbox.closed(); ++i) {
    const std::string_view frame = frames.substr(0, frames.find('\n'));
    frames.remove_prefix(std::min(frames.size(), frame.size() + 1));
    if (frame.starts_with('b'))
      protocol.on_binary_frame(frame.substr(1));
    else
      protocol.on_text_frame(frame);
    while (executor->run_one()) {
    }
  }
  host.settle(*executor);
  protocol.stop();
  host.settle(*executor);
  if (host.recognizer->num_open != 0) __builtin_trap();
}

}  // namespace
}  // namespace antiphon

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t num_bytes) {
  static antiphon::Host host;
  antiphon::converse(host, {reinterpret_cast<const char*>(data), num_bytes});
  return 0;
}
