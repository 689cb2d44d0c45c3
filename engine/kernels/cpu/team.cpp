// Threads that spin, then sleep on a futex (std::atomic wait).
#include "engine/kernels/cpu/team.h"

#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

namespace antiphon {
namespace {

// A member that waits spins so long, then it sleeps: far longer than phases differ on idle cores,
// far shorter than the milliseconds for which other work may hold a member's core. It does not
// yield in between: beside other work that would cost a whole slice at every barrier.
constexpr std::chrono::microseconds kSpin{200};
constexpr int kPausesBetweenLooks = 512;  // at the clock and the core: some microseconds

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
}

// The cores that the process may use, in order; none where they cannot be told.
std::vector<int> allowed_cores() {
  std::vector<int> cores;
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return cores;
  for (int core = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(core, &allowed)) cores.push_back(core);
  return cores;
}

// Moves the calling thread off `cores` if it is on one and may use another; it may come back.
void leave(const cpu_set_t& cores) {
  const int core = sched_getcpu();
  if (core < 0 || !CPU_ISSET(core, &cores)) return;
  cpu_set_t allowed, others;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return;
  CPU_XOR(&others, &allowed, &cores);
  CPU_AND(&others, &others, &allowed);
  if (CPU_COUNT(&others) == 0 || sched_setaffinity(0, sizeof(others), &others) != 0) return;
  sched_setaffinity(0, sizeof(allowed), &allowed);
}

// A number that one thread changes and others wait for, on a cache line of its own.
class alignas(64) Signal {
 public:
  std::uint32_t value() const { return value_.load(std::memory_order_acquire); }

  // Who sees the change sees what was written before it.
  void change(std::uint32_t value) {
    // seq_cst pairs with the sleepers' count: either we see one, or it sees the new value.
    value_.store(value, std::memory_order_seq_cst);
    if (num_sleepers_.load(std::memory_order_seq_cst) > 0) value_.notify_all();
  }

  // Returns when the value is not `old`. avoid: cores on which the caller must not wait, because
  // those whom it waits for are pinned to them; null: none.
  void wait_while(std::uint32_t old, const cpu_set_t* avoid) {
    if (spin_while(old, avoid)) return;
    num_sleepers_.fetch_add(1, std::memory_order_seq_cst);
    while (value_.load(std::memory_order_seq_cst) == old)
      value_.wait(old, std::memory_order_seq_cst);
    num_sleepers_.fetch_sub(1, std::memory_order_relaxed);
  }

 private:
  // True: it changed in time.
  bool spin_while(std::uint32_t old, const cpu_set_t* avoid) const {
    using Clock = std::chrono::steady_clock;
    Clock::time_point end{};  // set at the first look: most waits are over before
    while (true) {
      for (int i = 0; i < kPausesBetweenLooks; ++i) {
        if (value() != old) return true;
        pause_cpu();
      }
      if (avoid) leave(*avoid);
      const Clock::time_point now = Clock::now();
      if (end == Clock::time_point{}) end = now + kSpin;
      if (now >= end) return false;
    }
  }

  std::atomic<std::uint32_t> value_{0};
  std::atomic<int> num_sleepers_{0};
};

class ThreadedTeam final : public Team {
 public:
  ThreadedTeam(int threads, bool pin) : num_members_(threads) {
    CPU_ZERO(&pinned_);
    const std::vector<int> cores = pin ? allowed_cores() : std::vector<int>();
    threads_.reserve(static_cast<std::size_t>(threads - 1));
    for (int member = 1; member < threads; ++member) {
      threads_.emplace_back([this, member] { serve(member); });
      if (cores.size() > 1) pin_to(cores[static_cast<std::size_t>(member) % cores.size()]);
    }
  }

  ~ThreadedTeam() override {
    task_ = nullptr;
    epoch_.change(epoch_.value() + 1);
    for (std::thread& thread : threads_) thread.join();
  }

  int size() const override { return num_members_; }

  void run(void (*task)(void*, int), void* context) override {
    task_ = task;
    context_ = context;
    caller_ = pthread_self();
    pending_.store(num_members_ - 1, std::memory_order_relaxed);
    leave(pinned_);
    const std::uint32_t before = epoch_.value();
    epoch_.change(before + 1);
    task(context, 0);
    finished_.wait_while(before, &pinned_);
  }

  void barrier() override {
    const std::uint32_t phase = phase_.value();
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == num_members_) {
      arrived_.store(0, std::memory_order_relaxed);
      phase_.change(phase + 1);
      return;
    }
    phase_.wait_while(phase, pthread_equal(caller_, pthread_self()) != 0 ? &pinned_ : nullptr);
  }

 private:
  // The thread made last; where that fails it stays free.
  void pin_to(int core) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    if (pthread_setaffinity_np(threads_.back().native_handle(), sizeof(one), &one) == 0)
      CPU_SET(core, &pinned_);
  }

  void serve(int member) {
    for (std::uint32_t seen = 0;; ++seen) {
      epoch_.wait_while(seen, nullptr);
      if (task_ == nullptr) return;
      task_(context_, member);
      if (pending_.fetch_sub(1, std::memory_order_acq_rel) == 1) finished_.change(seen + 1);
    }
  }

  const int num_members_;
  cpu_set_t pinned_;  // the cores of members 1 and up; set before the first run()
  Signal epoch_;      // counts runs begun
  Signal finished_;   // and ended
  Signal phase_;      // counts barriers passed
  alignas(64) std::atomic<int> pending_{0};
  alignas(64) std::atomic<int> arrived_{0};
  // Published by epoch_, read by members after they saw it.
  alignas(64) void (*task_)(void*, int) = nullptr;
  void* context_ = nullptr;
  pthread_t caller_{};
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
