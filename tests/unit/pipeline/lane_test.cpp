// Lanes: order by deadline, bounded queue, batches of recogniser streams.
#include "pipeline/lane.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <thread>

#include "pipeline/recognizer_batcher.h"
#include "tests/support/session_rig.h"

namespace antiphon {
namespace {

// Holds the lane until release() is called.
struct Gate {
  explicit Gate(ThreadLane& lane) {
    std::promise<void> started;
    auto running = started.get_future();
    EXPECT_TRUE(lane.post({0,
                           [this, &started] {
                             started.set_value();
                             open.get_future().wait();
                           }})
                    .ok());
    running.wait();
  }
  std::promise<void> open;
};

TEST(ThreadLane, RunsTheNearestDeadlineFirst) {
  ThreadLane lane("test", 8);
  std::vector<int> order;
  Gate gate(lane);
  for (const int deadline : {30, 10, 20, 10})
    ASSERT_TRUE(lane.post({deadline, [&order, deadline] { order.push_back(deadline); }}).ok());
  gate.open.set_value();
  lane.wait_idle();
  EXPECT_EQ(order, (std::vector<int>{10, 10, 20, 30}));
}

TEST(ThreadLane, RefusesWhatDoesNotFit) {
  ThreadLane lane("test", 2);
  Gate gate(lane);
  EXPECT_TRUE(lane.post({0, [] {}}).ok());
  EXPECT_TRUE(lane.post({0, [] {}}).ok());
  EXPECT_EQ(lane.post({0, [] {}}).code(), StatusCode::kExhausted);
  gate.open.set_value();
  lane.wait_idle();
  EXPECT_EQ(lane.num_waiting(), 0u);
}

TEST(ThreadLane, DropsItsQueueWhenItEnds) {
  auto held = std::make_shared<int>(1);
  auto lane = std::make_unique<ThreadLane>("test", 8);
  Gate gate(*lane);
  ASSERT_TRUE(lane->post({0, [held] {}}).ok());
  std::thread opener([&gate] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));  // the lane is stopping by now
    gate.open.set_value();
  });
  lane.reset();
  opener.join();
  EXPECT_EQ(held.use_count(), 1);
}

TEST(RecognizerBatcher, AdvancesAllWaitingStreamsAtOnce) {
  FakeClock clock;
  test::ManualLane lane(clock);
  test::FakeRecognizer recognizer;
  RecognizerBatcher batcher(recognizer, lane);
  std::vector<std::unique_ptr<RecognizerStream>> streams;
  int done = 0;
  for (int i = 0; i < 3; ++i) {
    streams.push_back(std::move(recognizer.open({})).value());
    ASSERT_TRUE(
        batcher.submit(streams.back().get(), 0, [&](const Status& s) { done += s.ok(); }).ok());
  }
  EXPECT_EQ(lane.tasks.size(), 1u);
  lane.run_one();
  EXPECT_EQ(done, 3);
  EXPECT_EQ(recognizer.widest_batch, 3);
  EXPECT_FALSE(lane.run_one());
}

}  // namespace
}  // namespace antiphon
