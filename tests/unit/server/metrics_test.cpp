// Counters and histograms of turns as Prometheus reads them.
#include "server/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace antiphon::server {
namespace {

using testing::HasSubstr;

TEST(Metrics, TurnsAheadAndThoseBegunInVain) {
  Metrics metrics;
  EXPECT_THAT(metrics.text(), HasSubstr("\nantiphon_turns_ahead_in_vain_total 0\n"));
  TurnEnd end;
  end.ahead = true;
  end.num_in_vain = 2;
  metrics.observe(end);
  end.reason =
      TurnEndReason::kCancelled;  // its time is not measured, its work was done all the same
  end.num_in_vain = 1;
  metrics.observe(end);
  EXPECT_THAT(metrics.text(), HasSubstr("\nantiphon_turns_ahead_in_vain_total 3\n"));
  EXPECT_THAT(metrics.text(), HasSubstr("\nantiphon_turns_ahead_total 1\n"));
  EXPECT_THAT(metrics.text(), HasSubstr("antiphon_turns_total{reason=\"cancelled\"} 1\n"));
}

}  // namespace
}  // namespace antiphon::server
