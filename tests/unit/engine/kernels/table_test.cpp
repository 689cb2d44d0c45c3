// The table: every kernel in it was run by a test of this program. Listed last, so it runs last.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/kernels/cpu/backend.h"
#include "tests/unit/engine/kernels/kernel_harness.h"

namespace antiphon::test {
namespace {

TEST(Table, EveryKernelWasRun) {
  if (testing::GTEST_FLAG(filter) != "*") GTEST_SKIP() << "needs all tests in one run";
  for (const Kernel* kernel : cpu_backend().kernels) {
    if (kernel->op == ir::OpKind::kLoop) continue;  // has its own tests
    EXPECT_GT(std::count(kernels_seen().begin(), kernels_seen().end(), kernel->name), 0)
        << kernel->name;
  }
}

}  // namespace
}  // namespace antiphon::test
