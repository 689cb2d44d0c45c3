// A lane: the one thread that runs device work, nearest deadline first.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/base/status.h"

namespace antiphon {

struct LaneTask {
  std::int64_t deadline_ns = 0;  // on the clock of the sessions; orders tasks, drops none
  std::function<void()> run;
};

// post() may be called from any thread. kExhausted: the queue is full. kCancelled: the lane is
// stopped.
class Lane {
 public:
  virtual ~Lane() = default;
  virtual Status post(LaneTask task) = 0;
};

// Owns its thread and a bounded queue; sleeps until a task arrives. Equal deadlines run in the
// order of arrival. The destructor stops it: what is queued is dropped, what runs is waited for.
class ThreadLane final : public Lane {
 public:
  ThreadLane(std::string name, std::size_t capacity_tasks);
  ~ThreadLane() override;
  ThreadLane(const ThreadLane&) = delete;
  ThreadLane& operator=(const ThreadLane&) = delete;

  Status post(LaneTask task) override;
  // Blocks until nothing is queued or running. Not from the lane itself.
  void wait_idle();
  std::size_t num_waiting() const;

 private:
  struct Queued {
    LaneTask task;
    std::uint64_t order = 0;
  };
  static bool later(const Queued& a, const Queued& b);
  void work();

  std::string name_;
  std::size_t capacity_tasks_;
  mutable std::mutex mutex_;
  std::condition_variable wake_, idle_;
  std::vector<Queued> heap_;
  std::uint64_t next_order_ = 0;
  bool stopping_ = false, running_ = false;
  std::thread thread_;
};

}  // namespace antiphon
