// Threads that spin, then sleep on a futex (std::atomic wait).
#include "engine/kernels/cpu/team.h"

#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <thread>
#include <vector>

namespace antiphon {
namespace {

constexpr int kSpins = 20000;        // tens of microseconds, then sleep
constexpr int kBarrierYield = 4096;  // an oversubscribed machine must let the others run

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
}

// Pins the calling thread to the index-th core it may use; without effect where that fails.
void pin_to(int index) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return;
  const int num_allowed = CPU_COUNT(&allowed);
  if (num_allowed < 2) return;
  int wanted = index % num_allowed;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed) || wanted-- > 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
    return;
  }
}

class ThreadedTeam final : public Team {
 public:
  ThreadedTeam(int threads, bool pin) : num_members_(threads) {
    threads_.reserve(static_cast<std::size_t>(threads - 1));
    for (int member = 1; member < threads; ++member)
      threads_.emplace_back([this, member, pin] {
        if (pin) pin_to(member);
        serve(member);
      });
  }

  ~ThreadedTeam() override {
    task_ = nullptr;
    epoch_.fetch_add(1, std::memory_order_release);
    epoch_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  int size() const override { return num_members_; }

  void run(void (*task)(void*, int), void* context) override {
    task_ = task;
    context_ = context;
    pending_.store(num_members_ - 1, std::memory_order_relaxed);
    // seq_cst pairs with the sleepers' count: either we see one, or it sees the new epoch.
    epoch_.fetch_add(1, std::memory_order_seq_cst);
    if (sleeping_.load(std::memory_order_seq_cst) > 0) epoch_.notify_all();
    task(context, 0);
    for (int spins = 0; pending_.load(std::memory_order_acquire) != 0; ++spins) relax(spins);
  }

  void barrier() override {
    const std::uint32_t phase = phase_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == num_members_) {
      arrived_.store(0, std::memory_order_relaxed);
      phase_.store(phase + 1, std::memory_order_release);
      return;
    }
    for (int spins = 0; phase_.load(std::memory_order_acquire) == phase; ++spins) relax(spins);
  }

 private:
  static void relax(int spins) {
    if (spins % kBarrierYield == kBarrierYield - 1) {
      sched_yield();
    } else {
      pause_cpu();
    }
  }

  std::uint32_t wait_for_work(std::uint32_t seen) {
    for (int spins = 0; spins < kSpins; ++spins) {
      const std::uint32_t now = epoch_.load(std::memory_order_acquire);
      if (now != seen) return now;
      pause_cpu();
    }
    sleeping_.fetch_add(1, std::memory_order_seq_cst);
    while (epoch_.load(std::memory_order_seq_cst) == seen)
      epoch_.wait(seen, std::memory_order_seq_cst);
    sleeping_.fetch_sub(1, std::memory_order_relaxed);
    return epoch_.load(std::memory_order_acquire);
  }

  void serve(int member) {
    std::uint32_t seen = 0;
    while (true) {
      seen = wait_for_work(seen);
      if (task_ == nullptr) return;
      task_(context_, member);
      pending_.fetch_sub(1, std::memory_order_release);
    }
  }

  const int num_members_;
  // One cache line each: spinning on one must not slow writes to another.
  alignas(64) std::atomic<std::uint32_t> epoch_{0};
  alignas(64) std::atomic<int> sleeping_{0};
  alignas(64) std::atomic<int> pending_{0};
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<std::uint32_t> phase_{0};
  // Published by epoch_, read by members after they saw it.
  alignas(64) void (*task_)(void*, int) = nullptr;
  void* context_ = nullptr;
  std::vector<std::thread> threads_;
};

class Alone final : public Team {
 public:
  int size() const override { return 1; }
  void run(void (*task)(void*, int), void* context) override { task(context, 0); }
  void barrier() override {}
};

}  // namespace

std::unique_ptr<Team> make_team(int threads, bool pin) {
  if (threads <= 1) return std::make_unique<Alone>();
  return std::make_unique<ThreadedTeam>(threads, pin);
}

}  // namespace antiphon
