// Parts of models in ONNX Runtime: equal to it, kept in plan files, and every way of not having it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "engine/engine.h"
#include "engine/onnx.h"
#include "engine/weights.h"

namespace antiphon {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string golden(const std::string& file) {
  return std::string(ANTIPHON_SOURCE_DIR) + "/tests/golden/onnx/" + file;
}

// Of ANTIPHON_ONNXRUNTIME, of the Python that CMake found, or of the system.
Result<std::shared_ptr<const PluginSet>> runtime() {
  if (const char* path = std::getenv("ANTIPHON_ONNXRUNTIME"))
    return PluginSet::load_with_onnxruntime({}, path);
  return PluginSet::load_with_onnxruntime({}, ANTIPHON_TEST_ONNXRUNTIME);
}

class Fallback : public testing::Test {
 protected:
  void SetUp() override {
    auto set = runtime();
    if (set.status().code() == StatusCode::kNotFound) GTEST_SKIP() << set.status().message();
    ASSERT_TRUE(set.ok()) << set.status().message();
    import_.plugins = options_.plugins = *set;
    options_.precision = Precision::kF32;
    options_.profile["B"] = {1, 2, 4};
  }
  void TearDown() override { std::filesystem::remove(file_); }

  Result<std::shared_ptr<const Plan>> build_golden() const {
    ANTIPHON_ASSIGN_OR_RETURN(const OnnxNetwork network,
                              import_onnx(golden("fallback.onnx"), import_));
    return build(network, options_);
  }

  // The first `count` items of the golden batch.
  static void expect_golden(const std::shared_ptr<const Plan>& plan, Context& context,
                            std::int64_t count) {
    const auto data = *Weights::load(golden("fallback.safetensors"));
    const TensorView x = *data->tensor("in.x");
    const std::int64_t dims[] = {count, 4, 4};
    const auto memory = context.input("x", dims);
    ASSERT_TRUE(memory.ok()) << memory.status().message();
    std::memcpy(*memory, x.data, static_cast<std::size_t>(count) * 64);
    const Status ran = context.run();
    ASSERT_TRUE(ran.ok()) << ran.message();
    for (const TensorSpec& spec : plan->outputs()) {
      const TensorView want = *data->tensor("out." + spec.name);
      const TensorView got = *context.output(spec.name);
      ASSERT_EQ(got.dims.size(), want.dims.size()) << spec.name;
      ASSERT_EQ(got.dims[0], count) << spec.name;
      for (std::int64_t i = 0; i < got.num_elements(); ++i)
        // Products of four terms in another order; the waves are of rounded ones.
        ASSERT_NEAR(got.f32()[i], want.f32()[i], 2e-5 * std::max(1.0f, std::abs(want.f32()[i])))
            << spec.name << " at " << i;
    }
  }

  static int parts_of(const Plan& plan) {
    return static_cast<int>(
        std::ranges::count(plan.report().layers, "cpu/onnxruntime", &LayerReport::kernel));
  }

  OnnxOptions import_;
  BuildOptions options_;
  const std::string file_ = testing::TempDir() + "fallback_" + std::to_string(getpid());
};

TEST_F(Fallback, EqualsOnnxRuntimeForEveryBatch) {
  const auto plan = build_golden();
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  // a and b together; e, z and waves each alone.
  EXPECT_EQ(parts_of(**plan), 4);
  const auto context = Context::create(*plan, nullptr);
  ASSERT_TRUE(context.ok());
  for (const std::int64_t count : {1, 3, 2, 3}) expect_golden(*plan, **context, count);
}

// The branches read what is around them.
TEST_F(Fallback, ABranchTakesItsWholeIfAlong) {
  const auto network = import_onnx(golden("fallback_if.onnx"), import_);
  ASSERT_TRUE(network.ok()) << network.status().message();
  const auto plan = build(*network, options_);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  EXPECT_EQ(parts_of(**plan), 1);
  const auto data = *Weights::load(golden("fallback_if.safetensors"));
  const auto context = Context::create(*plan, nullptr);
  ASSERT_TRUE(context.ok());
  for (const bool go : {true, false, true}) {
    const TensorView x = *data->tensor("x"), want = *data->tensor(go ? "then" : "else");
    const auto rows = (*context)->input("x", x.dims);
    ASSERT_TRUE(rows.ok()) << rows.status().message();
    std::memcpy(*rows, x.data, 48);
    const auto flag = (*context)->input("go", {});
    ASSERT_TRUE(flag.ok()) << flag.status().message();
    std::memcpy(*flag, &go, 1);
    ASSERT_TRUE((*context)->run().ok());
    const TensorView got = *(*context)->output("y");
    ASSERT_EQ(got.dims, want.dims);
    for (std::size_t i = 0; i < 12; ++i) EXPECT_NEAR(got.f32()[i], want.f32()[i], 1e-5) << i;
  }
}

TEST_F(Fallback, PlansKeepTheirParts) {
  const auto built = build_golden();
  ASSERT_TRUE(built.ok()) << built.status().message();
  ASSERT_TRUE((*built)->save(file_).ok());
  const auto plan = Plan::load(file_, {}, options_.plugins);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  EXPECT_EQ(parts_of(**plan), 4);
  const auto context = Context::create(*plan, nullptr);
  ASSERT_TRUE(context.ok());
  expect_golden(*plan, **context, 3);
  for (const auto& without : {Plan::load(file_), Plan::load(file_, {}, *PluginSet::load({}))})
    EXPECT_THAT(without.status().message(),
                AllOf(HasSubstr("runs in ONNX Runtime"), HasSubstr("--fallback onnxruntime")));
}

TEST_F(Fallback, WhatNeitherHasIsRefusedWithBothReasons) {
  const auto snake = import_onnx(golden("plugin_snake.onnx"), import_);
  ASSERT_EQ(snake.status().code(), StatusCode::kUnsupported) << snake.status().message();
  EXPECT_THAT(snake.status().message(), AllOf(HasSubstr("ONNX Runtime: "), HasSubstr("Snake")));
  const auto open = import_onnx(golden("fallback_nonzero.onnx"), import_);
  ASSERT_FALSE(open.ok());
  EXPECT_THAT(open.status().message(),
              AllOf(HasSubstr("'where'"), HasSubstr("does not know axis 1 before it runs")));
}

TEST(FallbackAbsent, OneErrorListsEveryNode) {
  const auto network = import_onnx(golden("fallback.onnx"));
  ASSERT_EQ(network.status().code(), StatusCode::kUnsupported);
  EXPECT_THAT(network.status().message(),
              AllOf(HasSubstr("5 nodes cannot be imported"), HasSubstr("'a' (Trilu)"),
                    HasSubstr("'b' (Trilu)"), HasSubstr("'e' (TransposeMatMul)"),
                    HasSubstr("'z' (Trilu)"), HasSubstr("'waves' (DFT)")));
}

TEST(FallbackAbsent, SaysWhatToInstall) {
  const auto set = PluginSet::load_with_onnxruntime({}, "/nowhere/libonnxruntime.so");
  ASSERT_EQ(set.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(set.status().message(),
              AllOf(HasSubstr("/nowhere/libonnxruntime.so"), HasSubstr("pip install onnxruntime"),
                    HasSubstr("--fallback onnxruntime=FILE")));
  const std::string other = std::string(ANTIPHON_BINARY_DIR) + "/plugins/snake.so";
  const auto no_runtime = PluginSet::load_with_onnxruntime({}, other);
  ASSERT_EQ(no_runtime.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(no_runtime.status().message(), HasSubstr("does not export OrtGetApiBase()"));
}

}  // namespace
}  // namespace antiphon
