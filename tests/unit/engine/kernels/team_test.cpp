// Teams: every member runs, barriers meet, sleeping members wake.
#include "engine/kernels/cpu/team.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <time.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "engine/kernels/cpu/split.h"

namespace antiphon {
namespace {

class Teams : public testing::TestWithParam<int> {};

TEST_P(Teams, RunsEveryMemberOnce) {
  const auto team = make_team(GetParam(), true);
  ASSERT_EQ(team->size(), GetParam());
  std::vector<int> runs(static_cast<std::size_t>(GetParam()), 0);
  auto task = [&](int member) { ++runs[static_cast<std::size_t>(member)]; };
  for (int i = 0; i < 500; ++i) team->run(task);
  for (const int r : runs) EXPECT_EQ(r, 500);
}

TEST_P(Teams, BarrierSeparatesPhases) {
  const auto team = make_team(GetParam(), false);
  const int size = team->size();
  std::vector<int> value(static_cast<std::size_t>(size), 0);  // plain: the barrier orders it
  std::atomic<int> wrong{0};
  auto task = [&](int member) {
    for (int phase = 1; phase <= 50; ++phase) {
      value[static_cast<std::size_t>(member)] = phase;
      team->barrier();
      for (const int v : value) wrong += v != phase;
      team->barrier();
    }
  };
  team->run(task);
  EXPECT_EQ(wrong, 0);
}

TEST_P(Teams, WakesAfterSleep) {
  const auto team = make_team(GetParam(), false);
  std::atomic<int> runs{0};
  auto task = [&](int) { ++runs; };
  for (int i = 0; i < 3; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    team->run(task);
  }
  EXPECT_EQ(runs, 3 * GetParam());
}

// Processor time of the calling thread, in milliseconds.
double busy_ms() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return 1e3 * static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_nsec);
}

TEST(Team, ALongWaitSleeps) {
  const auto team = make_team(2, false);
  double at_barrier_ms = 0;
  auto task = [&](int member) {
    if (member == 1) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const double before = busy_ms();
    team->barrier();
    if (member == 0) at_barrier_ms = busy_ms() - before;
    if (member == 1) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  };
  const double before = busy_ms();
  team->run(task);
  EXPECT_LT(at_barrier_ms, 20);
  EXPECT_LT(busy_ms() - before, 40) << "at the end of the run";
}

// While the caller waits on the core that a member is pinned to, the member cannot run.
TEST(Team, TheCallerLeavesTheCoresOfTheOthers) {
  cpu_set_t allowed;
  ASSERT_EQ(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
  if (CPU_COUNT(&allowed) < 2) GTEST_SKIP() << "needs two cores";
  const auto team = make_team(2, true);
  int together = 0;
  for (int i = 0; i < 50; ++i) {
    int cores[2] = {-1, -1};
    auto where = [&](int member) { cores[member] = sched_getcpu(); };
    team->run(where);
    cpu_set_t other;
    CPU_ZERO(&other);
    CPU_SET(cores[1], &other);
    ASSERT_EQ(sched_setaffinity(0, sizeof(other), &other), 0);  // go there, then be free to go
    ASSERT_EQ(sched_setaffinity(0, sizeof(allowed), &allowed), 0);
    team->run(where);
    together += cores[0] == cores[1];
    cpu_set_t now;
    ASSERT_EQ(sched_getaffinity(0, sizeof(now), &now), 0);
    ASSERT_TRUE(CPU_EQUAL(&now, &allowed));
  }
  EXPECT_LT(together, 10) << "of 50; the scheduler may bring it back at any time";
}

INSTANTIATE_TEST_SUITE_P(Sizes, Teams, testing::Values(1, 2, 3));

TEST(Share, CoversEverythingOnce) {
  for (const std::int64_t count : {0, 1, 15, 16, 17, 1000})
    for (const int members : {1, 2, 3, 7}) {
      std::int64_t at = 0;
      for (int m = 0; m < members; ++m) {
        const Range range = share(count, 16, m, members);
        EXPECT_EQ(range.begin, at);
        EXPECT_TRUE(range.begin % 16 == 0 || range.begin == count);
        at = range.end;
      }
      EXPECT_EQ(at, count);
    }
}

}  // namespace
}  // namespace antiphon
