// The queue and the thread of a lane.
#include "pipeline/lane.h"

#include <algorithm>
#include <utility>

namespace antiphon {

ThreadLane::ThreadLane(std::string name, std::size_t capacity_tasks)
    : name_(std::move(name)), capacity_tasks_(capacity_tasks) {
  heap_.reserve(capacity_tasks);
  thread_ = std::thread([this] { work(); });
}

ThreadLane::~ThreadLane() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

bool ThreadLane::later(const Queued& a, const Queued& b) {
  if (a.task.deadline_ns != b.task.deadline_ns) return a.task.deadline_ns > b.task.deadline_ns;
  return a.order > b.order;
}

Status ThreadLane::post(LaneTask task) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return cancelled("lane " + name_ + " is stopped");
    if (heap_.size() >= capacity_tasks_)
      return exhausted("lane " + name_ + " is full with " + std::to_string(capacity_tasks_) +
                       " tasks");
    heap_.push_back({std::move(task), next_order_++});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  wake_.notify_one();
  return {};
}

void ThreadLane::wait_idle() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return stopping_ || (heap_.empty() && !running_); });
}

std::size_t ThreadLane::num_waiting() const {
  std::lock_guard lock(mutex_);
  return heap_.size();
}

void ThreadLane::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !heap_.empty(); });
    if (stopping_) break;
    std::pop_heap(heap_.begin(), heap_.end(), later);
    LaneTask task = std::move(heap_.back().task);
    heap_.pop_back();
    running_ = true;
    lock.unlock();
    task.run();
    task.run = nullptr;  // what it holds goes before the lane counts as idle
    lock.lock();
    running_ = false;
    if (heap_.empty()) idle_.notify_all();
  }
  std::vector<Queued> dropped = std::move(heap_);
  heap_.clear();
  idle_.notify_all();
  lock.unlock();
}

}  // namespace antiphon
