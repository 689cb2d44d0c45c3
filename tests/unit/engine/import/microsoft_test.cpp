// Operators of ONNX Runtime's transformer optimiser give what ONNX Runtime gives
// (tests/golden/microsoft, with its script), and say what they do not take.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "tests/unit/engine/import/golden_model.h"

namespace antiphon {
namespace {

std::string golden(const std::string& file) {
  return std::string(ANTIPHON_SOURCE_DIR) + "/tests/golden/microsoft/" + file;
}

// A product of 6 terms, a softmax of at most 7 and a sum of as many, or a norm of 6: a few
// roundings of values around 1.
constexpr double kBound = 1e-5;

class MicrosoftNode : public testing::TestWithParam<const char*> {};

TEST_P(MicrosoftNode, EqualsOnnxRuntime) { test::expect_golden(golden(GetParam()), kBound, 3); }

INSTANTIATE_TEST_SUITE_P(
    All, MicrosoftNode,
    testing::Values("attention_bias_by_head", "attention_bias_once", "attention_by_query",
                    "attention_causal", "attention_causal_mask", "attention_ends_starts",
                    "attention_lengths", "attention_mask", "attention_no_bias", "attention_past",
                    "attention_past_mask", "attention_plain", "attention_scale", "attention_sizes",
                    "attention_weights_of_run_time", "bias_gelu", "bias_split_gelu", "embed",
                    "embed_positions", "fast_gelu", "fast_gelu_bias", "gelu", "heads_bias_by_head",
                    "heads_bias_once", "heads_by_head", "heads_by_query", "heads_causal",
                    "heads_lengths", "heads_mask", "heads_past", "heads_plain", "heads_present",
                    "heads_sizes", "qattention_of_run_time", "qattention_past", "qattention_signed",
                    "qattention_unsigned", "qembed", "qembed_bare", "quick_gelu",
                    "quick_gelu_alpha", "simplified", "simplified_axis", "skip_layer_norm",
                    "skip_layer_norm_plain", "skip_simplified", "skip_simplified_plain"),
    [](const auto& info) { return std::string(info.param); });

std::shared_ptr<const Plan> plan_of(const std::string& path, Precision precision) {
  const auto network = import_onnx(path);
  EXPECT_TRUE(network.ok()) << network.status().message();
  if (!network.ok()) return nullptr;
  BuildOptions options;
  options.precision = precision;
  options.profile = {{"B", {1, 2, 4}}, {"T", {1, 7, 16}}};
  const auto plan = build(*network, options);
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  return plan.ok() ? *plan : nullptr;
}

// Layers of an operator, or all.
std::ptrdiff_t count(const Plan& plan, const std::string& op = "") {
  const auto& layers = plan.report().layers;
  return std::count_if(layers.begin(), layers.end(),
                       [&](const LayerReport& layer) { return op.empty() || layer.op == op; });
}

// Up to thirty layers with other orders of sums, as golden_test has of the network before.
TEST(OptimisedBert, EqualsOnnxRuntime) {
  test::expect_golden(golden("bert"), 3e-5, 3);
  test::expect_golden(golden("bert_dynamic"), 3e-5, 3);  // in f32: the weights' numbers
}

// The optimiser takes nothing away that our own passes do not find again.
TEST(OptimisedBert, IsAsFusedAsTheNetworkBefore) {
  const auto before =
      plan_of(std::string(ANTIPHON_SOURCE_DIR) + "/tests/golden/onnx/bert.onnx", Precision::kF32);
  const auto optimised = plan_of(golden("bert.onnx"), Precision::kF32);
  const auto dynamic = plan_of(golden("bert_dynamic.onnx"), Precision::kInt8);
  ASSERT_TRUE(before && optimised && dynamic);
  for (const auto& plan : {optimised, dynamic}) {
    EXPECT_LE(count(*plan), count(*before));
    for (const char* op : {"attention", "linear", "layer_norm"})
      EXPECT_EQ(count(*plan, op), count(*before, op)) << op;
    EXPECT_EQ(count(*plan, "softmax") + count(*plan, "matmul"), 0);
  }
}

}  // namespace
}  // namespace antiphon
