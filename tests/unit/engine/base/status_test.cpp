// Status and Result carry codes, messages and context.
#include "engine/base/status.h"

#include <gtest/gtest.h>

#include <string>

namespace antiphon {
namespace {

Result<int> parse_positive(int x) {
  if (x <= 0) return invalid_argument("wanted > 0, got " + std::to_string(x));
  return x;
}

Status use(int x, int* out) {
  ANTIPHON_ASSIGN_OR_RETURN(*out, parse_positive(x));
  return {};
}

TEST(Status, DefaultIsOk) {
  EXPECT_TRUE(Status().ok());
  EXPECT_EQ(Status().to_string(), "ok");
}

TEST(Status, ContextGoesInFront) {
  const Status s = not_found("no such tensor").with_context("weights.safetensors");
  EXPECT_EQ(s.to_string(), "not_found: weights.safetensors: no such tensor");
  EXPECT_TRUE(Status().with_context("anything").ok());
}

TEST(Result, AssignOrReturnPassesValuesAndErrors) {
  int out = 0;
  EXPECT_TRUE(use(3, &out).ok());
  EXPECT_EQ(out, 3);
  const Status bad = use(-1, &out);
  EXPECT_EQ(bad.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(bad.message(), "wanted > 0, got -1");
  EXPECT_EQ(out, 3);
}

}  // namespace
}  // namespace antiphon
