// A network of a pack that ships, built for one path of the engine.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "tests/support/pack_golden.h"
#include "tts/stream/plan_runner.h"

namespace antiphon::tts {

// Null, and the test has failed, when the network does not build. Its state, if any, is slot 0.
class PackRunner {
 public:
  PackRunner(const Network& net, const test::EnginePath& path,
             std::map<std::string, DimRange> profile) {
    BuildOptions options;
    options.precision = path.precision;
    options.max_isa = path.isa;
    options.profile = std::move(profile);
    const auto plan = build(net, options);
    EXPECT_TRUE(plan.ok()) << plan.status().to_string();
    if (!plan.ok()) return;
    if ((*plan)->report().state_bytes > 0) {
      auto pool = StatePool::create(*plan, 1);
      EXPECT_TRUE(pool.ok() && (*pool)->acquire().ok());
      pool_ = std::move(pool).value();
    }
    auto runner = PlanRunner::create(*plan, nullptr, pool_.get());
    EXPECT_TRUE(runner.ok()) << runner.status().to_string();
    runner_ = std::move(runner).value();
  }
  explicit operator bool() const { return runner_ != nullptr; }
  NetRunner& operator*() const { return *runner_; }
  NetRunner* operator->() const { return runner_.get(); }

  // Of the last run. Empty, and the test has failed, when there is no such output.
  std::span<const float> output(std::string_view name) const {
    const auto values = runner_->output(name);
    EXPECT_TRUE(values.ok()) << values.status().to_string();
    return values.ok() ? *values : std::span<const float>();
  }

 private:
  std::unique_ptr<StatePool> pool_;
  std::unique_ptr<PlanRunner> runner_;
};

}  // namespace antiphon::tts
