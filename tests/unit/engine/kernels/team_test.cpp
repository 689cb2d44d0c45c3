// Teams: every member runs, barriers meet, sleeping members wake.
#include "engine/kernels/cpu/team.h"

#include <gtest/gtest.h>

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
