// Two plans over the states of one pool: what one leaves the other finds, what a plan does not have
// or does not change stays, and what does not fit is named.
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace antiphon {
namespace {

using Values = std::vector<float>;

struct Program {
  std::shared_ptr<const Plan> plan;
  std::unique_ptr<Context> context;
};

Program made(const Network& network) {
  BuildOptions options;
  options.precision = Precision::kF32;
  options.profile["B"] = {1, 1, 4};
  auto plan = build(network, options);
  EXPECT_TRUE(plan.ok()) << plan.status().to_string();
  if (!plan.ok()) return {};
  auto context = Context::create(*plan, nullptr);
  EXPECT_TRUE(context.ok()) << context.status().to_string();
  return {*plan, context.ok() ? std::move(*context) : nullptr};
}

// Keeps two sums; `count` adds 1 to a third state of another size. Tells nothing of use.
Network sums() {
  Network net("sums");
  const Value x = net.input("x", DType::kF32, {"B", 2});
  const Value count = net.state("count", {"B", 1});
  const Value low = net.state("low", {"B", 2}), high = net.state("high", {"B", 2});
  net.update(count, net.add(count, net.scalar(1)));
  net.update(low, net.add(low, x));
  net.update(high, net.add(high, net.mul(x, net.scalar(100))));
  net.output("count", net.add(count, net.scalar(0)));
  return net;
}

// Declares two of them in another order; y = x + high + low. Doubles `high` if asked to.
Network reader(bool doubles) {
  Network net("reader");
  const Value x = net.input("x", DType::kF32, {"B", 2});
  const Value high = net.state("high", {"B", 2}), low = net.state("low", {"B", 2});
  net.output("y", net.add(x, net.add(high, low)));
  net.update(low, low);
  net.update(high, doubles ? net.add(high, high) : high);
  return net;
}

Network with_state(const char* name, Shape shape) {
  Network net("odd");
  const Value x = net.input("x", DType::kF32, {"B", 2});
  const Value low = net.state("low", {"B", 2}), odd = net.state(name, std::move(shape));
  net.output("y", net.add(x, low));
  net.update(low, low);
  net.update(odd, odd);
  return net;
}

class SharedStates : public testing::Test {
 protected:
  void SetUp() override {
    sums_ = made(sums());
    ASSERT_TRUE(sums_.context);
    auto pool = StatePool::create(sums_.plan, 4);
    ASSERT_TRUE(pool.ok()) << pool.status().to_string();
    pool_ = std::move(*pool);
    for (int& slot : slots_) slot = *pool_->acquire();
  }

  // x: [slots, 2]. What `output` is.
  Values run(Program& program, const std::vector<int>& slots, const Values& x, const char* output) {
    const Status status = try_run(program, slots, x);
    EXPECT_TRUE(status.ok()) << status.to_string();
    const TensorView* got = program.context->output(output);
    if (!status.ok() || !got) return {};
    return Values(got->f32().begin(), got->f32().end());
  }
  Status try_run(Program& program, const std::vector<int>& slots, const Values& x) {
    const std::int64_t dims[] = {static_cast<std::int64_t>(slots.size()), 2};
    ANTIPHON_ASSIGN_OR_RETURN(void* at, program.context->input("x", dims));
    std::copy(x.begin(), x.end(), static_cast<float*>(at));
    return program.context->run(pool_.get(), slots);
  }

  Program sums_;
  std::unique_ptr<StatePool> pool_;
  std::array<int, 3> slots_{};
};

TEST_F(SharedStates, AnotherPlanFindsWhatThePoolsPlanLeft) {
  Program reads = made(reader(false));
  run(sums_, {slots_[0]}, {1, 2}, "count");
  run(sums_, {slots_[0], slots_[2]}, {1, 2, 5, 6}, "count");
  EXPECT_EQ(run(reads, {slots_[0]}, {0.5f, 0}, "y"), (Values{202.5f, 404}));
  EXPECT_EQ(run(reads, {slots_[2], slots_[1], slots_[0]}, {0, 0, 7, 8, 0, 0}, "y"),
            (Values{505, 606, 7, 8, 202, 404}))
      << "of a batch, in its order";
}

TEST_F(SharedStates, WhatAPlanDoesNotUpdateOrDoesNotHaveStays) {
  Program reads = made(reader(false)), doubles = made(reader(true));
  const std::vector<int> both = {slots_[0], slots_[1]};
  run(sums_, both, {1, 2, 3, 4}, "count");
  const Values y = run(reads, both, {0, 0, 0, 0}, "y");
  EXPECT_EQ(y, (Values{101, 202, 303, 404}));
  EXPECT_EQ(run(reads, both, {0, 0, 0, 0}, "y"), y) << "nothing was changed";
  EXPECT_EQ(run(doubles, {slots_[1]}, {0, 0}, "y"), (Values{303, 404}));
  EXPECT_EQ(run(reads, both, {0, 0, 0, 0}, "y"), (Values{101, 202, 603, 804}));
  EXPECT_EQ(run(sums_, both, {0, 0, 0, 0}, "count"), (Values{1, 1})) << "only `sums` counts";
  pool_->reset(slots_[1]);
  EXPECT_EQ(run(reads, both, {0, 0, 0, 0}, "y"), (Values{101, 202, 0, 0}));
}

TEST_F(SharedStates, OneContextMayRunOverPoolsOfSeveralPlans) {
  Program reads = made(reader(false));
  auto own = StatePool::create(reads.plan, 1);
  ASSERT_TRUE(own.ok());
  const int slot = *(*own)->acquire();
  run(sums_, {slots_[0]}, {1, 2}, "count");
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(run(reads, {slots_[0]}, {0, 0}, "y"), (Values{101, 202}));
    std::swap(pool_, *own);
    EXPECT_EQ(run(reads, {slot}, {1, 1}, "y"), (Values{1, 1}));
    std::swap(pool_, *own);
  }
}

TEST_F(SharedStates, WhatDoesNotFitIsNamed) {
  const auto error = [&](Network network) {
    Program odd = made(network);
    const Status status = try_run(odd, {slots_[0]}, {1, 2});
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(try_run(odd, {slots_[0]}, {1, 2}).message(), status.message()) << "the second time";
    return status.message();
  };
  EXPECT_EQ(error(with_state("mean", {"B", 2})),
            "odd: state 'mean': the pool of sums has none of this name");
  EXPECT_EQ(error(with_state("high", {"B", 3})),
            "odd: state 'high': the pool of sums has f32[B, 2], wanted f32[B, 3]");
  EXPECT_EQ(error(with_state("count", {1})),
            "odd: state 'count': the pool of sums has f32[B, 1], wanted f32[1]");
  Program reads = made(reader(false));
  EXPECT_EQ(try_run(reads, {3}, {1, 2}).message(), "reader: state slot 3 is not in use");
}

}  // namespace
}  // namespace antiphon
