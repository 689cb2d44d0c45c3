// Decoders as PyTorch exports them give what ONNX Runtime gives (tests/golden/decoders, with its
// script), and every attention of theirs is one layer.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/unit/engine/import/golden_model.h"

namespace antiphon {
namespace {

std::string golden(const std::string& file) {
  return std::string(ANTIPHON_SOURCE_DIR) + "/tests/golden/" + file;
}

// Layers of an operator that run.
std::ptrdiff_t count(const Plan& plan, const std::string& op) {
  const auto& layers = plan.report().layers;
  return std::count_if(layers.begin(), layers.end(),
                       [&](const LayerReport& layer) { return layer.op == op; });
}

struct Decoder {
  const char* name;
  int attentions, linears, norms, wheres;
  std::size_t most_layers;
};

class Decoders : public testing::TestWithParam<Decoder> {};

// Up to twenty layers with other orders of sums, of values up to 3.
TEST_P(Decoders, EqualOnnxRuntime) {
  test::expect_golden(golden(std::string("decoders/") + GetParam().name), 3e-5, 3);
}

TEST_P(Decoders, AreAFewLayers) {
  const Decoder& want = GetParam();
  const std::string path = golden(std::string("decoders/") + want.name);
  const auto network = import_onnx(path + ".onnx");
  ASSERT_TRUE(network.ok()) << network.status().message();
  const auto data = Weights::load(path + ".safetensors");
  ASSERT_TRUE(data.ok()) << data.status().message();
  const auto plan = build(*network, test::options_for(*network, **data, 3, Precision::kF32));
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  EXPECT_EQ(count(**plan, "attention"), want.attentions);
  EXPECT_EQ(count(**plan, "linear"), want.linears);
  EXPECT_EQ(count(**plan, "layer_norm"), want.norms);
  EXPECT_EQ(count(**plan, "softmax") + count(**plan, "matmul"), 0);
  // The mask once for all layers; the other of T5 is for its relative positions.
  EXPECT_EQ(count(**plan, "where"), want.wheres);
  EXPECT_LE((*plan)->report().layers.size(), want.most_layers);
}

INSTANTIATE_TEST_SUITE_P(All, Decoders,
                         testing::Values(Decoder{"gpt2", 2, 8, 5, 1, 33},
                                         Decoder{"gpt2_past", 2, 8, 5, 1, 50},
                                         Decoder{"t5", 2, 8, 0, 2, 56}),
                         [](const auto& of) { return std::string(of.param.name); });

// All that attention may have in ONNX Runtime's operators: a past, a bias for each head, values of
// another width than keys.
TEST(MicrosoftAttention, IsOneLayer) {
  for (const char* name :
       {"attention_bias_by_head", "attention_bias_once", "attention_by_query", "attention_causal",
        "attention_causal_mask", "attention_ends_starts", "attention_past", "attention_past_mask",
        "attention_scale", "attention_sizes", "heads_bias_by_head", "heads_by_head", "heads_causal",
        "heads_past", "heads_present", "heads_sizes", "qattention_past"}) {
    const std::string path = golden(std::string("microsoft/") + name);
    const auto network = import_onnx(path + ".onnx");
    ASSERT_TRUE(network.ok()) << network.status().message();
    const auto data = Weights::load(path + ".safetensors");
    ASSERT_TRUE(data.ok()) << data.status().message();
    const auto plan = build(*network, test::options_for(*network, **data, 3, Precision::kF32));
    ASSERT_TRUE(plan.ok()) << plan.status().message();
    EXPECT_EQ(count(**plan, "attention"), 1) << name;
    EXPECT_EQ(count(**plan, "softmax") + count(**plan, "matmul"), 0) << name;
  }
}

}  // namespace
}  // namespace antiphon
